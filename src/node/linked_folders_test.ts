/** kubelet's folder, or one above it, is an absolute link of the host: no call may miss it. */
import assert from "node:assert/strict";
import { attachment, FakeHost } from "../../tests/support/fake_host.ts";
import { BLOCK_CAPABILITY, failureOf } from "../../tests/support/test_node.ts";

const KUBELET = "/var/lib/kubelet";
const STAGING = `${KUBELET}/plugins/kubernetes.io/csi/pure-csi/7/globalmount`;
const TARGET = `${KUBELET}/pods/1/volumeDevices/7`;
const VOLUME = { volumeId: "v7", stagingPath: STAGING, targetPath: TARGET };

/** A host to which the array shows volume 7. */
function withVolume(work: (fake: FakeHost) => Promise<void>): Promise<void> {
  return FakeHost.use((fake) => {
    fake.scsi.luns.set(7, 7);
    return work(fake);
  });
}

const stage = (fake: FakeHost) =>
  fake.plugin().stage({
    ...VOLUME,
    attachment: attachment(7),
    capability: BLOCK_CAPABILITY,
    volumeContext: {},
  });

const targetsOf = (fake: FakeHost) =>
  fake.read("/proc/1/mountinfo").split("\n").flatMap((line) => line.split(" ")[4] ?? []);

for (
  const { name, link, to } of [
    { name: "kubelet's folder", link: KUBELET, to: "/data/kubelet" },
    { name: "/var", link: "/var", to: "/mnt/var" },
    { name: "its folder of pods", link: `${KUBELET}/pods`, to: "/data/pods" },
    { name: "its folder of plugins", link: `${KUBELET}/plugins`, to: "/data/plugins" },
  ]
) {
  Deno.test(`all calls of a volume find what is mounted when ${name} is an absolute link`, () =>
    withVolume(async (fake) => {
      fake.folder(to);
      fake.link(link, to);
      const node = fake.plugin();
      await stage(fake);
      await node.publish({ ...VOLUME, capability: BLOCK_CAPABILITY, readOnly: false });
      const real = (path: string) =>
        path.startsWith(`${link}/`) ? to + path.slice(link.length) : path;
      assert.deepEqual(targetsOf(fake), [real(`${STAGING}/device`), real(TARGET)]);
      assert.deepEqual(await node.stats({ volumeId: "v7", volumePath: TARGET }), {
        type: "block",
        sizeBytes: 64 * 1024 * 1024,
      });
      await node.expand({ volumeId: "v7", volumePath: TARGET });
      assert.equal((await failureOf(node.unstage(VOLUME))).code, "in_use");
      await node.unpublish(VOLUME);
      await node.unstage(VOLUME);
      assert.deepEqual([targetsOf(fake), fake.scsi.devices], [[], []]);
    }));
}

Deno.test("unstage without a record looks where kubelet's folder really is", () =>
  withVolume(async (fake) => {
    fake.folder("/data/kubelet");
    fake.link(KUBELET, "/data/kubelet");
    await stage(fake);
    await fake.records.remove("v7");
    await fake.plugin().unstage(VOLUME);
    assert.deepEqual([targetsOf(fake), fake.scsi.devices], [[], []]);
  }));

Deno.test("each call refuses a link above kubelet's folder that leads nowhere, and changes nothing", () =>
  withVolume(async (fake) => {
    fake.link("/var", "/mnt/var");
    const node = fake.plugin();
    const calls = [
      () => stage(fake),
      () => node.publish({ ...VOLUME, capability: BLOCK_CAPABILITY, readOnly: false }),
      () => node.expand({ volumeId: "v7", volumePath: TARGET }),
      () => node.stats({ volumeId: "v7", volumePath: TARGET }),
      () => node.unpublish(VOLUME),
      () => node.unstage(VOLUME),
    ];
    for (const call of calls) {
      const { code, message } = await failureOf(call());
      assert.equal(code, "unavailable");
      assert.match(message, /\/var on this host is a link to \/mnt\/var, and \/mnt does not exist/);
    }
    assert.deepEqual(fake.commands, []);
  }));
