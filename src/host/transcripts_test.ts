// What this program reads of its tools, against what those of Debian 12 and Debian 13 really said
// (tests/transcripts).
import assert from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import { MiB } from "../size.ts";
import { parseVersion } from "./check/equipment_check.ts";
import {
  checkExt4,
  growUnmountedExt4,
  makeFileSystem,
  parseUse,
  parseXfsGeometry,
  wipeUnfinished,
} from "./filesystem.ts";
import type { Host } from "./host.ts";
import { login, logout } from "./iscsi.ts";
import { attachLoop, detachLoop, listLoopDevices, parseLosetup } from "./loop.ts";
import { mountFileSystem, unmountAll } from "./mount.ts";
import { isMultipathRunning, resizeMap, untilForgotten } from "./multipath.ts";
import { connect, disconnect, ipRoute } from "./nvme.ts";
import { type Debian, DEBIANS, Transcripts, withHostRoot } from "../../tests/support/test_host.ts";

const IQN = "iqn.2010-06.com.purestorage:flasharray.1234567890abcdef";
const NQN = "nqn.2010-06.com.purestorage:flasharray.1234567890abcdef";
const WWID = "3624a93701234567890abcdef00011010";
const LOGIN = { timeoutSeconds: 20, replacementSeconds: 20 };

/** The text of the PsoError that `work` ends with, behind its code. */
async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (isPsoError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error("it succeeded");
}

const VERSIONS: Record<string, Record<Debian, string>> = {
  "version of kernel": { debian12: "6.1.0", debian13: "6.12.118" },
  "version of iscsiadm": { debian12: "2.1.8", debian13: "2.1.11" },
  "version of multipath": { debian12: "0.9.4", debian13: "0.11.1" },
  "version of nvme": { debian12: "2.3", debian13: "2.13" },
  "version of mkfs.xfs": { debian12: "6.1.0", debian13: "6.13.0" },
  "version of xfs_growfs": { debian12: "6.1.0", debian13: "6.13.0" },
  "version of mkfs.ext4": { debian12: "1.47.0", debian13: "1.47.2" },
  "version of e2fsck": { debian12: "1.47.0", debian13: "1.47.2" },
  "version of ip": { debian12: "6.1.0", debian13: "6.15.0" },
  "version of mount.nfs": { debian12: "2.6.2", debian13: "2.8.3" },
  "version of mount": { debian12: "2.38.1", debian13: "2.41.5" },
};

