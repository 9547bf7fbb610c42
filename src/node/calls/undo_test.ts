/** The undo of a stage that failed, when the deadline of its caller has passed already. */
import assert from "node:assert/strict";
import { abortError, UNDO_TIMEOUT_MS } from "../../async/wait.ts";
import { PsoError } from "../../errors.ts";
import { attachment, FakeHost } from "../../../tests/support/fake_host.ts";
import { withTestClock } from "../../../tests/support/test_clock.ts";
import { BLOCK_CAPABILITY, failureOf } from "../../../tests/support/test_node.ts";

const REQUEST = {
  volumeId: "v7",
  stagingPath: "/stage/7",
  attachment: attachment(7),
  volumeContext: {},
  capability: BLOCK_CAPABILITY,
};

/** A host that reaches volume 7 by one path; its mounts take until the caller's deadline passes. */
function slowHost(fake: FakeHost): AbortController {
  const caller = new AbortController();
  fake.iscsi.addSession(1, "192.0.2.1:3260");
  fake.scsi.luns.set(7, 7);
  fake.onTool.set("mount", () => {
    caller.abort(new PsoError("timeout", "the call took longer than 5 ms"));
    return { code: 32, stderr: "mount: cannot allocate memory\n" };
  });
  return caller;
}

Deno.test("a stage is undone after the deadline of its caller has passed", () =>
  FakeHost.use(async (fake) => {
    const caller = slowHost(fake);
    const node = fake.plugin({ flasharray: { multipath: false } });
    const { code, message } = await failureOf(node.stage(REQUEST, caller.signal));
    assert.deepEqual([code, message], ["timeout", "the call took longer than 5 ms"]);
    assert.deepEqual(fake.scsi.devices, []);
    assert.equal(await fake.records.find("v7"), undefined);
  }));

Deno.test("an undo that hangs ends in a time of its own, says what is left, and the healer finishes it", () =>
  FakeHost.use(async (fake) => {
    const caller = slowHost(fake);
    const hangs = Promise.withResolvers<void>();
    fake.onTool.set("tee", async ([path = ""], signal) => {
      if (!path.endsWith("/delete")) return;
      hangs.resolve();
      await new Promise((_, reject) =>
        signal?.addEventListener("abort", () => reject(abortError(signal)))
      );
    });
    const node = fake.plugin({ flasharray: { multipath: false } });
    const { code, message } = await withTestClock(async ({ move }) => {
      const failed = failureOf(node.stage(REQUEST, caller.signal));
      await hangs.promise;
      move(UNDO_TIMEOUT_MS);
      return await failed;
    });
    assert.equal(code, "timeout");
    assert.equal(
      message,
      "the call took longer than 5 ms; and what the stage attached on this node (dm-7) is not all " +
        `taken away: the undo of the stage took longer than ${UNDO_TIMEOUT_MS} ms; the node goes ` +
        "on with that by itself",
    );
    assert.match(fake.said("failed stage not undone").join(), /"devices":\["dm-7"\]/);
    assert.equal((await fake.records.find("v7"))?.unstaging, true);
    assert.equal(node.locksHeld, 0, "kubelet may call again");
    fake.onTool.clear();
    for (let round = 0; round < 3; round++) {
      await node.healer.round();
      await node.healer.idle();
    }
    assert.equal(await fake.records.find("v7"), undefined);
    assert.deepEqual(fake.scsi.devices, []);
  }));
