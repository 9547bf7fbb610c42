// Steps of the host's tools that did what they were told, or found it done, with the words and exit
// codes of Debian 12 and Debian 13 (tests/transcripts). What they refuse: transcripts_test.ts.
import assert from "node:assert/strict";
import { wipeUnfinished } from "./filesystem.ts";
import type { Host } from "./host.ts";
import { listSessions, logout } from "./iscsi.ts";
import { detachLoop, growLoop } from "./loop.ts";
import { mountFileSystem, unmountAll } from "./mount.ts";
import { dropPath, removeMap, waitForMap } from "./multipath.ts";
import { disconnect, ipRoute, listControllers } from "./nvme.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { DEBIANS, Transcripts } from "../../tests/support/test_host.ts";
import { withTestClock } from "../../tests/support/test_clock.ts";
import { failureOf } from "../../tests/support/test_node.ts";

const IQN = "iqn.2010-06.com.purestorage:flasharray.1234567890abcdef";
const NQN = "nqn.2010-06.com.purestorage:flasharray.1234567890abcdef";
const WWID = "3624a93701234567890abcdef00011010";
const MAP = "/sys/class/block/dm-0";

/** The map of the recording, over sda. */
function addMap(fake: FakeHost): void {
  fake.blockDevice(MAP, { number: "253:0", sizeBytes: 1 << 20 });
  fake.write(`${MAP}/dm/uuid`, `mpath-${WWID}`);
  fake.write(`${MAP}/dm/name`, WWID);
  fake.write(`${MAP}/slaves/sda`, "");
  fake.write("/sys/class/block/sda/holders/dm-0", "");
}

/** The fake host with recorded tools; `effects` are what they did to the host beside their words. */
function recorded(
  { host }: FakeHost,
  transcripts: Transcripts,
  { names, effects = {} }: { names: string[]; effects?: Record<string, () => void> },
): Host {
  const run = transcripts.run(...names);
  return {
    ...host,
    run: async (tool, args, options) => {
      const line = [tool, ...args].join(" ");
      for (const [words, effect] of Object.entries(effects)) if (line.includes(words)) effect();
      return await run(tool, args, options);
    },
  };
}

