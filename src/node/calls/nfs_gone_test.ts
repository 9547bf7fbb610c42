/** Volumes of an NFS server that is gone for good, on hard mounts. */
import assert from "node:assert/strict";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { failureOf } from "../../../tests/support/test_node.ts";

const VOLUME = { volumeId: "v7", stagingPath: "/stage/7" };
const TARGET = { volumeId: "v7", targetPath: "/pods/1/mount" };
const PLACES = [VOLUME.stagingPath, TARGET.targetPath];

/** Volume 7 staged and published from a server; `publishes` notes the publication. */
async function nfsVolume(fake: FakeHost): Promise<void> {
  const facts = { number: "0:77", type: "nfs4", source: "192.0.2.7:/fs-7" };
  for (const place of PLACES) {
    fake.folder(place);
    fake.mount(place, facts);
  }
  await fake.records.write({
    ...VOLUME,
    attachment: { protocol: "nfs", address: "192.0.2.7", path: "/fs-7" },
    published: [{ targetPath: TARGET.targetPath, readOnly: false }],
  });
}

/** What umount(8) does while the server is gone, by how far it gets. */
const SILENCES = [
  {
    what: "umount(8) looks at nothing of the mount",
    hangs: (args: string[]) => !args.includes("--no-canonicalize"),
    last: "umount --no-canonicalize --internal-only /stage/7",
  },
  {
    what: "the kernel itself waits for the server",
    hangs: (args: string[]) => !args.includes("--lazy"),
    last: "umount --no-canonicalize --internal-only --force --lazy /stage/7",
  },
];

for (const { what, hangs, last } of SILENCES) {
  Deno.test(`unpublish and unstage of a server that is gone succeed: ${what}`, () =>
    FakeHost.use(async (fake) => {
      await nfsVolume(fake);
      fake.onTool.set("umount", (args) => hangs(args) ? { hangs: true } : undefined);
      const node = fake.plugin();
      await node.unpublish(TARGET);
      await node.unstage(VOLUME);
      assert.equal(fake.commands.at(-1), last);
      assert.equal(await fake.records.find("v7"), undefined);
    }));
}

Deno.test("an unmount that ran out of time and did its work is success", () =>
  FakeHost.use(async (fake) => {
    await nfsVolume(fake);
    fake.onTool.set("umount", (args) => {
      fake.unmount(args.at(-1) ?? "");
      return { hangs: true };
    });
    await fake.plugin().unpublish(TARGET);
    assert.equal(fake.ran("umount").length, 1);
  }));

Deno.test("an NFS mount that a process uses is never unmounted by force", () =>
  FakeHost.use(async (fake) => {
    await nfsVolume(fake);
    fake.onTool.set("umount", () => ({ code: 32, stderr: "umount: target is busy.\n" }));
    assert.equal((await failureOf(fake.plugin().unpublish(TARGET))).code, "in_use");
    assert.equal(fake.ran("umount").length, 1);
  }));

Deno.test("unstage of a shared file system is in_use while it is published, and unmounts nothing", () =>
  FakeHost.use(async (fake) => {
    await nfsVolume(fake);
    const { code, message } = await failureOf(fake.plugin().unstage(VOLUME));
    assert.equal(code, "in_use");
    assert.match(message, /still published at \/pods\/1\/mount: unpublish it there first$/);
    assert.deepEqual(fake.ran("umount"), []);
    assert.equal((await fake.records.find("v7"))?.unstaging, undefined);
  }));

Deno.test("expand asks nothing of a server that is known to be silent", () =>
  FakeHost.use(async (fake) => {
    await nfsVolume(fake);
    fake.onTool.set("stat", () => ({ hangs: true }));
    const node = fake.plugin();
    const expand = () => node.expand({ volumeId: "v7", volumePath: VOLUME.stagingPath });
    for (const _time of ["found silent", "known as silent"]) {
      const { code, message } = await failureOf(expand());
      assert.equal(code, "unavailable");
      assert.match(message, /^NFS server 192\.0\.2\.7 has not answered this node/);
    }
    assert.equal(fake.ran("stat").length, 1);
  }));
