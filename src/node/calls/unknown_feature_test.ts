import assert from "node:assert/strict";
import { mountCapability, TestNode, testRun } from "../../../tests/support/test_node.ts";

Deno.test("an ext4 with a feature that this e2fsck does not know is mounted, with a warning that names it", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    const request = test.stageRequest(volume, { capability: mountCapability("ext4") });
    await test.node.stage(request);
    await Deno.writeTextFile(`${volume.stagingPath}/file`, "of the newer node");
    await test.node.unstage(volume);
    await testRun("debugfs", ["-w", "-R", "feature FEATURE_C13", volume.image]);
    await test.node.stage(request);
    assert.equal(await Deno.readTextFile(`${volume.stagingPath}/file`), "of the newer node");
    const said = test.logLines.filter((line) => line.includes("does not know a feature"));
    assert.equal(said.length, 1);
    assert.match(said[0] ?? "", /FEATURE_C13.*update e2fsprogs/);
    await test.node.unstage(volume);
  }));