for (const debian of DEBIANS) {
  const transcripts = await Transcripts.of(debian);

  for (const name of ["multipathd removes a map", "multipathd removes no map"]) {
    Deno.test(`${debian}: removeMap() when ${name} believes sysfs`, () =>
      FakeHost.use(async (fake) => {
        addMap(fake);
        const host = recorded(fake, transcripts, {
          names: ["multipathd runs", "multipathd stops queueing", name],
          effects: { "del map": () => fake.remove(MAP) },
        });
        await removeMap(host, "dm-0");
      }));
  }

  Deno.test(`${debian}: removeMap() gives on what multipathd says of a map that is open`, () =>
    FakeHost.use(async (fake) => {
      addMap(fake);
      const names = ["multipathd runs", "multipathd stops queueing"];
      const open = "multipathd keeps a map that is open";
      const host = recorded(fake, transcripts, { names: [...names, open] });
      const { code, message } = await failureOf(withTestClock(() => removeMap(host, "dm-0")));
      assert.equal(code, "in_use");
      assert.ok(message.includes(`: ${transcripts.result(open).stdout.trim()};`), message);
    }));

  Deno.test(`${debian}: removeMap() past a dead multipathd believes sysfs, whatever multipath -f ends with`, () =>
    FakeHost.use(async (fake) => {
      addMap(fake);
      const names = ["multipathd does not run", "multipath flushes no map"];
      const tools = recorded(fake, transcripts, {
        names,
        effects: { "multipath -f": () => fake.remove(MAP) },
      });
      const done = { code: 0, stdout: "", stderr: "" };
      const run: Host["run"] = (tool, ...rest) =>
        tool === "dmsetup" ? Promise.resolve(done) : tools.run(tool, ...rest);
      await removeMap({ ...tools, run }, "dm-0");
    }));

  Deno.test(`${debian}: dropPath() of a path that multipathd knows, and of one that it does not`, () =>
    FakeHost.use(async (fake) => {
      addMap(fake);
      const leave = () => fake.remove("/sys/class/block/sda/holders/dm-0");
      const known = { names: ["multipathd forgets a path"], effects: { "del path": leave } };
      await dropPath(recorded(fake, transcripts, known), "sda");
      const unknown = { names: ["multipathd forgets no path", "multipathd reloads a map"] };
      await dropPath(recorded(fake, transcripts, unknown), "sdzz");
      fake.write("/sys/class/block/sdzz/holders/dm-0", "");
      const leaveLate = () => fake.remove("/sys/class/block/sdzz/holders/dm-0");
      const effects = { "reload map": leaveLate };
      await dropPath(recorded(fake, transcripts, { ...unknown, effects }), "sdzz");
      assert.equal(fake.has("/sys/class/block/sdzz/holders/dm-0"), false);
    }));

  Deno.test(`${debian}: waitForMap() fails when multipathd knows no such map`, () =>
    FakeHost.use(async (fake) => {
      const wwid = `3624a9370${"f".repeat(24)}`;
      const host = recorded(fake, transcripts, { names: ["multipathd knows no such map"] });
      const waiting = () => waitForMap(host, { wwid, paths: [] });
      assert.equal((await failureOf(withTestClock(waiting))).code, "unavailable");
    }));

  Deno.test(`${debian}: logout() of a session of ours ends it and deletes its record`, () =>
    FakeHost.use(async (fake) => {
      fake.iscsi.addSession(2, "127.0.0.1:3260", { target: IQN });
      const host = recorded(fake, transcripts, {
        names: ["iscsiadm logs out", "iscsiadm deletes a record"],
        effects: { "--logout": () => fake.iscsi.removeSession(2) },
      });
      const [session] = await listSessions(host);
      assert.ok(session);
      await logout(host, session);
    }));

  Deno.test(`${debian}: disconnect() ends the connection`, () =>
    FakeHost.use(async (fake) => {
      const name = fake.nvme.addController(ipRoute("tcp", NQN, "127.0.0.1:4420"));
      const host = recorded(fake, transcripts, {
        names: ["nvme disconnects"],
        effects: { disconnect: () => fake.nvme.removeController(name) },
      });
      const [controller] = await listControllers(host);
      assert.ok(controller);
      await disconnect(host, controller);
    }));

  Deno.test(`${debian}: mountFileSystem() and unmountAll() of an xfs believe mountinfo`, () =>
    FakeHost.use(async (fake) => {
      const host = recorded(fake, transcripts, {
        names: ["mount of xfs", "umount"],
        effects: {
          "umount /mnt/a": () => void fake.unmount("/mnt/a"),
          "mount -t": () => fake.mount("/mnt/a", { number: "7:0", source: "/dev/loop0" }),
        },
      });
      const xfs = { source: "/dev/loop0", target: "/mnt/a", type: "xfs", options: ["nouuid"] };
      assert.equal((await mountFileSystem(host, xfs)).source, "/dev/loop0");
      await unmountAll(host, "/mnt/a");
    }));

  Deno.test(`${debian}: a loop device takes a new size, loses an unfinished xfs and is detached`, () =>
    FakeHost.use(async (fake) => {
      const file = "/sys/block/loop0/loop/backing_file";
      fake.write(file, "/run/xfs.img");
      const host = recorded(fake, transcripts, {
        names: ["losetup takes a new size", "wipefs wipes", "losetup detaches"],
        effects: { "--detach": () => fake.remove(file) },
      });
      await growLoop(host, "loop0");
      const device = { name: "loop0", majorMinor: "7:0", sizeBytes: 1 << 20 };
      await wipeUnfinished(host, device, { type: "xfs" });
      await detachLoop(host, { name: "loop0", backingFile: "/run/xfs.img" });
    }));
}
