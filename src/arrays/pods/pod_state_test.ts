import { equal } from "node:assert/strict";
import { GiB } from "../../size.ts";
import { missingPodFault, podNamed, podRoomFault, podStateFault } from "./pod_state.ts";

const PODS = new Map([
  ["p1", { name: "P1" }],
  ["small", { name: "small", roomBytes: 2 * GiB }],
  ["full", { name: "full", roomBytes: 0 }],
  ["demoted", { name: "demoted", fault: "is demoted, not promoted" }],
]);

Deno.test("missingPodFault() finds a pod in any case, and says nothing of an array that does not tell", () => {
  equal(podNamed(PODS, "p1")?.name, "P1");
  equal(missingPodFault(PODS, "P1"), undefined);
  equal(missingPodFault(PODS, "p2"), "has no pod p2");
  equal(missingPodFault(undefined, "p2"), undefined);
});

Deno.test("podStateFault() says why a pod takes no volume now", () => {
  equal(podStateFault(PODS, "p1"), undefined);
  equal(podStateFault(PODS, "demoted"), "has the pod demoted, which is demoted, not promoted");
  equal(podStateFault(undefined, "p1"), "does not say which pods it has");
});

Deno.test("podRoomFault() compares with what is left of the quota", () => {
  equal(podRoomFault(PODS, { pod: "p1", sizeBytes: 1000 * GiB }), undefined);
  equal(podRoomFault(PODS, { pod: "small", sizeBytes: 2 * GiB }), undefined);
  equal(
    podRoomFault(PODS, { pod: "small", sizeBytes: 3 * GiB }),
    "has the pod small with 2 GiB left of its quota",
  );
  equal(
    podRoomFault(PODS, { pod: "full", sizeBytes: 0 }),
    "has the pod full with 0 bytes left of its quota",
  );
});
