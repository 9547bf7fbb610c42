/** A target or staging path that is a link itself: nothing is mounted through it, nor looked for. */
import assert from "node:assert/strict";
import { readMounts } from "../../host/mountinfo.ts";
import { MiB } from "../../size.ts";
import { attachment, FakeHost } from "../../../tests/support/fake_host.ts";
import {
  BLOCK_CAPABILITY,
  failureOf,
  mountCapability,
  TestNode,
  testRun,
} from "../../../tests/support/test_node.ts";

const VOLUME = { volumeId: "v7", stagingPath: "/stage/7", targetPath: "/pods/7/mount" };

for (const end of ["", "/", "/.", "/./"]) {
  for (const capability of [mountCapability(), BLOCK_CAPABILITY]) {
    Deno.test(`a ${capability.access.type} volume is not mounted through a link in the place of its paths, named with ${JSON.stringify(end)} at the end`, () =>
      FakeHost.use(async (fake) => {
        fake.scsi.luns.set(7, 7);
        fake.folder("/elsewhere");
        fake.link("/stage/7", "/elsewhere");
        fake.link(VOLUME.targetPath, "../../elsewhere");
        const node = fake.plugin();
        const stagingPath = `${VOLUME.stagingPath}${end}`;
        const targetPath = `${VOLUME.targetPath}${end}`;
        const stage = { ...VOLUME, attachment: attachment(7), capability, volumeContext: {} };
        const calls = [
          () => node.stage({ ...stage, stagingPath }),
          () => node.unstage({ ...VOLUME, stagingPath }),
          () => node.publish({ ...VOLUME, targetPath, capability, readOnly: false }),
          () => node.unpublish({ ...VOLUME, targetPath }),
        ];
        for (const call of calls) {
          const { code, message } = await failureOf(call());
          assert.equal(code, "in_use");
          assert.match(
            message,
            /(staging_)?target_path \/.* is a symbolic link to .*elsewhere, .*remove it$/,
          );
        }
        assert.deepEqual(fake.commands, []);
        assert.ok(fake.has("/stage/7") && fake.has(VOLUME.targetPath));
      }));
  }
}

Deno.test("paths that end in /. are the same places in every call", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.luns.set(7, 7);
    const node = fake.plugin();
    const capability = BLOCK_CAPABILITY;
    const dotted = {
      volumeId: "v7",
      stagingPath: `${VOLUME.stagingPath}/.`,
      targetPath: `${VOLUME.targetPath}/./`,
    };
    const stage = { attachment: attachment(7), capability, volumeContext: {} };
    await node.stage({ ...dotted, ...stage });
    await node.stage({ ...VOLUME, ...stage });
    await node.publish({ ...VOLUME, capability, readOnly: false });
    await node.publish({ ...dotted, capability, readOnly: false });
    assert.equal(fake.ran("mount ").length, 2);
    await node.unpublish(dotted);
    await node.unstage(dotted);
    assert.equal(fake.read("/proc/1/mountinfo"), "");
  }));

Deno.test("no call takes / or a path with a zero for a place, however they are written", () =>
  FakeHost.use(async (fake) => {
    const node = fake.plugin();
    for (const path of ["/", "/.", "//.//", "/./.", "/a\0b", "a", "", "/a/..", "/../a"]) {
      const calls = [
        () => node.unpublish({ volumeId: "v7", targetPath: path }),
        () => node.unstage({ volumeId: "v7", stagingPath: path }),
        () =>
          node.publish({
            ...VOLUME,
            targetPath: path,
            capability: BLOCK_CAPABILITY,
            readOnly: false,
          }),
      ];
      for (const call of calls) assert.equal((await failureOf(call())).code, "invalid", path);
      const looks = { volumeId: "v7", volumePath: path };
      assert.match((await failureOf(node.stats(looks))).code, /not_found|invalid/);
      assert.match((await failureOf(node.health(looks))).code, /not_found|invalid/);
    }
  }));

Deno.test("a raw volume is not bound through a link in the place of its file", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.luns.set(7, 7);
    fake.write("/etc/shadow", "secret");
    fake.link("/stage/7/device", "/etc/shadow");
    const request = {
      ...VOLUME,
      attachment: attachment(7),
      capability: BLOCK_CAPABILITY,
      volumeContext: {},
    };
    const { code, message } = await failureOf(fake.plugin().stage(request));
    assert.equal(code, "in_use");
    assert.match(message, /^\/stage\/7\/device is a symbolic link, and a raw device is bound/);
    assert.deepEqual([fake.ran("mount "), fake.scsi.devices], [[], []]);
    assert.equal(fake.read("/etc/shadow"), "secret");
  }));

for (const at of ["stage", "publish"] as const) {
  Deno.test(`what a ${at} mounted elsewhere, because a link came in between, is unmounted again`, () =>
    TestNode.use(async (test) => {
      const volume = await test.volume(320 * MiB);
      const elsewhere = `${test.folder}/elsewhere`;
      await Deno.mkdir(elsewhere);
      if (at === "publish") await test.node.stage(test.stageRequest(volume));
      const place = at === "stage" ? volume.stagingPath : volume.targetPath;
      test.restart(async (tool, args, options) => {
        if (tool === "mount") {
          await Deno.remove(place);
          await Deno.symlink(elsewhere, place);
        }
        return await testRun(tool, args, options);
      });
      const work = at === "stage"
        ? () => test.node.stage(test.stageRequest(volume))
        : () => test.node.publish(test.publishRequest(volume));
      const { code, message } = await failureOf(work());
      assert.equal(code, "in_use");
      assert.match(message, /became a symbolic link to .*elsewhere while it was mounted/);
      const mounts = await readMounts({ ...test.host, root: "/" });
      assert.deepEqual(mounts.filter(({ target }) => target === elsewhere), []);
      await Deno.remove(place);
      test.restart();
      await work();
      if (at === "stage") await test.node.publish(test.publishRequest(volume));
      await test.takeAway(volume);
    }));
}
