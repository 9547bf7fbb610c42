import assert from "node:assert/strict";
import { createRun } from "../host/tools/command.ts";
import { MiB } from "../size.ts";
import {
  BLOCK_CAPABILITY,
  checksumOf,
  failureOf,
  mountCapability,
  TestNode,
  testRun,
} from "../../tests/support/test_node.ts";
import { readMounts } from "../host/mountinfo.ts";

async function mountAtPath(test: TestNode, path: string) {
  return (await readMounts({ ...test.host, root: "/" })).filter((mount) => mount.target === path);
}

for (const fsType of ["xfs", "ext4"]) {
  Deno.test(`a ${fsType} volume is formatted once, keeps its data over unstage and stage, and every step may be repeated`, () =>
    TestNode.use(async (test) => {
      const volume = await test.volume();
      const capability = mountCapability(fsType);
      for (const round of ["first", "second"]) {
        for (let times = 0; times < 2; times++) {
          await test.node.stage(test.stageRequest(volume, { capability }));
        }
        for (let times = 0; times < 2; times++) {
          await test.node.publish(test.publishRequest(volume, { capability }));
        }
        if (round === "first") await Deno.writeTextFile(`${volume.targetPath}/file`, "kept");
        assert.equal(await Deno.readTextFile(`${volume.targetPath}/file`), "kept");
        const [mount] = await mountAtPath(test, volume.stagingPath);
        assert.equal(mount?.type, fsType);
        assert.ok(mount.superOptions.includes("discard"), mount.superOptions.join());
        for (let times = 0; times < 2; times++) await test.node.unpublish(volume);
        await assert.rejects(Deno.stat(volume.targetPath), Deno.errors.NotFound);
        for (let times = 0; times < 2; times++) await test.node.unstage(volume);
        assert.deepEqual(await test.leftovers(), []);
      }
      assert.equal(test.logLines.filter((line) => line.includes('"formatting"')).length, 1);
    }));
}

Deno.test("a raw block volume shows the device's bytes and size at the target", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume(8 * MiB);
    const capability = BLOCK_CAPABILITY;
    for (let times = 0; times < 2; times++) {
      await test.node.stage(test.stageRequest(volume, { capability }));
    }
    for (let times = 0; times < 2; times++) {
      await test.node.publish(test.publishRequest(volume, { capability }));
    }
    assert.equal((await Deno.stat(volume.targetPath)).isBlockDevice, true);
    await testRun("dd", [`of=${volume.targetPath}`, "conv=fsync"], { stdin: "bytes of a pod" });
    assert.deepEqual(
      await test.node.stats({ volumeId: volume.volumeId, volumePath: volume.targetPath }),
      {
        type: "block",
        sizeBytes: 8 * MiB,
      },
    );
    await test.takeAway(volume);
    const head = (await Deno.readTextFile(volume.image)).slice(0, 14);
    assert.equal(head, "bytes of a pod");
  }));

Deno.test("stage before publish and after unpublish fails, also when it is still mounted", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await Deno.remove(volume.link);
    const before = await failureOf(test.node.stage(test.stageRequest(volume)));
    assert.equal(before.code, "not_found");
    assert.equal(
      before.message,
      "array fa-1 connects no volume to host node-1 at LUN 1: publish the volume to this node first",
    );
    await Deno.symlink(volume.image, volume.link);
    await test.node.stage(test.stageRequest(volume));
    await Deno.remove(volume.link);
    assert.equal((await failureOf(test.node.stage(test.stageRequest(volume)))).code, "not_found");
    await test.node.unstage(volume);
    assert.equal((await failureOf(test.node.stage(test.stageRequest(volume)))).code, "not_found");
  }));

Deno.test("unstage works without the record, for mounted and raw volumes, after the volume was unpublished", () =>
  TestNode.use(async (test) => {
    for (const capability of [mountCapability(), BLOCK_CAPABILITY]) {
      const volume = await test.volume();
      await test.node.stage(test.stageRequest(volume, { capability }));
      await test.node.publish(test.publishRequest(volume, { capability }));
      await Deno.remove(volume.link);
      await Deno.remove(`${test.folder}/state/volumes`, { recursive: true });
      test.restart();
      assert.equal((await failureOf(test.node.unstage(volume))).code, "in_use");
      await test.takeAway(volume);
      assert.deepEqual(await test.leftovers(), []);
    }
  }));

Deno.test("a node without --local-plane refuses the protocol", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    test.restart(testRun, { localPlane: undefined });
    const error = await failureOf(test.node.stage(test.stageRequest(volume)));
    assert.equal(error.code, "unavailable");
    assert.equal(
      error.message,
      "this node is not prepared for local: it was started without --local-plane: start it with " +
        "that flag",
    );
  }));

Deno.test("a foreign mount at the staging path is refused and left alone", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await Deno.mkdir(volume.stagingPath);
    await testRun("mount", ["-t", "tmpfs", "stranger", volume.stagingPath]);
    for (
      const work of [
        () => test.node.stage(test.stageRequest(volume)),
        () => test.node.unstage(volume),
      ]
    ) {
      const error = await failureOf(work());
      assert.equal(error.code, "in_use");
      assert.match(error.message, /holds tmpfs from stranger, which is not/);
    }
    assert.equal((await mountAtPath(test, volume.stagingPath)).length, 1);
    await testRun("umount", [volume.stagingPath]);
  }));

