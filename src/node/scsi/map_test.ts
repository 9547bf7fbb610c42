import assert from "node:assert/strict";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { ProtocolNode } from "../../../tests/support/protocol_node.ts";
import { withTestClock } from "../../../tests/support/test_clock.ts";
import { failureOf } from "../../../tests/support/test_node.ts";

Deno.test("attach() whose caller goes away while a path does not join ends there, with no device", () =>
  withTestClock(() =>
    FakeHost.use(async (fake) => {
      const node = new ProtocolNode("iscsi", fake);
      node.bed.publish(7);
      fake.afterTool = () => {
        if (fake.scsi.pathsOf("dm-7").length === 2) fake.scsi.leave("sdb", "dm-7");
      };
      const caller = new AbortController();
      fake.onTool.set("multipathd", (args) => {
        if (args[1] === "path") caller.abort();
      });
      const { code } = await failureOf(node.attach(7, { signal: caller.signal }));
      assert.equal(code, "timeout");
      assert.equal(node.record(7).device, undefined);
      assert.deepEqual(fake.said("multipath map lacks paths"), []);
      assert.equal(fake.commands.at(-1), "multipathd add path sdb");
    })
  ));

Deno.test("attach() refuses a map that holds what is no SCSI disk, which nobody knows for the volume", () =>
  FakeHost.use(async (fake) => {
    const node = new ProtocolNode("iscsi", fake);
    const name = await node.attachedBySomebody(7);
    fake.write(`/sys/class/block/${name}/slaves/vdb`, "");
    const { code, message } = await failureOf(node.attach(7));
    assert.equal(code, "unavailable");
    assert.match(message, /vdb.*unknown/);
    assert.equal(node.record(7).device, undefined);
  }));
