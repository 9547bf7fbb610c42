import assert from "node:assert/strict";
import { silentLogger } from "../log.ts";
import { createRun } from "./tools/command.ts";
import type { Host } from "./host.ts";
import {
  boundDeviceName,
  isReadOnlyMount,
  mountAt,
  mountsAt,
  mountsOfDevice,
  parseMountinfo,
  readMounts,
  resolveTarget,
  stoppedBy,
} from "./mountinfo.ts";

// Recorded from Linux 6.18.
const RECORDED = `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
25 1 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334460k,mode=755
65 27 7:0 / /var/lib/kubelet/a\\040b rw,relatime shared:3 master:1 - xfs /dev/loop0 rw,nouuid,discard
66 27 7:0 / /pods/1/mount ro,relatime shared:3 - xfs /dev/loop0 rw,nouuid,discard
67 27 0:6 /loop1 /pods/2/dev rw,relatime - devtmpfs devtmpfs rw,size=12334460k,mode=755
68 65 0:77 / /var/lib/kubelet/a\\040b rw,relatime - nfs4 [fd00::1]:/k8s-share ro,vers=4.1
`;
const mounts = parseMountinfo(RECORDED);

Deno.test("parseMountinfo() undoes octal escapes and skips optional fields", () => {
  assert.equal(mounts[2]?.target, "/var/lib/kubelet/a b");
  assert.deepEqual([mounts[2]?.type, mounts[2]?.source, mounts[2]?.superOptions], [
    "xfs",
    "/dev/loop0",
    ["rw", "nouuid", "discard"],
  ]);
  assert.throws(
    () => parseMountinfo("not a line of mountinfo"),
    /has a line that this driver cannot read/,
  );
});

const WHOLE = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
for (
  const [lacks, line] of [
    ["the lone dash", WHOLE.replace(" - ", " ")],
    ["the options", "36 35 98:0 /mnt1 /mnt2 - ext3 /dev/root rw"],
    ["the target", "36 35 98:0 /mnt1 - ext3 /dev/root rw"],
    ["the root", "36 35 98:0 - ext3 /dev/root rw"],
    ["the device number", "36 35 - ext3 /dev/root rw"],
    ["the source", "36 35 98:0 /mnt1 /mnt2 rw - ext3"],
    ["the type", "36 35 98:0 /mnt1 /mnt2 rw - "],
  ] as const
) {
  Deno.test(`parseMountinfo() refuses the whole list when a line lacks ${lacks}`, () => {
    assert.equal(parseMountinfo(WHOLE)[0]?.target, "/mnt2");
    assert.throws(() => parseMountinfo(`${WHOLE}\n${line}\n`), { code: "unavailable" });
  });
}

Deno.test("mounts are found by target, the visible one last, and by device, raw or mounted", () => {
  assert.deepEqual(mountsAt(mounts, "/var/lib/kubelet/a b").map((mount) => mount.id), [65, 68]);
  assert.equal(mountAt(mounts, "/var/lib/kubelet/a b")?.id, 68);
  assert.deepEqual(
    mountsOfDevice(mounts, { name: "loop0", majorMinor: "7:0" }).map((mount) => mount.id),
    [65, 66],
  );
  assert.deepEqual(
    mountsOfDevice(mounts, { name: "loop1", majorMinor: "7:1" }).map((mount) => mount.id),
    [67],
  );
  assert.deepEqual(mounts.map(boundDeviceName).filter(Boolean), ["loop1"]);
  assert.deepEqual(mounts.filter(isReadOnlyMount).map((mount) => mount.id), [66, 68]);
});

/** Options of the mount, of its file system, and the word by which the file system is stopped. */
const STOPS: [string, string, string | undefined][] = [
  ["rw,relatime", "rw,nouuid,discard", undefined],
  ["rw,relatime", "rw,emergency_ro", "emergency_ro"],
  ["rw,relatime", "ro,abort,errors=remount-ro", "abort"],
  ["rw,relatime", "rw,abort", "abort"],
  ["rw,relatime", "rw,shutdown", "shutdown"],
  ["rw,relatime", "ro,emergency_ro", "emergency_ro"],
  ["rw,relatime", "ro,nouuid", "ro"],
  // Asked to be read-only: a pod's mount, or that of the whole file system.
  ["ro,relatime", "rw,nouuid", undefined],
  ["ro,relatime", "ro,nouuid", undefined],
  ["ro,relatime", "ro,emergency_ro", "emergency_ro"],
  ["ro,relatime", "rw,shutdown", "shutdown"],
  // A word counts whole: these are options of a healthy file system.
  ["rw,relatime", "rw,errors=remount-ro", undefined],
  ["rw,relatime", "rw,noshutdown,norecovery", undefined],
  ["rw,relatime", "rw,abort_on_full=0", undefined],
  ["rw,shutdown", "rw", undefined],
  ["rw,relatime", "", undefined],
];
for (const [options, superOptions, word] of STOPS) {
  Deno.test(`stoppedBy() of a mount ${options} of a file system [${superOptions}] is ${word}`, () => {
    const line = `65 27 7:0 / /mnt ${options} shared:3 - ext4 /dev/loop0 ${superOptions}`;
    const [mount] = parseMountinfo(line);
    assert.ok(mount);
    assert.equal(stoppedBy(mount), word);
  });
}

Deno.test("readMounts() with chroot gives targets as the tools see them", async () => {
  const root = await Deno.makeTempDir({ prefix: "pso-root-" });
  await Deno.mkdir(`${root}/proc/self`, { recursive: true });
  await Deno.mkdir(`${root}/proc/1`, { recursive: true });
  const line = (target: string) => `1 1 8:1 / ${target} rw - ext4 /dev/sda1 rw\n`;
  await Deno.writeTextFile(
    `${root}/proc/self/mountinfo`,
    line("/") + line(root) + line(`${root}/pods/1`),
  );
  await Deno.writeTextFile(`${root}/proc/1/mountinfo`, line("/of-the-host"));
  const host: Host = {
    root,
    namespaces: "chroot",
    run: createRun({ namespaces: "direct", hostRoot: root, log: silentLogger }),
  };
  assert.deepEqual((await readMounts(host)).map((mount) => mount.target), ["/", "/pods/1"]);
  assert.deepEqual(
    (await readMounts({ ...host, namespaces: "nsenter" })).map((mount) => mount.target),
    ["/of-the-host"],
  );
  await Deno.remove(root, { recursive: true });
});

Deno.test("resolveTarget() follows links above the last part and keeps a path that is not there", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pso-resolve-" });
  const host: Host = {
    root: "/",
    namespaces: "direct",
    run: createRun({ namespaces: "direct", hostRoot: "/", log: silentLogger }),
  };
  await Deno.mkdir(`${folder}/real`);
  await Deno.symlink("real", `${folder}/link`);
  await Deno.symlink("nowhere", `${folder}/real/last`);
  assert.equal(await resolveTarget(host, `${folder}/link/last/`), `${folder}/real/last`);
  assert.equal(await resolveTarget(host, `${folder}/missing/last`), `${folder}/missing/last`);
  assert.equal(
    await resolveTarget({ ...host, root: folder, namespaces: "nsenter" }, "/link/last"),
    "/real/last",
  );
  await Deno.remove(folder, { recursive: true });
});
