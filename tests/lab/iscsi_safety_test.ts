/** Data and crash safety on real devices; the numbers are those of docs/field-lessons.md. */
import assert from "node:assert/strict";
import { BLOCK_CAPABILITY, mountCapability, testRun } from "../support/test_node.ts";
import type { Run } from "../../src/run.ts";
import { MiB } from "../../src/size.ts";
import { array, iscsiAttachment, iscsiVolume, NODE_IQN, PORTALS, TARGET_IQN } from "./array.ts";
import {
  hostState,
  LabNode,
  type LabVolume,
  LIE,
  mapName,
  mapPath,
  refusal,
  runWith,
  sh,
} from "./bed.ts";

await array("start", "iscsi");

const SIZE = 384 * MiB;

Deno.test("rule 19: a blkid that finds nothing does not make a volume with data blank", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await iscsiVolume("blkid", { lun: 1, sizeBytes: SIZE }));
    await sh("mkfs.ext4 -q -F /var/lib/array/blkid");
    lab.restart(
      runWith((tool) =>
        ["blkid", "lsblk", "wipefs"].includes(tool)
          ? { code: 2, stdout: "", stderr: "" }
          : undefined
      ),
    );
    assert.match(
      await refusal(lab.stage(volume)),
      /^conflict: volume \S+ holds ext4 and its class asks for xfs: data is never formatted over/,
    );
    assert.equal(await sh("blkid -p -o value -s TYPE /var/lib/array/blkid"), "ext4");
    await array("delete", "blkid");
  }));

/**
 * Lets the array read this volume from a device of which a MiB from here on cannot be read, with
 * its name and number as they are; gives back how that ends.
 */
async function spoil(name: string, fromByte: number): Promise<() => Promise<string>> {
  const sector = fromByte / 512;
  await sh(
    `modprobe loop; loop=$(losetup -f --show /var/lib/array/${name})
    printf '%s\n' "0 ${sector} linear $loop 0" "${sector} 2048 error" \
      "${sector + 2048} ${SIZE / 512 - sector - 2048} linear $loop ${sector + 2048}" |
      dmsetup create spoilt && udevadm settle
    cd /sys/kernel/config/target/core/fileio_0; serial=$(cat /var/lib/array/${name}.serial)
    rmdir ${name}; mkdir ${name}; cd ${name}
    put() { printf %s "$2" >"$1"; }
    put control fd_dev_name=/dev/mapper/spoilt,fd_dev_size=${SIZE},fd_buffered_io=1
    put wwn/vendor_id PURE; put wwn/product_id FlashArray; put wwn/company_id 0x24a937
    put wwn/vpd_unit_serial "0$serial"; put enable 1`,
  );
  return async () => {
    await array("delete", name);
    return await sh("dmsetup remove --retry spoilt; losetup -D");
  };
}

Deno.test("rule 18: a volume that cannot be read is not formatted", () =>
  LabNode.leavesNothing(async (lab) => {
    await array("host", NODE_IQN);
    const serial = await array("create", "unreadable", SIZE);
    const mend = await spoil("unreadable", 96 * MiB);
    await array("map", "unreadable", NODE_IQN, 1);
    const volume = lab.volume(
      iscsiAttachment({ serial, lun: 1, sizeBytes: SIZE, everWritten: false }),
    );
    assert.match(
      await refusal(lab.stage(volume)),
      /^in_use: .* is not formatted with xfs because it does not prove blank: found what cannot be read: .*Input\/output error at byte 100663296/,
    );
    assert.equal(await sh("tr -d '\\0' </var/lib/array/unreadable | wc -c"), "0");
    await mend();
  }));