for (const debian of DEBIANS) {
  const transcripts = await Transcripts.of(debian);

  Deno.test(`${debian}: parseVersion() finds the version in what each tool says of itself`, () => {
    for (const [name, versions] of Object.entries(VERSIONS)) {
      const { stdout, stderr } = transcripts.result(name);
      assert.equal(parseVersion(stdout || stderr), versions[debian], name);
    }
  });

  Deno.test(`${debian}: isMultipathRunning() knows a daemon that answers from one that does not`, () =>
    withHostRoot({ "/usr/sbin/multipathd": "" }, async (host) => {
      assert.equal(
        await isMultipathRunning({ ...host, run: transcripts.run("multipathd runs") }),
        true,
      );
      assert.equal(
        await isMultipathRunning({ ...host, run: transcripts.run("multipathd does not run") }),
        false,
      );
    }));

  Deno.test(`${debian}: untilForgotten() waits while multipathd has a path of the volume, and no longer`, () =>
    withHostRoot({}, async (host) => {
      await untilForgotten({ ...host, run: transcripts.run("multipathd has no path") }, WWID);
      const busy = { ...host, run: transcripts.run("multipathd has a path") };
      assert.match(await refusal(untilForgotten(busy, WWID, AbortSignal.timeout(1))), /^timeout: /);
    }));

  Deno.test(`${debian}: resizeMap() does not take multipathd's ok for a new size`, () => {
    const files = {
      "/sys/class/block/dm-0/dev": "253:0\n",
      "/sys/class/block/dm-0/size": "2048\n",
    };
    return withHostRoot(files, async (host) => {
      const map = { name: "dm-0", alias: WWID, wwid: WWID, paths: ["sda"], holders: [] };
      assert.equal(
        await refusal(resizeMap(host, { map, sizeBytes: 2 * MiB })),
        `unavailable: multipath map ${WWID} has ${MiB} bytes and its paths have ${
          2 * MiB
        }: multipathd resize map answered ok; kubelet will try again`,
      );
    }, { run: transcripts.run("multipathd resizes a map") });
  });

  const steps = [
    "iscsiadm makes an interface",
    "iscsiadm makes a record",
    "iscsiadm changes a record",
    "iscsiadm deletes a record",
    "iscsiadm makes a record of a portal that is down",
    "iscsiadm changes a record of a portal that is down",
    "iscsiadm deletes a record of a portal that is down",
  ];
  /** What a record is changed to was recorded for one setting: here it stands for all of them. */
  const withLogin = (name: string): Host["run"] => (tool, args, options) => {
    const at = args.indexOf("update");
    const setting = args.includes("127.0.0.9:3260")
      ? ["node.conn[0].timeo.login_timeout", "-v", "5"]
      : ["node.session.scan", "-v", "manual"];
    const known = at < 0 ? args : [...args.slice(0, at + 1), "-n", ...setting];
    return transcripts.run(...steps, name)(tool, known, options);
  };

  for (
    const { name, portal, said } of [
      {
        name: "iscsiadm is refused",
        portal: "127.0.0.1:3260",
        said: new RegExp(
          `^denied: target ${IQN} refused the login at 127.0.0.1:3260: it has no such host, or ` +
            "it wants CHAP and the class names no secret for the node stage; ",
        ),
      },
      {
        name: "iscsiadm finds no portal",
        portal: "127.0.0.9:3260",
        said: /^timeout: portal 127\.0\.0\.9:3260 of target .* does not answer this node: /,
      },
      {
        name: "iscsiadm logs in without iscsid",
        portal: "127.0.0.1:3260",
        said: /^unavailable: iscsiadm .* ended with code 20: .*could not connect to iscsid/,
      },
      {
        name: "iscsiadm logs in",
        portal: "127.0.0.1:3260",
        said: /^unavailable: iscsiadm logged in .*, and the kernel shows no such session: /,
      },
      {
        name: "iscsiadm logs in again",
        portal: "127.0.0.1:3260",
        said: /^unavailable: iscsiadm logged in .*, and the kernel shows no such session: /,
      },
      {
        name: "iscsiadm logs in without a record",
        portal: "127.0.0.1:3260",
        said: /^unavailable: .* ended with code 21: iscsiadm: No records found$/,
      },
    ]
  ) {
    Deno.test(`${debian}: login() when ${name}`, () =>
      withHostRoot({}, async (host) => {
        assert.match(await refusal(login(host, { iqn: IQN, portal }, LOGIN)), said);
      }, { run: withLogin(name) }));
  }

  Deno.test(`${debian}: logout() of a session that is gone, with its record, is success`, () => {
    const session = {
      name: "session2",
      iqn: IQN,
      address: "127.0.0.1",
      port: 3260,
      state: "LOGGED_IN",
      isOurs: true,
    };
    const run = transcripts.run("iscsiadm logs out again", "iscsiadm deletes no record");
    return withHostRoot({}, (host) => logout(host, { ...session, scsiHost: 2, scsiTarget: 0 }), {
      run,
    });
  });

  for (
    const { name, address, said } of [
      {
        name: "nvme is refused",
        address: "127.0.0.9",
        said: /at 127\.0\.0\.9 port 4420: .*connection refused/i,
      },
      {
        name: "nvme connects again",
        address: "127.0.0.1",
        said: /at 127\.0\.0\.1 port 4420: already connected/,
      },
      {
        name: "nvme connects",
        address: "127.0.0.1",
        said: /at 127\.0\.0\.1 port 4420: nvme connect reported success, and/,
      },
    ]
  ) {
    Deno.test(`${debian}: connect() when ${name}, and the kernel shows no controller`, () =>
      withHostRoot({}, async (host) => {
        assert.match(await refusal(connect(host, ipRoute("tcp", NQN, `${address}:4420`))), said);
      }, { run: transcripts.run(name) }));
  }

  Deno.test(`${debian}: disconnect() does not take nvme's exit code for the end of a connection`, () => {
    const folder = "/sys/class/nvme/nvme0";
    const files = {
      [`${folder}/transport`]: "tcp\n",
      [`${folder}/subsysnqn`]: `${NQN}\n`,
      [`${folder}/address`]: "traddr=127.0.0.1,trsvcid=4420\n",
      [`${folder}/state`]: "live\n",
    };
    return withHostRoot(files, async (host) => {
      const controller = { name: "nvme0", state: "live", ...ipRoute("tcp", NQN, "127.0.0.1:4420") };
      assert.match(
        await refusal(disconnect(host, controller, AbortSignal.timeout(50))),
        /^timeout: /,
      );
    }, { run: transcripts.run("nvme disconnects again") });
  });

  Deno.test(`${debian}: losetup's list is read, and a device that shows another file is refused`, () => {
    const run = transcripts.run("losetup attaches", "losetup lists");
    return withHostRoot({}, async (host) => {
      const loops = await listLoopDevices(host);
      assert.deepEqual(loops.map(({ name, backingFile }) => [name, backingFile]), [[
        "loop1",
        "/run/ext4.img",
      ], ["loop0", "/run/xfs.img"]]);
      assert.ok(loops.every(({ inode, majorMinor }) => inode > 0 && /^0:\d+$/.test(majorMinor)));
      assert.deepEqual(parseLosetup(transcripts.result("losetup lists nothing").stdout), []);
      const image = { path: "/run/xfs.img", sizeBytes: 400 * MiB, inode: 1, majorMinor: "0:19" };
      assert.match(
        await refusal(attachLoop(host, image)),
        /^unavailable: losetup attached .* as loop0, but loop0 shows \/run\/xfs\.img: /,
      );
    }, { run });
  });

  Deno.test(`${debian}: detachLoop() of a device that somebody else has detached is success`, () => {
    const file = "/sys/block/loop0/loop/backing_file";
    return withHostRoot({ [file]: "/run/xfs.img\n" }, async (host) => {
      const run: Host["run"] = async (tool, args, options) => {
        await Deno.remove(`${host.root}${file}`);
        return await transcripts.run("losetup detaches again")(tool, args, options);
      };
      await detachLoop({ ...host, run }, { name: "loop0", backingFile: "/run/xfs.img" });
    });
  });

  Deno.test(`${debian}: parseXfsGeometry() and parseUse() read the tools' output`, () => {
    for (
      const name of [
        "mkfs.xfs makes",
        "xfs_growfs looks",
        "xfs_growfs has nothing to do",
        "xfs_growfs grows",
      ]
    ) {
      // growing prints the geometry from before
      assert.equal(parseXfsGeometry(transcripts.result(name).stdout), 400 * MiB, name);
    }
    assert.throws(() => parseXfsGeometry(transcripts.result("xfs_growfs finds no xfs").stdout), {
      code: "unavailable",
    });
    assert.equal(parseUse(transcripts.result("stat of a file system").stdout).inodes, 204_800);
    assert.throws(() => parseUse(transcripts.result("stat of nothing").stdout), {
      code: "unavailable",
    });
  });

  Deno.test(`${debian}: makeFileSystem() and wipeUnfinished() give the tools' refusals on`, () =>
    withHostRoot({}, async (host) => {
      const device = { name: "loop0", majorMinor: "7:0", sizeBytes: 400 * MiB };
      const uuid = "0a1b2c3d-0000-4000-8000-00000000000f";
      const made = makeFileSystem(host, { device, type: "xfs", uuid, options: [] });
      assert.match(
        await refusal(made),
        /^unavailable: .* ended with code 1: .*appears to contain an existing filesystem \(xfs\)/,
      );
      const mounted = makeFileSystem(host, {
        device: { ...device, name: "loop1" },
        type: "ext4",
        uuid,
        options: ["-q"],
      });
      assert.match(await refusal(mounted), /is mounted; will not make a filesystem here!$/);
      assert.match(
        await refusal(wipeUnfinished(host, device, { type: "xfs" })),
        /Device or resource busy$/,
      );
    }, {
      run: transcripts.run(
        "mkfs.xfs overwrites nothing",
        "mkfs.ext4 refuses a mounted device",
        "wipefs refuses a mounted device",
      ),
    }));

  Deno.test(`${debian}: checkExt4() is content with a clean file system and asks for a person otherwise`, () =>
    withHostRoot({}, async (host) => {
      const device = { name: "loop1", majorMinor: "7:1", sizeBytes: 64 * MiB };
      await checkExt4({ ...host, run: transcripts.run("e2fsck is content") }, device, {
        full: true,
      });
      const broken = { ...host, run: transcripts.run("e2fsck wants a person") };
      assert.match(
        await refusal(checkExt4(broken, device, { full: true })),
        new RegExp(
          "^unavailable: e2fsck cannot repair the ext4 on /dev/loop1 by itself: " +
            ".*UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY",
        ),
      );
      const unchecked = { ...host, run: transcripts.run("resize2fs wants a check first") };
      assert.match(
        await refusal(growUnmountedExt4(unchecked, device)),
        /code 1: .*Please run 'e2fsck -f \/dev\/loop1' first\.$/,
      );
    }));

  Deno.test(`${debian}: umount's words tell a busy mount from one that is gone`, () => {
    const mountinfo = "9 1 7:0 / /mnt/a rw - xfs /dev/loop0 rw\n";
    return withHostRoot({ "/proc/self/mountinfo": mountinfo }, async (host) => {
      const busy = { ...host, run: transcripts.run("umount of a busy mount") };
      assert.equal(
        await refusal(unmountAll(busy, "/mnt/a")),
        "in_use: /mnt/a cannot be unmounted, because a process uses it: fuser -vm /mnt/a " +
          "names the " +
          "process; end it",
      );
      const gone: Host["run"] = async (tool, args, options) => {
        await Deno.writeTextFile(`${host.root}/proc/self/mountinfo`, "");
        return await transcripts.run("umount of what is not mounted")(tool, args, options);
      };
      await unmountAll({ ...host, run: gone }, "/mnt/a");
    }, { namespaces: "direct" });
  });

  Deno.test(`${debian}: mountFileSystem() of a device without a file system gives mount's words on`, () =>
    withHostRoot({ "/proc/self/mountinfo": "" }, async (host) => {
      const mount = { source: "/dev/loop0", target: "/mnt/a", type: "xfs", options: ["nouuid"] };
      assert.match(
        await refusal(mountFileSystem(host, mount)),
        /^unavailable: mount .* ended with code 32: .*wrong fs type/,
      );
    }, { run: transcripts.run("mount of no file system") }));
}
