import { deepEqual } from "node:assert/strict";
import type { ArrayStatus } from "../../arrays/array.ts";
import type { Container } from "../../names.ts";
import { firstOfEachPod, withSharedRoom } from "./stretched_pods.ts";

const ONE = { id: "a", name: "fa-1", status: "online" };
const OTHER = { id: "b", name: "fa-2", status: "online" };

function array(id: string, { usedBytes, arrays }: { usedBytes: number; arrays?: typeof ONE[] }) {
  const containers = {
    pod: new Map([["p1", { name: "p1", ...(arrays ? { arrays } : {}) }]]),
    "volume group": new Map([["p1::g1", { name: "p1::g1", ...(arrays ? { arrays } : {}) }]]),
  };
  return { status: { id, capacityBytes: 100, usedBytes, containers } as unknown as ArrayStatus };
}

const free = ({ capacityBytes, usedBytes }: Pick<ArrayStatus, "capacityBytes" | "usedBytes">) =>
  capacityBytes - usedBytes;

Deno.test("15.11: each array of a stretched pod has the room of the one that has least", () => {
  const arrays = [
    array("a", { usedBytes: 10, arrays: [ONE, OTHER] }),
    array("b", { usedBytes: 70, arrays: [OTHER, ONE] }),
    array("c", { usedBytes: 20 }),
  ];
  const rooms = (name?: string, what: Container["what"] = "pod") =>
    withSharedRoom(arrays, { container: name ? { what, name } : undefined }, free).map((
      { status },
    ) => free(status));
  deepEqual(rooms("P1"), [30, 30, 80]);
  deepEqual(rooms(), [90, 30, 80]);
  deepEqual(rooms("p2"), [90, 30, 80]);
  deepEqual(rooms("p1::g1", "volume group"), [30, 30, 80]);
});

Deno.test("15.11: a stretched pod is one candidate, by the array that is best", () => {
  const stretched = [OTHER, ONE];
  const candidates = [
    array("b", { usedBytes: 0, arrays: stretched }),
    array("c", { usedBytes: 0 }),
    array("a", { usedBytes: 0, arrays: stretched }),
  ].map((array) => ({ array }));
  const split = firstOfEachPod(candidates, { container: { what: "pod", name: "p1" } });
  deepEqual(split.first.map(({ array }) => array.status.id), ["b", "c"]);
  deepEqual(
    split.others.map(({ candidate, by }) => [candidate.array.status.id, by.array.status.id]),
    [["a", "b"]],
  );
  deepEqual(firstOfEachPod(candidates, {}).first.length, 3);
});