Deno.test("another volume at the staging path is refused and left alone", () =>
  TestNode.use(async (test) => {
    const first = await test.volume();
    const second = { ...await test.volume(), stagingPath: first.stagingPath };
    await test.node.stage(test.stageRequest(first));
    assert.equal((await failureOf(test.node.stage(test.stageRequest(second)))).code, "in_use");
    await test.node.unstage(first);
  }));

Deno.test("the clone of a mounted xfs mounts beside its source, and a reader of one with a dirty log writes nothing", () =>
  TestNode.use(async (test) => {
    const source = await test.volume();
    await test.node.stage(test.stageRequest(source));
    await Deno.writeTextFile(`${source.stagingPath}/file`, "of the source");
    await test.node.unstage(source);
    await test.node.stage(test.stageRequest(source));
    await Deno.writeTextFile(`${source.stagingPath}/dirty`, "in the log only");
    await testRun("sync", ["-f", source.stagingPath]);
    const clone = await test.volume();
    const reader = await test.volume();
    for (const copy of [clone, reader]) {
      await testRun("cp", ["--sparse=always", source.image, copy.image]);
    }
    await test.node.stage(
      test.stageRequest(clone, { attachment: { ...clone.attachment, everWritten: true } }),
    );
    assert.equal(await Deno.readTextFile(`${clone.stagingPath}/file`), "of the source");
    const before = await checksumOf(reader.image);
    const capability = mountCapability("xfs", "multi-node-reader-only");
    await test.node.stage(
      test.stageRequest(reader, {
        capability,
        attachment: { ...reader.attachment, everWritten: true },
      }),
    );
    assert.equal(await Deno.readTextFile(`${reader.stagingPath}/file`), "of the source");
    await test.node.unstage(reader);
    assert.equal(await checksumOf(reader.image), before);
    for (const volume of [source, clone]) await test.node.unstage(volume);
  }));

Deno.test("unstage says in_use while a process works in the volume, and finishes when it is gone", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    const file = await Deno.create(`${volume.stagingPath}/open`);
    const error = await failureOf(test.node.unstage(volume));
    assert.equal(error.code, "in_use");
    file.close();
    await test.node.unstage(volume);
  }));

Deno.test("umount that says done and leaves the mount is an error", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume));
    test.restart((tool, args, options) =>
      tool === "umount"
        ? Promise.resolve({ code: 0, stdout: "", stderr: "" })
        : testRun(tool, args, options)
    );
    const error = await failureOf(test.node.unstage(volume));
    assert.equal(error.code, "unavailable");
    assert.match(error.message, /reported success, but mountinfo still shows the mount/);
    test.restart();
    await test.node.unstage(volume);
  }));

Deno.test("stage refuses an unknown file system, a too small xfs and forced formats before it touches anything", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume(64 * MiB);
    const unknown = await failureOf(
      test.node.stage(test.stageRequest(volume, { capability: mountCapability("btrfs") })),
    );
    assert.equal(
      `${unknown.code}: ${unknown.message}`,
      'invalid: file system type "btrfs" is not supported: use xfs or ext4',
    );
    const small = await failureOf(test.node.stage(test.stageRequest(volume)));
    assert.equal(
      `${small.code}: ${small.message}`,
      "out_of_range: xfs needs at least 300 MiB, and the volume has 67108864 bytes: " +
        "make a larger volume",
    );
    const capability = mountCapability("ext4");
    const forced = await failureOf(
      test.node.stage(
        test.stageRequest(volume, { capability, volumeContext: { createoptions: "-q -F" } }),
      ),
    );
    assert.equal(forced.code, "invalid");
    assert.deepEqual(await test.leftovers(), []);
  }));

Deno.test("createoptions of the volume reach mkfs", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(
      test.stageRequest(volume, { volumeContext: { createoptions: '-q -L "my vol"' } }),
    );
    assert.equal(
      (await testRun("xfs_admin", ["-l", volume.image])).stdout.trim(),
      'label = "my vol"',
    );
    await test.node.unstage(volume);
  }));

/** A file system of the plane that is not exported yet, and what asks for it. */
async function sharedFileSystem(test: TestNode) {
  const array = `${test.plane}/fb-1`;
  const [hosts, folder, image] = [
    `${array}/hosts/127.0.0.11`,
    `${array}/fs/7`,
    `${array}/images/7`,
  ];
  for (const path of [hosts, folder, `${array}/images`]) {
    await Deno.mkdir(path, { recursive: true });
  }
  await testRun("truncate", ["-s", "32M", image]);
  await testRun("mkfs.xfs", ["--unsupported", "-q", image]);
  const attachment = {
    protocol: "local",
    type: "file",
    array: "fb-1",
    fileSystem: "k8s-share",
  } as const;
  const paths = { stagingPath: `${test.folder}/shared`, targetPath: `${test.folder}/pods/shared` };
  const capability = mountCapability("", "multi-node-multi-writer");
  const request = { volumeId: "share", ...paths, attachment, capability, volumeContext: {} };
  return { hosts, folder, image, paths, request };
}