for (
  const { old, wanted, mkfs, found } of [
    {
      old: "ext4",
      wanted: "xfs",
      mkfs: "mkfs.ext4 -q -F -b 4096",
      found: "ext2/ext3/ext4 backup superblock at byte 134217728",
    },
    {
      old: "xfs",
      wanted: "ext4",
      mkfs: "mkfs.xfs -q -f",
      found: "xfs secondary superblock at byte 100663296",
    },
  ]
) {
  Deno.test(`rules 21 and 23: a device with an old ${old} is never formatted, though the array says that it was never written`, () =>
    LabNode.leavesNothing(async (lab) => {
      const volume = lab.volume(await iscsiVolume("data", { lun: 1, sizeBytes: SIZE }));
      await sh(
        `${mkfs} /var/lib/array/data; dd if=/dev/zero of=/var/lib/array/data bs=1M count=1 ` +
          "conv=notrunc status=none",
      );
      const sum = await sh("sha256sum </var/lib/array/data");
      const said = await refusal(lab.stage(volume, { capability: mountCapability(wanted) }));
      const refused = `is not formatted with ${wanted} because it does not prove blank: found `;
      assert.match(said, /^in_use: /);
      assert.ok(said.includes(`${refused}${found}. `), said);
      assert.equal(await sh("sha256sum </var/lib/array/data"), sum);
      await array("delete", "data");
    }));
}

Deno.test("rule 23: a blank-looking volume that the array has seen a write to is not formatted", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("written", { lun: 1, sizeBytes: SIZE });
    assert.match(
      await refusal(lab.stage(lab.volume({ ...attachment, everWritten: true }))),
      /^in_use: .* is not formatted with xfs because it does not prove blank: found no file system, although the array says that data was written to it/,
    );
    assert.equal(await sh("tr -d '\\0' </var/lib/array/written | wc -c"), "0");
    await array("delete", "written");
  }));

Deno.test("rule 24: the clone of a mounted xfs mounts beside its source on the same node", () =>
  LabNode.leavesNothing(async (lab) => {
    const source = lab.volume(await iscsiVolume("source", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(source);
    await sh(
      `echo data >${source.stagingPath}/file; sync -f ${source.stagingPath}; fsfreeze -f ` +
        `${source.stagingPath}`,
    );
    const serial = await array("copy", "source", "clone");
    await sh(`fsfreeze -u ${source.stagingPath}`);
    await array("map", "clone", NODE_IQN, 2);
    const clone = lab.volume(
      iscsiAttachment({ serial, lun: 2, sizeBytes: SIZE, everWritten: true }),
    );
    await lab.stage(clone);
    assert.equal(await sh(`cat ${clone.stagingPath}/file`), "data");
    await lab.takeAway(clone);
    await lab.takeAway(source);
    for (const name of ["clone", "source"]) await array("delete", name);
  }));

Deno.test("rule 25: unstage works with no record of the stage, as in a later life of the node", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await iscsiVolume("stateless", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(volume);
    await lab.publish(volume);
    await sh("rm -r /var/lib/pso-test/volumes");
    lab.restart();
    await lab.takeAway(volume);
    await array("delete", "stateless");
  }));

Deno.test("rule 26: an umount that says done and did nothing is an error, and nothing below it is touched", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await iscsiVolume("umount", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(volume);
    lab.restart(runWith((tool) => tool === "umount" ? LIE : undefined));
    assert.match(await refusal(lab.node.unstage(volume)), /still/);
    await sh(`echo alive >${volume.stagingPath}/file; sync -f ${volume.stagingPath}`);
    lab.restart();
    await lab.takeAway(volume);
    await array("delete", "umount");
  }));

Deno.test("a published volume is not unstaged, and stays usable", () =>
  LabNode.leavesNothing(async (lab) => {
    const volume = lab.volume(await iscsiVolume("published", { lun: 1, sizeBytes: SIZE }));
    await lab.stage(volume);
    await lab.publish(volume);
    assert.match(await refusal(lab.node.unstage(volume)), /^in_use: .*still mounted/);
    await sh(`echo alive >${volume.targetPath}/file; sync -f ${volume.targetPath}`);
    await lab.takeAway(volume);
    await array("delete", "published");
  }));

