/** Unpublish, unstage and publish touch only what is proven to be the volume they were called for. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { PublishRequest } from "../requests.ts";
import type { StageRecord } from "../stage_record.ts";
import { attachment, FakeHost } from "../../../tests/support/fake_host.ts";
import { PORTALS } from "../../../tests/support/fake_iscsi.ts";
import { serialOf } from "../../../tests/support/fake_scsi.ts";
import { BLOCK_CAPABILITY, failureOf, mountCapability } from "../../../tests/support/test_node.ts";

const KUBELET = "/var/lib/kubelet";
const CSI = `${KUBELET}/plugins/kubernetes.io/csi`;
const UNKNOWN = "0badcafe/k8s-pvc-unknown";
const TARGET = "/pods/7/mount";

/** Volume 7, staged at /stage/7 and published at TARGET, with its record. */
async function withPublished(
  fake: FakeHost,
  changes: Partial<StageRecord> = {},
): Promise<void> {
  await fake.stagedVolume(7, { published: [{ targetPath: TARGET, readOnly: false }], ...changes });
  fake.mountDevice("dm-7", TARGET);
  fake.folder(TARGET);
}

const targetsOf = (fake: FakeHost) =>
  fake.read("/proc/1/mountinfo").split("\n").flatMap((line) => line.split(" ")[4] ?? []);

const unpublish = (fake: FakeHost, volumeId: string, targetPath: string) =>
  fake.plugin().unpublish({ volumeId, targetPath });

/** What kubelet notes beside a target before it asks for the publish. */
function note(fake: FakeHost, path: string, volumeHandle: string): void {
  fake.write(`${path}/vol_data.json`, JSON.stringify({ driverName: "pure-csi", volumeHandle }));
}

Deno.test("unpublish leaves a mount that is no volume of ours, and says what is there", () =>
  FakeHost.use(async (fake) => {
    fake.mount("/pods/1/mount", { number: "0:90", type: "tmpfs", source: "stranger" });
    const { code, message } = await failureOf(unpublish(fake, UNKNOWN, "/pods/1/mount"));
    assert.equal(code, "in_use");
    assert.match(
      message,
      /^\/pods\/1\/mount holds tmpfs from stranger, and nothing proves .*k8s-pvc-unknown.*by hand/,
    );
    assert.deepEqual(targetsOf(fake), ["/pods/1/mount"]);
    assert.deepEqual(fake.commands, []);
  }));

Deno.test("unpublish leaves the target and the staging path of another volume, and names it", () =>
  FakeHost.use(async (fake) => {
    await withPublished(fake);
    for (const path of [TARGET, "/stage/7"]) {
      for (const volumeId of [UNKNOWN, "v8"]) {
        const { code, message } = await failureOf(unpublish(fake, volumeId, path));
        assert.equal(code, "in_use", path);
        assert.match(message, /v7/);
      }
    }
    assert.deepEqual(targetsOf(fake), ["/stage/7", TARGET]);
  }));

Deno.test("unpublish never takes a staging path for a target, its own volume's neither, mounted or not", () =>
  FakeHost.use(async (fake) => {
    await withPublished(fake);
    fake.folder("/stage/7");
    assert.match(
      (await failureOf(unpublish(fake, "v7", "/stage/7"))).message,
      /^\/stage\/7 is where volume v7 is staged, and no target for volume v7: .*NodeUnstageVolume/,
    );
    fake.unmount("/stage/7");
    const paths = [
      "/stage/7",
      `${CSI}/pure-csi/${"0".repeat(64)}/globalmount`,
      `${CSI}/pv/pvc-1/globalmount`,
      `${CSI}/volumeDevices/staging/pvc-1`,
    ];
    for (const path of paths) {
      fake.folder(path);
      assert.equal((await failureOf(unpublish(fake, "v7", path))).code, "in_use", path);
      assert.equal((await failureOf(publish(fake, { targetPath: path }))).code, "in_use", path);
      assert.ok(fake.has(path), path);
    }
  }));

Deno.test("unpublish where nothing is mounted is done, and removes what is empty only", () =>
  FakeHost.use(async (fake) => {
    fake.folder("/pods/1/mount");
    fake.write("/pods/2/raw", "");
    Deno.truncateSync(`${fake.root}/pods/2/raw`);
    for (const path of ["/pods/1/mount", "/pods/2/raw", "/pods/3/never-there"]) {
      for (let times = 0; times < 2; times++) await unpublish(fake, UNKNOWN, path);
      assert.ok(!fake.has(path), path);
    }
    fake.write("/pods/4/mount/file", "of somebody");
    assert.equal((await failureOf(unpublish(fake, UNKNOWN, "/pods/4/mount"))).code, "in_use");
    assert.ok(fake.has("/pods/4/mount/file"));
  }));

