/** File systems that the kernel has stopped, and devices that it took away below their mounts. */
import assert from "node:assert/strict";
import { type BlockAttachment } from "../protocol.ts";
import { MiB } from "../../size.ts";
import { attachment, FakeHost } from "../../../tests/support/fake_host.ts";
import { NQN, NVME_PORTALS } from "../../../tests/support/fake_nvme.ts";
import { serialOf, SIZE_BYTES } from "../../../tests/support/fake_scsi.ts";
import {
  BLOCK_CAPABILITY,
  failureOf,
  mountCapability,
  TestNode,
  testRun,
} from "../../../tests/support/test_node.ts";

const STOPS = [
  {
    what: "xfs after a shutdown",
    fsType: "xfs",
    stop: (target: string) => testRun("xfs_io", ["-x", "-c", "shutdown", target]),
  },
  {
    what: "ext4 after a shutdown",
    fsType: "ext4",
    stop: (target: string) => testRun("xfs_io", ["-x", "-c", "shutdown", target]),
  },
  {
    what: "ext4 after an abort of its journal",
    fsType: "ext4",
    stop: (target: string) => testRun("mount", ["-o", "remount,abort", target]),
  },
];

for (const { what, fsType, stop } of STOPS) {
  for (const call of ["publish", "stage"] as const) {
    Deno.test(`${call} never hands on an ${what}: it is mounted anew when no pod has it, else refused`, () =>
      TestNode.use(async (test) => {
        const { node } = test;
        const volume = await test.volume(320 * MiB);
        const capability = mountCapability(fsType);
        const stage = () => node.stage(test.stageRequest(volume, { capability }));
        const publish = () => node.publish(test.publishRequest(volume, { capability }));
        await stage();
        await publish();
        await testRun("sh", [
          "-c",
          'echo kept > "$1/file"; sync "$1/file"',
          "sh",
          volume.targetPath,
        ]);
        await stop(volume.stagingPath);
        const health = { volumeId: volume.volumeId, volumePath: volume.stagingPath };
        assert.deepEqual((await node.health(health)).map(({ status }) => status), ["inaccessible"]);
        for (const refused of [stage, publish]) {
          const { code, message } = await failureOf(refused());
          assert.equal(code, "in_use");
          assert.match(message, /the kernel has stopped its .* still shows it: end the pods that/);
        }
        const again = call === "stage" ? stage : publish;
        await node.unpublish(volume);
        await again();
        if (call === "stage") await publish();
        const file = `${volume.targetPath}/file`;
        assert.equal(await Deno.readTextFile(file), "kept\n");
        await Deno.writeTextFile(file, "new");
        assert.deepEqual(await node.health(health), []);
        await test.takeAway(volume);
      }));
  }
}

Deno.test("a publish that took a dead mount away and failed to make a new one makes it when it is repeated", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume(320 * MiB);
    await test.node.stage(test.stageRequest(volume));
    await testRun("xfs_io", ["-x", "-c", "shutdown", volume.stagingPath]);
    let failed = false;
    test.restart((tool, args, options) => {
      if (tool !== "mount" || failed) return testRun(tool, args, options);
      failed = true;
      return testRun("false", [], options);
    });
    const publish = () => test.node.publish(test.publishRequest(volume));
    assert.equal((await failureOf(publish())).code, "unavailable");
    await publish();
    await Deno.writeTextFile(`${volume.targetPath}/file`, "new");
    await test.takeAway(volume);
  }));

/** The first 4 KiB of an xfs that fills a device of SIZE_BYTES. */
function xfsHead(): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x58465342);
  view.setUint32(4, 4096);
  view.setBigUint64(8, BigInt(SIZE_BYTES / 4096));
  return bytes;
}

const NVME: BlockAttachment = {
  protocol: "nvme-tcp",
  nqn: NQN,
  portals: NVME_PORTALS,
  serial: serialOf(7),
  sizeBytes: SIZE_BYTES,
  everWritten: true,
};

/** Volume 7 staged by NVMe, its namespace unmapped and mapped again below its mount. */
function withRemapped(
  capability: typeof BLOCK_CAPABILITY,
  work: (fake: FakeHost, node: ReturnType<FakeHost["plugin"]>) => Promise<void>,
): Promise<void> {
  return FakeHost.use(async (fake) => {
    fake.write("/usr/sbin/nvme", "");
    fake.write("/etc/nvme/hostnqn", "nqn.2014-08.org.nvmexpress:uuid:1");
    fake.write("/etc/nvme/hostid", "1");
    fake.write("/sys/module/nvme_tcp/refcnt", "1");
    fake.write("/sys/module/nvme_core/parameters/multipath", "Y");
    fake.folder("/stage");
    for (const name of ["nvme0n1", "nvme0n2"]) fake.reads.contents.set(name, xfsHead());
    fake.nvme.publish(7);
    const node = fake.plugin();
    await node.stage({ ...VOLUME, attachment: NVME, volumeContext: {}, capability });
    fake.nvme.unpublish(7);
    if (fake.unmount("/stage/7/device")) { // the kernel removes the node that is bound there
      const node = { number: "0:5", type: "devtmpfs", source: "udev" };
      fake.mount("/stage/7/device", { ...node, root: "/nvme0n1//deleted" });
    }
    fake.nvme.publish(7);
    assert.deepEqual(fake.nvme.namespaces, ["nvme0n2"]);
    await work(fake, node);
  });
}