Deno.test("a volume that only readers use takes no write, mounted or raw", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("readers", { lun: 1, sizeBytes: SIZE });
    const volume = lab.volume(attachment);
    await lab.stage(volume);
    await lab.takeAway(volume);
    const { access } = mountCapability();
    for (
      const capability of [{ access, mode: "single-node-reader-only" }, {
        access: { type: "block" },
        mode: "single-node-reader-only",
      }] as const
    ) {
      const reader = lab.volume({ ...attachment, everWritten: true });
      const sum = await sh("sha256sum </var/lib/array/readers");
      await lab.stage(reader, { capability });
      await lab.publish(reader, { capability, readOnly: true });
      const where = capability.access.type === "block"
        ? reader.targetPath
        : `${reader.targetPath}/file`;
      await assert.rejects(
        sh(`dd if=/dev/urandom of=${where} bs=4k count=1 oflag=direct conv=notrunc`),
      );
      await lab.takeAway(reader);
      assert.equal(await sh("sha256sum </var/lib/array/readers"), sum);
    }
    await array("delete", "readers");
  }));

Deno.test("a volume that carries the host's own system is never touched: not by a stage of it, nor by what is staged beside it", () =>
  LabNode.leavesNothing(async (lab) => {
    const theirs = await iscsiVolume("system", { lun: 9, sizeBytes: SIZE });
    const map = mapPath(theirs);
    const login = (portal: string) =>
      `iscsiadm -m node -T ${TARGET_IQN} -p ${portal} -o new && iscsiadm -m node -T ` +
      `${TARGET_IQN} -p ${portal} -l`;
    await sh(`${PORTALS.map(login).join(" && ")}; until [ -e ${map} ]; do sleep 0.2; done`);
    // What LVM makes of a logical volume, without its own records: a linear map with a UUID
    // of LVM's.
    await sh(
      `dmsetup create system-root --uuid LVM-Zm9vYmFy --table "0 $(($(blockdev --getsz ${map}) - 8192)) linear ${map} 8192" && udevadm settle
      mkfs.ext4 -q /dev/mapper/system-root; mkdir -p /system; mount /dev/mapper/system-root /system; echo here >/system/file; sync -f /system`,
    );
    const before = hostState();
    const root = lab.volume(theirs);
    for (const capability of [mountCapability("ext4"), BLOCK_CAPABILITY]) {
      assert.match(
        await refusal(lab.stage(root, { capability })),
        /^in_use: multipath map \S+ of this volume is in use by logical volume root of volume group system, .* run vgchange -an system/,
      );
      await lab.takeAway(root);
    }
    const ours = lab.volume(await iscsiVolume("beside", { lun: 10, sizeBytes: SIZE }));
    await lab.stage(ours);
    lab.restart();
    await lab.takeAway(ours);
    // A record of a stage that a crash cut off names the volume; a note of ours is no right to it.
    await lab.stage(ours);
    const path = await sh("ls /var/lib/pso-test/volumes/*.json");
    const { version, record } = JSON.parse(await Deno.readTextFile(path));
    await lab.takeAway(ours);
    await Deno.writeTextFile(
      path,
      JSON.stringify({ version, record: { ...record, attachment: theirs, device: undefined } }),
    );
    assert.match(await refusal(lab.node.unstage(ours)), /^in_use: .*is in use by/);
    await sh(`rm ${path}`);
    assert.deepEqual(hostState(), before);
    await sh("echo 3 >/proc/sys/vm/drop_caches");
    assert.equal(await sh("cat /system/file"), "here");
    await sh(
      `umount /system; dmsetup remove system-root; multipath -f ${mapName(theirs)}; ` +
        "iscsiadm -m session -u; rm -rf /etc/iscsi/nodes/*",
    );
    await sh('until [ -z "$(ls /sys/class/scsi_device)" ]; do sleep 0.2; done');
    for (const name of ["system", "beside"]) await array("delete", name);
  }));

const OTHER_TARGET = "iqn.2010-06.com.purestorage:flasharray.fedcba0987654321";
/**
 * Logs in to another array, as an administrator or another driver would; with `false`, out again.
 */
const otherArray = (isIn: boolean) =>
  sh(
    isIn
      ? `iscsiadm -m node -T ${OTHER_TARGET} -p 127.0.0.3 -o new && iscsiadm -m node -T ` +
        `${OTHER_TARGET} -p 127.0.0.3 -l && udevadm settle`
      : `multipath -f $(multipath -ll -v1 | head -1) ; iscsiadm -m node -T ${OTHER_TARGET} ` +
        `-u; iscsiadm -m node -T ${OTHER_TARGET} -o delete`,
  );