Deno.test("unpublish leaves a foreign mount over the volume, and goes on when that is gone", () =>
  FakeHost.use(async (fake) => {
    await withPublished(fake);
    fake.mount(TARGET, { number: "0:90", type: "tmpfs", source: "stranger" });
    const { code, message } = await failureOf(unpublish(fake, "v7", TARGET));
    assert.equal(code, "in_use");
    assert.match(message, /holds tmpfs from stranger/);
    fake.unmount(TARGET);
    await unpublish(fake, "v7", TARGET);
    assert.deepEqual(targetsOf(fake), ["/stage/7"]);
    assert.deepEqual((await fake.records.find("v7"))?.published, []);
  }));

Deno.test("unpublish takes every mount of the volume that lies over another, also what its record does not name", () =>
  FakeHost.use(async (fake) => {
    await withPublished(fake, { published: [] });
    fake.mountDevice("dm-7", TARGET);
    await unpublish(fake, "v7", TARGET);
    assert.deepEqual(targetsOf(fake), ["/stage/7"]);
  }));

for (
  const { what, number } of [
    { what: "whose device the kernel took away", number: "254:99" },
    { what: "of a path that has gone", number: "8:77" },
  ]
) {
  Deno.test(`unpublish takes a publication ${what} away, as the record names its target`, () =>
    FakeHost.use(async (fake) => {
      await fake.stagedVolume(7, { published: [{ targetPath: TARGET, readOnly: false }] });
      fake.mount(TARGET, { number });
      await unpublish(fake, "v7", TARGET);
      assert.deepEqual(targetsOf(fake), ["/stage/7"]);
    }));
}

// What PSO made has no record of ours, nor has what lost it. kubelet's own notes name the volume.
for (const volumeId of ["k8s/pvc-1", "k8s-pvc-1", "0badcafe/k8s-pvc-1"]) {
  const folder = `${KUBELET}/pods/u-1/volumes/kubernetes.io~csi/pvc-1`;
  const devices = `${CSI}/volumeDevices`;
  const cases = [
    {
      what: "a file system",
      target: `${folder}/mount`,
      notes: folder,
      facts: { number: "254:7" },
    },
    {
      what: "a raw device",
      target: `${devices}/publish/pvc-1/u-1`,
      notes: `${devices}/pvc-1/data`,
      facts: { number: "0:5", type: "devtmpfs", root: "/dm-7" },
    },
    {
      what: "a file system of a server",
      target: `${folder}/mount`,
      notes: folder,
      facts: { number: "0:91", type: "nfs4", source: "10.0.0.9:/renamed-by-hand" },
    },
    {
      what: "a file system whose device has gone",
      target: `${folder}/mount`,
      notes: folder,
      facts: { number: "254:99" },
    },
  ];
  for (const { what, target, notes, facts } of cases) {
    Deno.test(`without a record, ${what} that kubelet calls ${volumeId} is unpublished, and what it calls otherwise is not`, () =>
      FakeHost.use(async (fake) => {
        fake.scsi.addMap("dm-7", 7);
        fake.mount(target, facts);
        note(fake, notes, "k8s-pvc-other");
        const { code, message } = await failureOf(unpublish(fake, volumeId, target));
        assert.equal(code, "in_use");
        assert.match(message, /kubelet.*k8s-pvc-other/);
        note(fake, notes, volumeId);
        for (let times = 0; times < 2; times++) await unpublish(fake, volumeId, target);
        assert.deepEqual(targetsOf(fake), []);
      }));
  }
}

Deno.test("kubelet's note proves no mount that this driver never makes", () =>
  FakeHost.use(async (fake) => {
    const folder = `${KUBELET}/pods/u-1/volumes/kubernetes.io~csi/pvc-1`;
    note(fake, folder, "v1");
    for (const facts of [{ type: "tmpfs" }, { type: "ext4" }, { type: "cifs", source: "//a/b" }]) {
      fake.write("/sys/dev/block/8:1/uevent", "DEVNAME=sda1");
      fake.mount(`${folder}/mount`, { number: "8:1", ...facts });
      assert.equal((await failureOf(unpublish(fake, "v1", `${folder}/mount`))).code, "in_use");
      fake.unmount(`${folder}/mount`);
    }
  }));

Deno.test("a note of kubelet that is a link, a folder or no JSON is none", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.addMap("dm-7", 7);
    const path = `${KUBELET}/pods/u-1/volumes/kubernetes.io~csi/pvc-1`;
    fake.mountDevice("dm-7", `${path}/mount`);
    fake.write("/elsewhere.json", JSON.stringify({ volumeHandle: "v1" }));
    const file = `${path}/vol_data.json`;
    const notes = [
      () => fake.link(file, `${fake.root}/elsewhere.json`),
      () => fake.folder(file),
      () => fake.write(file, "{"),
      () => fake.write(file, "null"),
      () => fake.write(file, JSON.stringify({ volumeHandle: "v1", pad: "x".repeat(100_000) })),
    ];
    for (const make of notes) {
      make();
      assert.equal((await failureOf(unpublish(fake, "v1", `${path}/mount`))).code, "in_use");
      fake.remove(file);
    }
  }));

