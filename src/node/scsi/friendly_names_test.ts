/** `user_friendly_names yes`, as RHEL and Ubuntu come: multipathd knows a map by that name only. */
import assert from "node:assert/strict";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { SIZE_BYTES, wwidOf } from "../../../tests/support/fake_scsi.ts";
import { ProtocolNode } from "../../../tests/support/protocol_node.ts";
import { withTestClock } from "../../../tests/support/test_clock.ts";

for (const friendlyNames of [true, false]) {
  const name = friendlyNames ? "mpath7" : wwidOf(7);
  Deno.test(`a map that is named ${name} is attached, grown and taken away`, () =>
    withTestClock(() =>
      FakeHost.use(async (fake) => {
        fake.scsi.friendlyNames = friendlyNames;
        const node = new ProtocolNode("iscsi", fake);
        node.bed.publish(7);
        const { name: device } = await node.attach(7);
        assert.equal(fake.read(`/sys/class/block/${device}/dm/name`), name);
        fake.scsi.sizes.set(7, 2 * SIZE_BYTES);
        await node.connection.grow(node.context, device);
        assert.equal(
          Number(fake.read(`/sys/class/block/${device}/size`)) * 512,
          2 * SIZE_BYTES,
        );
        assert.deepEqual(fake.ran("resize"), [`multipathd resize map ${name}`]);
        await node.letGo(7);
        assert.deepEqual(node.bed.devices(), []);
        assert.deepEqual(fake.ran("del map"), [`multipathd del map ${name}`]);
      })
    ));
}

Deno.test("a map that multipathd names anew while it is being removed is removed by its new name", () =>
  withTestClock(() =>
    FakeHost.use(async (fake) => {
      fake.scsi.friendlyNames = true;
      const node = new ProtocolNode("iscsi", fake);
      node.bed.publish(7);
      const { name: device } = await node.attach(7);
      fake.onTool.set("multipathd", ([verb]) => {
        if (verb === "disablequeueing") fake.write(`/sys/class/block/${device}/dm/name`, "mpatha");
      });
      await node.letGo(7);
      assert.deepEqual(node.bed.devices(), []);
    })
  ));