Deno.test("a shared file system is one and the same for a node that does not see the simulator's mount of it", () =>
  TestNode.use(async (test) => {
    const { hosts, folder, image, paths, request } = await sharedFileSystem(test);
    await Deno.symlink("../../fs/7", `${hosts}/k8s-share`);
    // As a simulator in a pod: its mounts are in a namespace of its own, which ends with it.
    const script = 'mount -t xfs -o loop,nouuid "$0" "$1"; echo; exec cat';
    const simulator = new Deno.Command("unshare", {
      args: ["--mount", "--propagation", "private", "sh", "-c", script, image, folder],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = simulator.stdout.getReader();
    await reader.read();
    await test.node.stage(request);
    await test.node.publish({ ...request, readOnly: false });
    await Deno.writeTextFile(`${paths.targetPath}/file`, "shared");
    const seen = ["--mount", `--target=${simulator.pid}`, "cat", `${folder}/file`];
    assert.equal((await testRun("nsenter", seen)).stdout, "shared");
    assert.deepEqual([...Deno.readDirSync(folder)], [], "its mount is not seen here");
    await simulator.stdin.close();
    await reader.cancel();
    await simulator.status;
    // The record is lost, and the array does not export it any more.
    await Deno.remove(`${hosts}/k8s-share`);
    await test.node.unpublish({ volumeId: "share", ...paths });
    await Deno.remove(`${test.folder}/state/volumes`, { recursive: true });
    await test.node.unstage({ volumeId: "share", ...paths });
    const attached = await testRun("losetup", ["-n", "-O", "NAME", "-j", image]);
    assert.equal(attached.stdout, "", "the last mount took the loop device along");
  }));

Deno.test("a shared file system of the plane is mounted from its loop device, and gone from the node when it is not exported", () =>
  TestNode.use(async (test) => {
    const { hosts, folder, image, paths, request } = await sharedFileSystem(test);
    assert.equal((await failureOf(test.node.stage(request))).code, "not_found");
    await Deno.symlink("../../fs/7", `${hosts}/k8s-share`);
    assert.match(
      (await failureOf(test.node.stage(request))).message,
      /is exported, but no loop device shows its image 7: start the simulator on this host/,
    );
    await testRun("mount", ["-t", "xfs", "-o", "loop,nouuid", image, folder]);
    for (let times = 0; times < 2; times++) await test.node.stage(request);
    for (let times = 0; times < 2; times++) {
      await test.node.publish({ ...request, readOnly: false });
    }
    await Deno.writeTextFile(`${paths.targetPath}/file`, "shared");
    assert.equal(await Deno.readTextFile(`${folder}/file`), "shared");
    const stats = await test.node.stats({ volumeId: "share", volumePath: paths.targetPath });
    assert.ok(stats.type === "mount" && stats.bytes.total > 8 * MiB, JSON.stringify(stats));
    assert.deepEqual(
      await test.node.expand({
        volumeId: "share",
        volumePath: paths.targetPath,
        requiredBytes: 32 * MiB,
      }),
      {
        sizeBytes: 32 * MiB,
      },
    );
    await Deno.remove(`${hosts}/k8s-share`);
    assert.equal((await failureOf(test.node.stage(request))).code, "not_found");
    await test.node.unpublish({ volumeId: "share", ...paths });
    await Deno.remove(`${test.folder}/state/volumes`, { recursive: true });
    // Without a record, the simulator's own mount of the file system is no other publication.
    const alone = mountCapability("", "single-node-single-writer");
    await test.node.publish({ ...request, capability: alone, readOnly: false });
    await test.node.unpublish({ volumeId: "share", ...paths });
    await test.node.unstage({ volumeId: "share", ...paths });
    await testRun("umount", [folder]);
  }));

Deno.test("two calls for one volume at once: the second is busy", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    const first = test.node.stage(test.stageRequest(volume));
    assert.equal((await failureOf(test.node.stage(test.stageRequest(volume)))).code, "busy");
    await first;
    await test.node.unstage(volume);
  }));

for (const capability of [mountCapability(), BLOCK_CAPABILITY]) {
  Deno.test(`a ${capability.access.type} volume lives through stage, publish, unpublish and unstage with tools in a chroot`, () =>
    TestNode.use(async (test) => {
      const volume = await test.volume();
      // What containers do by mount propagation: the volume's folders are the same on both sides.
      await testRun("mount", ["--bind", test.folder, `${test.host.root}${test.folder}`]);
      const run = createRun({ namespaces: "chroot", hostRoot: test.host.root, log: test.log });
      test.restart(testRun, { host: { run, root: test.host.root, namespaces: "chroot" } });
      await test.node.stage(test.stageRequest(volume, { capability }));
      await test.node.publish(test.publishRequest(volume, { capability }));
      await test.node.expand({ volumeId: volume.volumeId, volumePath: volume.targetPath });
      await Deno.remove(`${test.folder}/state/volumes`, { recursive: true });
      await test.takeAway(volume);
    }));
}
