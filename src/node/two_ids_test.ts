/** Two PVs that name one volume, as after an import by hand, and volumes whose record was lost. */
import assert from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import { attachment, FakeHost } from "../../tests/support/fake_host.ts";
import { PORTALS } from "../../tests/support/fake_iscsi.ts";
import {
  BLOCK_CAPABILITY,
  failureOf,
  mountCapability,
  TestNode,
} from "../../tests/support/test_node.ts";

const targetsOf = (fake: FakeHost) =>
  fake.read("/proc/1/mountinfo").split("\n").flatMap((line) => line.split(" ")[4] ?? []);

for (const capability of [mountCapability(), BLOCK_CAPABILITY]) {
  for (const path of ["the same path", "two paths"]) {
    Deno.test(`a ${capability.access.type} volume that is staged by two ids at once, at ${path}, is attached once, and nothing is left of it`, () =>
      TestNode.use(async (test) => {
        const volume = await test.volume();
        const stagingPath = `${volume.stagingPath}${path === "two paths" ? "b" : ""}`;
        const other = { ...volume, volumeId: "k8s-pvc-1", stagingPath };
        const stages = [volume, other].map((one) =>
          test.node.stage(test.stageRequest(one, { capability }))
        );
        const [first, second] = await Promise.allSettled(stages);
        assert.equal(first?.status, "fulfilled");
        assert.ok(second?.status === "rejected" && isPsoError(second.reason, "busy"));
        const loops = (await test.leftovers()).filter((one) => one.startsWith("loop"));
        assert.equal(loops.length, 1);
        // Whatever order the CO takes, and however often.
        for (const one of [other, volume, volume, other]) {
          await test.node.unstage(one).catch((error) => assert.ok(isPsoError(error, "in_use")));
        }
      }));
  }
}

for (const order of [[0, 1], [1, 0]]) {
  Deno.test(`a raw volume that is staged by two ids for several nodes goes with the second unstage, in the order ${order}`, () =>
    FakeHost.use(async (fake) => {
      fake.scsi.luns.set(7, 7);
      const node = fake.plugin();
      const capability = { ...BLOCK_CAPABILITY, mode: "multi-node-multi-writer" } as const;
      const volumes = ["v7", "k8s-v7"].map((volumeId, index) => ({
        volumeId,
        stagingPath: `/stage/${index}`,
        targetPath: `/pods/${index}`,
      }));
      for (const volume of volumes) {
        const stage = { ...volume, attachment: attachment(7), capability, volumeContext: {} };
        await node.stage(stage);
        await node.publish({ ...volume, capability, readOnly: false });
      }
      const [first = volumes[0], second = volumes[1]] = order.map((index) => volumes[index]);
      assert.ok(first && second);
      assert.equal((await failureOf(node.unstage(first))).code, "in_use");
      await node.unpublish(first);
      await node.unstage(first);
      assert.deepEqual(targetsOf(fake).length, 2, "the other id has the volume as before");
      assert.ok(fake.scsi.devices.length > 0);
      await node.unpublish(second);
      await node.unstage(second);
      assert.deepEqual([targetsOf(fake), fake.scsi.devices], [[], []]);
    }));
}

Deno.test("stage takes neither a path where another id is staged nor one where kubelet publishes", () =>
  FakeHost.use(async (fake) => {
    await fake.stagedVolume(7);
    const target = `/var/lib/kubelet/pods/u-1/volumes/kubernetes.io~csi/pvc-1/mount`;
    for (const stagingPath of ["/stage/7", target]) {
      const request = { volumeId: "k8s-v7", stagingPath, attachment: attachment(7) };
      const capability = mountCapability();
      const staging = fake.plugin().stage({ ...request, capability, volumeContext: {} });
      assert.equal((await failureOf(staging)).code, "in_use");
    }
    assert.equal(await fake.records.find("k8s-v7"), undefined);
  }));

Deno.test("a record that was lost comes back with the next stage or publish", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.luns.set(7, 7);
    const capability = BLOCK_CAPABILITY;
    const volume = { volumeId: "v7", stagingPath: "/stage/7", targetPath: "/pods/7/raw" };
    const stage = { ...volume, attachment: attachment(7), capability, volumeContext: {} };
    const node = fake.plugin();
    await node.stage(stage);
    const { device } = await fake.records.find("v7") ?? {};
    await fake.records.remove("v7");
    await node.stage(stage);
    assert.equal((await fake.records.find("v7"))?.device, device);
    await fake.records.remove("v7");
    await node.publish({ ...stage, readOnly: false });
    const found = await fake.records.find("v7");
    assert.deepEqual([found?.device, found?.published.length], [device, 1]);
    await node.unpublish(volume);
    await node.unstage(volume);
    assert.deepEqual([targetsOf(fake), fake.scsi.devices], [[], []]);
  }));

