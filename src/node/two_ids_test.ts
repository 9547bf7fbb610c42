/** Two PVs that name one volume, as after an import by hand. */
import assert from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import { BLOCK_CAPABILITY, mountCapability, TestNode } from "../../tests/support/test_node.ts";

for (const capability of [mountCapability(), BLOCK_CAPABILITY]) {
  for (const path of ["the same path", "two paths"]) {
    Deno.test(`a ${capability.access.type} volume that is staged by two ids at once, at ${path}, is attached once, and nothing is left of it`, () =>
      TestNode.use(async (test) => {
        const volume = await test.volume();
        const stagingPath = `${volume.stagingPath}${path === "two paths" ? "b" : ""}`;
        const other = { ...volume, volumeId: "k8s-pvc-1", stagingPath };
        const stages = [volume, other].map((one) =>
          test.node.stage(test.stageRequest(one, { capability }))
        );
        const [first, second] = await Promise.allSettled(stages);
        assert.equal(first?.status, "fulfilled");
        assert.ok(second?.status === "rejected" && isPsoError(second.reason, "busy"));
        const loops = (await test.leftovers()).filter((one) => one.startsWith("loop"));
        assert.equal(loops.length, 1);
        // Whatever order the CO takes, and however often.
        for (const one of [other, volume, volume, other]) {
          await test.node.unstage(one).catch((error) => assert.ok(isPsoError(error, "in_use")));
        }
      }));
  }
}