Deno.test("rule 17: a serial number that a second array shows too is refused before and during a stage; the other array's path stays", () =>
  LabNode.leavesNothing(async (lab) => {
    const attachment = await iscsiVolume("twin", { lun: 1, sizeBytes: SIZE });
    const volume = lab.volume(attachment);
    const other = (line: string) =>
      sh(`export ARRAY_IQN=${OTHER_TARGET} ARRAY_PORTALS=127.0.0.3; ${line}`);
    await other(`array start iscsi; array map twin ${NODE_IQN} 1`);
    const others = () =>
      sh(
        "cd /sys/class/iscsi_session && grep -l fedcba0987654321 */targetname | wc -l; ls " +
          "/sys/class/scsi_device | wc -l",
      );
    await otherArray(true);
    const before = await others();
    const said = await refusal(lab.stage(volume));
    assert.match(
      said,
      /^in_use: .* by target iqn\S+fedcba0987654321 .* has iqn\S+1234567890abcdef: two arrays/,
    );
    assert.equal(await others(), before);
    await otherArray(false);
    let cameUp = false;
    const run: Run = async (tool, args, options) => {
      if (tool === "tee" && args[0]?.endsWith("/scan") && !cameUp) {
        cameUp = true;
        await otherArray(true);
      }
      return await testRun(tool, args, options);
    };
    lab.restart(run);
    assert.match(await refusal(lab.stage(volume)), /^in_use: .*fedcba0987654321/);
    assert.equal(await others(), before, "our own paths are gone, the other's is not");
    lab.restart();
    await otherArray(false);
    await lab.stage(volume);
    await otherArray(true); // the map has paths of both now
    assert.match(await refusal(lab.node.unstage(volume)), /^in_use: .*fedcba0987654321/);
    await otherArray(false);
    await lab.takeAway(volume);
    await other("array unmap twin");
    await array("delete", "twin");
  }));

/**
 * A process that SIGKILL ends at its tool call number `at`: no code of it runs after that, so the
 * call never returns. Tools that ran beside it come to their end before the next life begins, as
 * they do when a container is started again.
 */
function mortalRun(at: number): { run: Run; died: Promise<"died"> } {
  let calls = 0;
  let die: (value: "died") => void = () => {};
  const died = new Promise<"died">((resolve) => die = resolve);
  const running = new Set<Promise<unknown>>();
  const run: Run = async (tool, args, options) => {
    const call = ++calls;
    if (call <= at) {
      const work = testRun(tool, args, options);
      const ended = work.catch(() => {});
      running.add(ended);
      await ended;
      running.delete(ended);
      if (calls < at) return await work;
    }
    await Promise.all(running);
    die("died");
    return await new Promise<never>(() => {});
  };
  return { run, died };
}

for (const step of ["stage", "unstage"] as const) {
  Deno.test({
    name:
      `${step} dies after each of its tool calls: repeated at every second one, it ends well; ` +
      "unstaged at each, it leaves nothing",
    // A call that died waits for ever, and what bounds its steps runs on.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: () =>
      LabNode.leavesNothing(async (lab) => {
        const attachment = await iscsiVolume(`kill-${step}`, { lun: 1, sizeBytes: SIZE });
        const act = async (volume: LabVolume) =>
          step === "stage" ? await lab.stage(volume) : await lab.node.unstage(volume);
        for (let at = 1;; at++) {
          const volume = lab.volume({ ...attachment, everWritten: at > 1 });
          if (step === "unstage") await lab.stage(volume);
          const { run, died } = mortalRun(at);
          lab.restart(run);
          const outcome = await Promise.race([act(volume).then(() => "done"), died]);
          lab.restart();
          if (at % 2 === 0 || at === 1) await act(volume);
          await lab.takeAway(volume);
          const left = await sh(
            "ls /sys/class/scsi_device /sys/class/iscsi_session; dmsetup ls | grep -v 'No " +
              "devices' || true",
          );
          assert.equal(
            left.replaceAll(/\s|\/sys\/class\/\w+:/g, ""),
            "",
            `killed after call ${at}`,
          );
          if (outcome === "done") break;
        }
        await array("delete", `kill-${step}`);
      }),
  });
}