Deno.test("a target at which a volume is published by one id is not another's", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.luns.set(7, 7);
    const capability = { ...BLOCK_CAPABILITY, mode: "multi-node-multi-writer" } as const;
    const node = fake.plugin();
    const targetPath = "/pods/7/raw";
    for (const [volumeId, stagingPath] of [["v7", "/stage/7"], ["k8s-v7", "/stage/8"]] as const) {
      const stage = { volumeId, stagingPath, attachment: attachment(7), capability };
      await node.stage({ ...stage, volumeContext: {} });
      const publishing = node.publish({ ...stage, targetPath, readOnly: false });
      if (volumeId === "v7") await publishing;
      else assert.match((await failureOf(publishing)).message, /where volume v7 is published/);
    }
    const others = await failureOf(node.unpublish({ volumeId: "k8s-v7", targetPath }));
    assert.match(others.message, /it is volume v7, which was published there/);
    await node.unpublish({ volumeId: "v7", targetPath });
  }));

Deno.test("publish takes no staging path where another id is staged, and that id keeps it", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.luns.set(7, 7);
    const capability = { ...BLOCK_CAPABILITY, mode: "multi-node-multi-writer" } as const;
    const node = fake.plugin();
    const stage = {
      volumeId: "v7",
      stagingPath: "/stage/7",
      attachment: attachment(7),
      capability,
    };
    await node.stage({ ...stage, volumeContext: {} });
    const other = { ...stage, volumeId: "k8s-v7", targetPath: "/pods/7/raw" };
    const { code, message } = await failureOf(node.publish({ ...other, readOnly: false }));
    assert.equal(code, "in_use");
    assert.match(message, /where volume v7 is staged, which is not volume k8s-v7/);
    await node.unstage(other).catch(() => {});
    assert.deepEqual(targetsOf(fake), ["/stage/7/device"]);
  }));

Deno.test("an id that means another volume now is not staged before the first volume is taken away", () =>
  FakeHost.use(async (fake) => {
    PORTALS.forEach((portal, index) => fake.iscsi.addSession(index + 1, portal));
    await fake.stagedVolume(7);
    fake.scsi.luns.set(8, 8);
    const node = fake.plugin();
    const stage = () =>
      node.stage({
        volumeId: "v7",
        stagingPath: "/stage/7",
        attachment: attachment(8),
        capability: BLOCK_CAPABILITY,
        volumeContext: {},
      });
    // Mounted it is not touched; without a mount, the healer may take it away.
    assert.equal((await failureOf(stage())).code, "in_use");
    assert.equal((await fake.records.find("v7"))?.unstaging, undefined);
    fake.unmount("/stage/7");
    assert.match(
      (await failureOf(stage())).message,
      /was staged as serial .*, which is not unstaged/,
    );
    const { attachment: kept, unstaging } = await fake.records.find("v7") ?? {};
    assert.deepEqual([kept, unstaging], [attachment(7), true]);
    await node.unstage({ volumeId: "v7", stagingPath: "/stage/7" });
    assert.deepEqual(fake.scsi.devices, []);
    await stage();
    assert.equal((await fake.records.find("v7"))?.attachment.protocol, "iscsi");
  }));

Deno.test("an id that means another volume now is staged, though a format of the first was interrupted here", () =>
  FakeHost.use(async (fake) => {
    PORTALS.forEach((portal, index) => fake.iscsi.addSession(index + 1, portal));
    fake.scsi.luns.set(8, 8);
    const node = fake.plugin();
    // What is left of a stage of the first volume that died in mkfs, after its devices were taken away.
    await fake.records.write({
      volumeId: "v7",
      stagingPath: "/stage/7",
      attachment: attachment(7),
      format: { state: "started", type: "xfs", uuid: "0b7c52ee-6f6c-4a2e-9d0e-0a1f3c5b7d99" },
      published: [],
    });
    const stage = () =>
      node.stage({
        volumeId: "v7",
        stagingPath: "/stage/7",
        attachment: attachment(8),
        capability: BLOCK_CAPABILITY,
        volumeContext: {},
      });
    assert.match(
      (await failureOf(stage())).message,
      /was staged as serial .*, which is not unstaged/,
    );
    for (let round = 0; round < 3; round++) {
      await node.healer.round();
      await node.healer.idle();
    }
    await stage();
    const { attachment: staged, format } = await fake.records.find("v7") ?? {};
    assert.deepEqual([staged, format], [attachment(8), undefined]);
  }));
