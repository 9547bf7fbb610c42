/** What a round of the healer begins, and what it leaves: guards of volumes, and its own end. */
import assert from "node:assert/strict";
import type { NodePlugin } from "../node_plugin.ts";
import { attachment, FakeHost } from "../../../tests/support/fake_host.ts";
import { PORTALS } from "../../../tests/support/fake_iscsi.ts";
import { SIZE_BYTES } from "../../../tests/support/fake_scsi.ts";
import { withTestClock } from "../../../tests/support/test_clock.ts";

/** A host with both sessions. */
function withNode(work: (fake: FakeHost, node: NodePlugin) => Promise<void>): Promise<void> {
  return FakeHost.use(async (fake) => {
    for (const [index, portal] of PORTALS.entries()) fake.iscsi.addSession(index + 1, portal);
    await work(fake, fake.plugin());
  });
}

async function round({ healer }: NodePlugin): Promise<void> {
  await healer.round();
  await healer.idle();
}

/** Until something that goes on by itself has happened. */
async function untilTrue(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise<void>((resolve) => setTimeout(resolve, 1));
}

Deno.test("run() looks at everything each 15 s, and ends when what it began has ended", () =>
  withNode((fake, { healer }) =>
    withTestClock(async ({ move }) => {
      await fake.stagedVolume(1);
      fake.iscsi.removeSession(2);
      const { promise, resolve } = Promise.withResolvers<void>();
      let isEnded = false;
      fake.onTool.set("iscsiadm", async () => await promise);
      const stop = new AbortController();
      const running = healer.run(stop.signal).then(() => isEnded = true);
      move(13_000);
      await Promise.resolve();
      assert.deepEqual(fake.commands, []);
      move(4_000);
      await untilTrue(() => fake.commands.length > 0);
      stop.abort();
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      assert.equal(isEnded, false, "a login is still going on");
      resolve();
      await running;
      assert.deepEqual(fake.iscsi.sessions, ["session1"]);
    })
  ));

Deno.test("run() whose signal has fired does nothing", () =>
  withNode(async (fake, { healer }) => {
    await fake.stagedVolume(1);
    fake.iscsi.removeSession(2);
    await healer.run(AbortSignal.abort());
    assert.deepEqual(fake.commands, []);
  }));

for (
  const { name, changes = {}, use = () => {} } of [
    { name: "is being unstaged", changes: { unstaging: true } },
    { name: "is not mounted", use: (fake: FakeHost) => void fake.unmount("/stage/2") },
    { name: "has no device noted", changes: { device: undefined } },
    {
      name: "has its device's name from before a reboot, and it is another volume's now",
      changes: { attachment: attachment(5) },
    },
    {
      name: "has lost its device",
      use: (fake: FakeHost) => fake.remove("/sys/class/block/dm-2"),
    },
    { name: "only this node has", changes: { shared: false } },
  ]
) {
  Deno.test(`the size of a volume that ${name} is not asked`, () =>
    withNode(async (fake, node) => {
      fake.iscsi.removeSession(2); // no path is to be healed
      fake.iscsi.deadPortals.add(PORTALS[1] ?? "");
      fake.scsi.luns.set(2, 2);
      fake.scsi.addMap("dm-2", 2);
      fake.scsi.join(fake.scsi.addDisk({ session: 1, lun: 2, volume: 2 }), "dm-2");
      const record = { volumeId: "v2", stagingPath: "/stage/2", published: [], device: "dm-2" };
      await fake.records.write({
        ...record,
        attachment: attachment(2),
        shared: true,
        ...changes,
      });
      fake.mount("/stage/2", { number: "254:2" });
      use(fake);
      fake.scsi.sizes.set(2, 2 * SIZE_BYTES);
      const before = fake.read("/sys/class/block/sda/size");
      await node.healer.round();
      await node.healer.idle();
      assert.deepEqual(fake.ran("rescan"), []);
      assert.equal(fake.read("/sys/class/block/sda/size"), before);
    }));
}

Deno.test("the sizes of shared volumes are asked of four in each round, and a size that stays is no news", () =>
  withNode(async (fake, node) => {
    for (const number of [1, 2, 3, 4, 5]) await fake.stagedVolume(number, { shared: true });
    const asked = () => new Set(fake.ran("rescan").map((line) => line.split(":").at(-1))).size;
    await round(node);
    assert.equal(asked(), 4);
    await round(node);
    assert.equal(asked(), 5);
    assert.equal(fake.said("shared volume has a new size").length, 0);
    assert.equal(fake.said("healed").length, 0);
  }));

const CHANGES: Record<string, (fake: FakeHost, volumeId: string) => Promise<void>> = {
  "an unstage was begun": async (fake, volumeId) => {
    const record = await fake.records.find(volumeId);
    assert.ok(record);
    await fake.records.write({ ...record, unstaging: true });
  },
  "it was unstaged": async (fake, volumeId) => await fake.records.remove(volumeId),
  "nothing mounts it any more": (fake, volumeId) => {
    fake.unmount(`/stage/${volumeId.slice(1)}`);
    return Promise.resolve();
  },
};

for (const [name, change] of Object.entries(CHANGES)) {
  Deno.test(`a volume whose repair had to wait is left alone when ${name} meanwhile`, () =>
    withNode(async (fake, node) => {
      const stateOf = (volume: number) =>
        `/sys/class/block/${fake.scsi.disksOf(volume)[0]}/device/state`;
      const volumes = [1, 2, 3, 4, 5];
      for (const volume of volumes) {
        await fake.stagedVolume(volume);
        fake.write(stateOf(volume), "offline");
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      fake.onTool.set("tee", async () => await promise);
      await node.healer.round();
      await untilTrue(() => fake.commands.length === 4);
      const waiting = volumes.find((volume) => fake.ran(`:${volume}/device/state`).length === 0);
      assert.ok(waiting);
      await change(fake, `v${waiting}`);
      resolve();
      await node.healer.idle();
      const states = volumes.map((volume) => fake.read(stateOf(volume)));
      assert.deepEqual(states, volumes.map((one) => one === waiting ? "offline" : "running"));
    }));
}

Deno.test("a repair after which something is still wrong has failed, and says what", () =>
  withNode(async (fake, node) => {
    await fake.stagedVolume(1);
    fake.write("/sys/class/block/sda/device/state", "offline");
    fake.onTool.set("tee", (args) => args[0]?.endsWith("/state") ? {} : undefined);
    const events: string[] = [];
    node.healer.onHeal = ({ what, outcome }) => events.push(`${what} ${outcome}`);
    await round(node);
    assert.deepEqual(events, ["repair failed"]);
    assert.match(fake.said("not healed")[0] ?? "", /v1 still needs a repair: path off line/);
  }));
