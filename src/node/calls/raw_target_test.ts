import assert from "node:assert/strict";
import { attachment, FakeHost } from "../../../tests/support/fake_host.ts";
import { BLOCK_CAPABILITY, failureOf } from "../../../tests/support/test_node.ts";

const VOLUME = { volumeId: "v7", stagingPath: "/stage/7", targetPath: "/pods/1/volumeDevices/7" };

Deno.test("publish of a raw volume refuses a target that is a folder, names it and leaves it", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.luns.set(7, 7);
    const node = fake.plugin();
    const capability = BLOCK_CAPABILITY;
    await node.stage({ ...VOLUME, attachment: attachment(7), capability, volumeContext: {} });
    fake.folder(VOLUME.targetPath);
    const publishing = node.publish({ ...VOLUME, capability, readOnly: false });
    const { code, message } = await failureOf(publishing);
    assert.equal(code, "in_use");
    assert.match(message, /^\/pods\/1\/volumeDevices\/7 is a folder, and a raw device is bound/);
    assert.ok(fake.has(VOLUME.targetPath));
    await node.unpublish(VOLUME);
    await node.unstage(VOLUME);
  }));