Deno.test("without record and note, kubelet's staging path names the volume", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.addMap("dm-7", 7);
    const staged = (id: string) =>
      `${CSI}/pure-csi/${createHash("sha256").update(id).digest("hex")}/globalmount`;
    fake.mountDevice("dm-7", staged("v7"));
    fake.mountDevice("dm-7", TARGET);
    const { code, message } = await failureOf(unpublish(fake, "v8", TARGET));
    assert.equal(code, "in_use");
    assert.match(message, /kubelet staged it for another volume/);
    await unpublish(fake, "v7", TARGET);
    assert.deepEqual(targetsOf(fake), [staged("v7")]);
  }));

Deno.test("without any note, a volume of ours that no record claims goes from a target, and not from where it was staged first", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.addMap("dm-7", 7);
    fake.mountDevice("dm-7", "/elsewhere/stage");
    fake.mountDevice("dm-7", TARGET);
    assert.equal((await failureOf(unpublish(fake, "v7", "/elsewhere/stage"))).code, "in_use");
    await unpublish(fake, "v7", TARGET);
    assert.deepEqual(targetsOf(fake), ["/elsewhere/stage"]);
  }));

for (
  const volumeId of [
    "0badcafe/pvc-1",
    "0badcafe/pvc-1@keep",
    "pvc-1",
    "0badcafe/k8s/pvc-1",
    "k8s/pvc-1",
  ]
) {
  const name = volumeId.includes("k8s") ? "k8s-pvc-1" : "pvc-1";
  Deno.test(`without any note, an NFS mount goes from a target when its source names ${volumeId}`, () =>
    FakeHost.use(async (fake) => {
      for (const source of [`10.0.0.9:/other`, `10.0.0.9:/${name}`]) {
        const number = source.includes("other") ? "0:91" : "0:92";
        fake.mount(`/stage/${number}`, { number, type: "nfs4", source });
        fake.mount(TARGET, { number, type: "nfs4", source });
        if (source.includes("other")) {
          assert.equal((await failureOf(unpublish(fake, volumeId, TARGET))).code, "in_use");
          fake.unmount(TARGET);
        } else await unpublish(fake, volumeId, TARGET);
      }
      assert.deepEqual(targetsOf(fake), ["/stage/0:91", "/stage/0:92"]);
    }));
}

const publish = (fake: FakeHost, changes: Partial<PublishRequest>) =>
  fake.plugin().publish({
    volumeId: "v7",
    stagingPath: "/stage/7",
    targetPath: TARGET,
    capability: mountCapability(),
    readOnly: false,
    ...changes,
  });