const VOLUME = { volumeId: "v7", stagingPath: "/stage/7" };

for (
  const { what, capability } of [
    { what: "a file system", capability: mountCapability("xfs") },
    { what: "a raw volume", capability: BLOCK_CAPABILITY },
  ]
) {
  Deno.test(`${what} whose NVMe namespace was unmapped and mapped again is staged anew by the next publish`, () =>
    withRemapped(capability, async (fake, node) => {
      const targetPath = "/pods/1/mount";
      await node.publish({ ...VOLUME, targetPath, capability, readOnly: false });
      assert.equal((await fake.records.find("v7"))?.device, "nvme0n2");
      assert.equal(fake.ran("umount").length, 1);
      assert.equal(fake.ran("mkfs").length, 0);
    }));

  Deno.test(`${what} whose NVMe namespace was unmapped and mapped again is staged anew by the next stage`, () =>
    withRemapped(capability, async (fake, node) => {
      await node.stage({ ...VOLUME, attachment: NVME, volumeContext: {}, capability });
      assert.equal((await fake.records.find("v7"))?.device, "nvme0n2");
    }));
}

Deno.test("a dead file system stays while anything shows a folder of it, and is mounted anew when that has gone", () =>
  withRemapped(mountCapability("xfs"), async (fake, node) => {
    const publish = () =>
      node.publish({
        ...VOLUME,
        targetPath: "/pods/1/mount",
        capability: mountCapability("xfs"),
        readOnly: false,
      });
    const staged = fake.read("/proc/1/mountinfo").split("\n").find((line) =>
      line.includes(" /stage/7 ")
    );
    const number = staged?.split(" ")[2] ?? "";
    fake.mount("/pods/2/volume-subpaths/v7", { number, root: "/sub" });
    const { code, message } = await failureOf(publish());
    assert.equal(code, "in_use");
    assert.match(message, /\/pods\/2\/volume-subpaths\/v7 still shows it: end the pods/);
    assert.deepEqual(fake.ran("umount"), []);
    fake.unmount("/pods/2/volume-subpaths/v7");
    await publish();
    assert.equal((await fake.records.find("v7"))?.device, "nvme0n2");
  }));

for (const call of ["publish", "stage"] as const) {
  Deno.test(`${call} never mounts a stopped file system again that another mount namespace keeps`, () =>
    FakeHost.use(async (fake) => {
      fake.iscsi.addSession(1, "192.0.2.1:3260");
      fake.scsi.luns.set(7, 7);
      fake.folder("/stage");
      const disk = fake.scsi.addDisk({ session: 1, lun: 7, volume: 7 });
      fake.reads.contents.set(disk, xfsHead());
      const capability = mountCapability("xfs");
      await fake.records.write({
        ...VOLUME,
        attachment: attachment(7),
        device: disk,
        published: [],
      });
      const number = fake.read(`/sys/class/block/${disk}/dev`);
      fake.mount(VOLUME.stagingPath, { number, source: `/dev/${disk}`, options: "rw,shutdown" });
      fake.write(`/sys/fs/xfs/${disk}/stats/stats`, ""); // it is open elsewhere
      const node = fake.plugin({ flasharray: { multipath: false } });
      const again = () =>
        call === "publish"
          ? node.publish({ ...VOLUME, targetPath: "/pods/1/mount", capability, readOnly: false })
          : node.stage({ ...VOLUME, attachment: attachment(7), volumeContext: {}, capability });
      const { code, message } = await failureOf(again());
      assert.equal(code, "in_use");
      assert.match(message, /another mount namespace has it mounted/);
      assert.deepEqual(fake.commands.filter((line) => line.startsWith("mount ")), []);
      fake.remove(`/sys/fs/xfs/${disk}`);
      await again();
      assert.equal(fake.commands.filter((line) => line.startsWith("mount ")).length > 0, true);
    }));
}

Deno.test("a mount without a device at a place where this node staged nothing is left alone", () =>
  FakeHost.use(async (fake) => {
    fake.mount(VOLUME.stagingPath, { number: "259:77" });
    fake.nvme.publish(7);
    const request = {
      ...VOLUME,
      attachment: NVME,
      volumeContext: {},
      capability: mountCapability(),
    };
    assert.equal((await failureOf(fake.plugin().stage(request))).code, "in_use");
    assert.deepEqual(fake.ran("umount"), []);
  }));
