import assert from "node:assert/strict";
import { MiB } from "../size.ts";
import { checkFormat, faultOfFileSystem, parseUse, parseXfsGeometry } from "./filesystem.ts";
import { majorMinorOf, parseLosetup } from "./loop.ts";
import { parseMountinfo } from "./mountinfo.ts";
import { withHostRoot } from "../../tests/support/test_host.ts";
import { PsoError } from "../errors.ts";

// Recorded from xfsprogs 6.1.0.
const XFS_GROWFS = `meta-data=/dev/loop0             isize=512    agcount=4, agsize=20480 blks
         =                       sectsz=512   attr=2, projid32bit=1
         =                       crc=1        finobt=1, sparse=1, rmapbt=0
data     =                       bsize=4096   blocks=81920, imaxpct=25
         =                       sunit=0      swidth=0 blks
log      =internal log           bsize=4096   blocks=16384, version=2
`;

// Recorded from util-linux 2.38.1.
const LOSETUP = `{
   "loopdevices": [
      {
         "name": "/dev/loop1",
         "back-file": "/plane/fa-1/images/7 (deleted)",
         "back-ino": 5309725,
         "back-maj:min": "     254:0  "
      }
   ]
}
`;

Deno.test("parseXfsGeometry() reads the data section, not the log's", () => {
  assert.equal(parseXfsGeometry(XFS_GROWFS), 320 * MiB);
  assert.throws(
    () => parseXfsGeometry("xfs_growfs: not a mounted XFS filesystem"),
    /printed no data section/,
  );
});

Deno.test("parseLosetup() reads the devices, and an empty answer as none", () => {
  assert.deepEqual(parseLosetup(LOSETUP), [{
    name: "loop1",
    backingFile: "/plane/fa-1/images/7 (deleted)",
    inode: 5309725,
    majorMinor: "254:0",
  }]);
  assert.deepEqual(parseLosetup(""), []);
});

Deno.test("majorMinorOf() undoes makedev()", () => {
  assert.equal(majorMinorOf(0xfe00), "254:0");
  assert.equal(majorMinorOf(286_327_664), "259:70000");
});

Deno.test("parseUse() gives bytes and inodes of statfs", () => {
  assert.deepEqual(parseUse("4096 1000 600 500 64 60\n"), {
    totalBytes: 4_096_000,
    freeBytes: 2_457_600,
    availableBytes: 2_048_000,
    inodes: 64,
    freeInodes: 60,
  });
  assert.throws(() => parseUse("stat: cannot read"), /did not print six numbers/);
});

for (
  const [type, option] of [["xfs", "-f"], ["xfs", "-qf"], ["xfs", "uuid=1"], ["ext4", "-F"], [
    "ext4",
    "-qF",
  ], ["ext4", "-U"]] as const
) {
  Deno.test(`checkFormat() refuses ${option} for ${type}`, () => {
    assert.throws(() => checkFormat(type, { sizeBytes: 300 * MiB, options: ["-q", option] }), {
      code: "invalid",
    });
  });
}

Deno.test("checkFormat() takes usual options and the smallest xfs, and nothing smaller", () => {
  checkFormat("xfs", {
    sizeBytes: 300 * MiB,
    options: ["-q", "-i", "size=512", "-m", "reflink=0"],
  });
  checkFormat("ext4", {
    sizeBytes: 8 * MiB,
    options: ["-q", "-E", "lazy_itable_init=0", "-O", "^has_journal"],
  });
  assert.throws(() => checkFormat("xfs", { sizeBytes: 300 * MiB - 512, options: [] }), {
    code: "out_of_range",
  });
});

const EIO = "Input/output error";
const EROFS = "Read-only file system";
for (
  const { what, type = "ext4", state = "running", errors = "0", fails, dead } of [
    { what: "ext4 whose root is not flushed", fails: { sync: EIO }, dead: true },
    {
      what: "ext4 that met errors and takes no file",
      errors: "5",
      fails: { xfs_io: EROFS },
      dead: true,
    },
    { what: "ext4 that met errors and is full", errors: "5", fails: { xfs_io: "No space left" } },
    { what: "ext4 without errors, which is not changed", fails: { xfs_io: EROFS } },
    {
      what: "ext4 without a living path, which would wait",
      state: "offline",
      fails: { sync: EIO },
    },
    { what: "xfs, which stat(1) tells", type: "xfs", fails: { sync: EIO } },
    { what: "xfs whose root cannot be looked at", type: "xfs", fails: { stat: EIO }, dead: true },
  ]
) {
  Deno.test(`faultOfFileSystem() of an ${what}: ${dead ? "stopped" : "nothing"}`, () => {
    const mount = parseMountinfo(`40 30 8:0 / /stage rw - ${type} /dev/sda rw\n`)[0];
    assert.ok(mount);
    const failures = new Map(Object.entries(fails));
    const run = (tool: string) => {
      const said = failures.get(tool);
      return said === undefined
        ? Promise.resolve({ code: 0, stdout: "", stderr: "" })
        : Promise.reject(new PsoError("unavailable", `${tool} ended with code 1: ${said}`));
    };
    const files = {
      "/sys/dev/block/8:0/uevent": "MAJOR=8\nMINOR=0\nDEVNAME=sda\n",
      "/sys/class/block/sda/device/state": `${state}\n`,
      "/sys/fs/ext4/sda/errors_count": `${errors}\n`,
    };
    return withHostRoot(files, async (host) => {
      const found = await faultOfFileSystem(host, mount);
      if (dead) assert.match(found ?? "", /^the kernel has stopped its (ext4|xfs) after an error/);
      else assert.equal(found, undefined);
    }, { run });
  });
}