Deno.test("unpublish leaves what the record of another volume says of the target, whatever kubelet's note says", () =>
  FakeHost.use(async (fake) => {
    await fake.stagedVolume(7);
    const folder = `${KUBELET}/pods/u-1/volumes/kubernetes.io~csi/pvc-1`;
    await publish(fake, { targetPath: `${folder}/mount` });
    note(fake, folder, "v8");
    const { code, message } = await failureOf(unpublish(fake, "v8", `${folder}/mount`));
    assert.equal(code, "in_use");
    assert.match(
      message,
      /nothing proves that it is volume v8 \(it is volume v7, which was published/,
    );
    await unpublish(fake, "v7", `${folder}/mount`);
    assert.deepEqual(targetsOf(fake), ["/stage/7"]);
  }));

Deno.test("publish of an unknown volume is refused where another is staged, and without a record unless publish_context names what is there", () =>
  FakeHost.use(async (fake) => {
    await fake.stagedVolume(7);
    const refusalOf = async (given: PublishRequest["attachment"]) => {
      const { code, message } = await failureOf(
        publish(fake, { volumeId: UNKNOWN, attachment: given }),
      );
      assert.equal(code, "in_use");
      return message;
    };
    for (const given of [undefined, attachment(7), attachment(8)]) {
      assert.match(
        await refusalOf(given),
        /^\/stage\/7 is where volume v7 is staged.*k8s-pvc-unkn/,
      );
    }
    await fake.records.remove("v7");
    for (const given of [undefined, attachment(8)]) {
      assert.match(await refusalOf(given), /k8s-pvc-unknown has no record.*\/stage\/7/);
    }
    assert.deepEqual(targetsOf(fake), ["/stage/7"]);
    await publish(fake, { volumeId: "v7", attachment: attachment(7) });
    assert.deepEqual(targetsOf(fake), ["/stage/7", TARGET]);
  }));

Deno.test("publish refuses a staged volume that publish_context does not name", () =>
  FakeHost.use(async (fake) => {
    await fake.stagedVolume(7);
    const { code, message } = await failureOf(publish(fake, { attachment: attachment(8) }));
    assert.equal(code, "in_use");
    assert.match(message, new RegExp(`serial ${serialOf(7)}.*${serialOf(8)}`));
    await publish(fake, { attachment: { ...attachment(7), lun: 9, everWritten: false } });
  }));

Deno.test("publish without a record of a shared file system wants the one that publish_context names", () =>
  FakeHost.use(async (fake) => {
    fake.mount("/stage/7", { number: "0:92", type: "nfs4", source: "10.0.0.9:/a" });
    const nfs = (path: string) => ({ protocol: "nfs", address: "10.0.0.9", path } as const);
    assert.equal((await failureOf(publish(fake, { attachment: nfs("/b") }))).code, "in_use");
    await publish(fake, { attachment: nfs("/a") });
    assert.deepEqual(targetsOf(fake), ["/stage/7", TARGET]);
  }));

Deno.test("unstage of an unknown volume leaves what another has staged at the path", () =>
  FakeHost.use(async (fake) => {
    PORTALS.forEach((portal, index) => fake.iscsi.addSession(index + 1, portal));
    await fake.stagedVolume(7);
    const node = fake.plugin();
    const { code, message } = await failureOf(
      node.unstage({ volumeId: UNKNOWN, stagingPath: "/stage/7" }),
    );
    assert.equal(code, "in_use");
    assert.match(message, /^\/stage\/7 is where volume v7 is staged, and not .*k8s-pvc-unknown/);
    assert.deepEqual(targetsOf(fake), ["/stage/7"]);
    await node.unstage({ volumeId: "v7", stagingPath: "/stage/7" });
    assert.deepEqual(targetsOf(fake), []);
  }));

Deno.test("unstage of a shared file system leaves a mount that is none of ours, wherever its record says it is", () =>
  FakeHost.use(async (fake) => {
    const share = { protocol: "nfs", address: "10.0.0.9", path: "/a" } as const;
    for (const stagingPath of ["/stage/7", "/data"]) {
      await fake.records.write({ volumeId: "v7", stagingPath, attachment: share, published: [] });
      fake.write("/sys/dev/block/8:1/uevent", "DEVNAME=sda1");
      fake.mount("/data", { number: "8:1", type: "ext4", source: "/dev/sda1" });
      const unstaging = fake.plugin().unstage({ volumeId: "v7", stagingPath: "/data" });
      assert.match((await failureOf(unstaging)).message, /^\/data holds ext4 from \/dev\/sda1/);
      assert.deepEqual(targetsOf(fake), ["/data"]);
      fake.unmount("/data");
    }
  }));

Deno.test("unstage without a record goes by the name that kubelet gave the staging path", () =>
  FakeHost.use(async (fake) => {
    const hash = createHash("sha256").update("v7").digest("hex");
    const stagingPath = `${CSI}/pure-csi/${hash}/globalmount`;
    fake.mount(stagingPath, { number: "0:92", type: "nfs4", source: "10.0.0.9:/a" });
    const node = fake.plugin();
    const { code, message } = await failureOf(node.unstage({ volumeId: "v8", stagingPath }));
    assert.equal(code, "in_use");
    assert.match(message, /is where kubelet has another volume staged, and not volume v8/);
    await node.unstage({ volumeId: "v7", stagingPath });
    assert.deepEqual(targetsOf(fake), []);
  }));

Deno.test("stats and growth of an unknown volume find nothing where another volume is", () =>
  FakeHost.use(async (fake) => {
    await withPublished(fake);
    const node = fake.plugin();
    for (const volumePath of [TARGET, "/stage/7"]) {
      const request = { volumeId: UNKNOWN, volumePath };
      assert.equal((await failureOf(node.stats(request))).code, "not_found");
      assert.equal((await failureOf(node.expand(request))).code, "not_found");
    }
  }));

Deno.test("a raw volume is unpublished by its record, and another device at the target is not", () =>
  FakeHost.use(async (fake) => {
    const capability = BLOCK_CAPABILITY;
    fake.scsi.luns.set(7, 7);
    const node = fake.plugin();
    const volume = { volumeId: "v7", stagingPath: "/stage/7", targetPath: "/pods/7/raw" };
    await node.stage({ ...volume, attachment: attachment(7), capability, volumeContext: {} });
    await node.publish({ ...volume, capability, readOnly: false });
    fake.mount(volume.targetPath, { number: "0:5", type: "devtmpfs", root: "/sda1" });
    assert.equal((await failureOf(node.unpublish(volume))).code, "in_use");
    fake.unmount(volume.targetPath);
    await node.unpublish(volume);
    await node.unstage(volume);
  }));
