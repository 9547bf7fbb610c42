import { equal } from "node:assert/strict";
import type { Container } from "../../names.ts";
import { GiB } from "../../size.ts";
import {
  containerMend,
  containerNamed,
  containerRoomFault,
  containerStateFault,
  hasContainers,
  missingContainerFault,
} from "./container_state.ts";

const DEMOTED = "is demoted, not promoted";
const HAS = {
  pod: new Map([
    ["p1", { name: "P1" }],
    ["small", { name: "small", roomBytes: 2 * GiB }],
    ["full", { name: "full", roomBytes: 0 }],
    ["demoted", { name: "demoted", fault: DEMOTED }],
  ]),
  "volume group": new Map([
    ["g1", { name: "G1" }],
    ["small::g1", { name: "small::g1", roomBytes: 2 * GiB }],
    ["demoted::g1", { name: "demoted::g1", fault: DEMOTED }],
  ]),
};

const pod = (name: string): Container => ({ what: "pod", name });
const group = (name: string): Container => ({ what: "volume group", name });

Deno.test("missingContainerFault() finds a container in any case, and says nothing of an array that does not tell", () => {
  equal(containerNamed(HAS, pod("p1"))?.name, "P1");
  equal(missingContainerFault(HAS, pod("P1")), undefined);
  equal(missingContainerFault(HAS, pod("g1")), "has no pod g1");
  equal(missingContainerFault(undefined, pod("p2")), undefined);
  equal(missingContainerFault(HAS, group("g1")), undefined);
  equal(missingContainerFault(HAS, group("p1")), "has no volume group p1");
  equal(missingContainerFault(HAS, group("p1::g1")), "has no volume group p1::g1");
  equal(missingContainerFault({ pod: HAS.pod }, group("g2")), undefined);
});

Deno.test("containerMend() says how a container is made", () => {
  equal(containerMend(pod("p1")), "make the pod on an array (`purepod create p1`)");
  equal(containerMend(group("g1")), "make the volume group on an array (`purevgroup create g1`)");
});

Deno.test("containerStateFault() says why a container takes no volume now", () => {
  equal(containerStateFault(HAS, pod("p1")), undefined);
  equal(containerStateFault(HAS, pod("demoted")), `has the pod demoted, which ${DEMOTED}`);
  equal(containerStateFault(undefined, pod("p1")), "does not say which pods it has");
  equal(containerStateFault(HAS, group("g1")), undefined);
  equal(
    containerStateFault(HAS, group("demoted::g1")),
    `has the volume group demoted::g1, whose pod ${DEMOTED}`,
  );
  equal(
    containerStateFault({ pod: HAS.pod }, group("g1")),
    "does not say which volume groups it has",
  );
});

Deno.test("containerRoomFault() compares with what is left of the quota", () => {
  const faultOf = (container: Container, sizeBytes: number) =>
    containerRoomFault(HAS, { container, sizeBytes });
  equal(faultOf(pod("p1"), 1000 * GiB), undefined);
  equal(faultOf(pod("small"), 2 * GiB), undefined);
  equal(faultOf(pod("small"), 3 * GiB), "has the pod small with 2 GiB left of its quota");
  equal(faultOf(pod("full"), 0), "has the pod full with 0 bytes left of its quota");
  equal(faultOf(group("g1"), 1000 * GiB), undefined);
  equal(
    faultOf(group("small::g1"), 3 * GiB),
    "has the volume group small::g1 with 2 GiB left of its pod's quota",
  );
});

Deno.test("hasContainers() knows an array that has a pod or a volume group", () => {
  equal(hasContainers(HAS), true);
  equal(hasContainers({ "volume group": HAS["volume group"] }), true);
  equal(hasContainers({ pod: new Map(), "volume group": new Map() }), false);
  equal(hasContainers(undefined), false);
});
