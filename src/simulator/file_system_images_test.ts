import assert from "node:assert/strict";
import { FileSystemImages } from "./file_system_images.ts";
import { testRun } from "./fixture_test.ts";
import { LocalPlane } from "./local_plane.ts";
import { until } from "../async/wait.ts";

const MiB = 1024 * 1024;

/** Runs with a plane of its own and looks afterwards that no mount and no loop device stayed. */
async function withPlane(
  test: (images: FileSystemImages, plane: LocalPlane) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const plane = new LocalPlane(folder, { array: "fb-1", run: testRun });
  const images = new FileSystemImages(plane.images, testRun);
  try {
    await test(images, plane);
  } finally {
    await new FileSystemImages(plane.images, testRun).reconcile([]);
    const left = async () => {
      const loops = (await testRun("losetup", ["-n", "-O", "BACK-FILE"])).stdout;
      return (loops + (await testRun("findmnt", ["-n", "-o", "TARGET"])).stdout).includes(folder);
    };
    // A loop device goes a moment after its last mount when another process looks at it just then.
    await until(`nothing of ${folder} left on the host`, async () => !(await left()), {
      timeoutMs: 10_000,
    });
    await Deno.remove(folder, { recursive: true });
  }
}

/** Ids of what the host has mounted of this plane. */
async function mounted(plane: LocalPlane): Promise<string[]> {
  const { stdout } = await testRun("findmnt", ["-rn", "-o", "TARGET"]);
  const folder = `${await Deno.realPath(plane.root)}/fs/`;
  return stdout.split("\n").filter((target) => target.startsWith(folder)).map((target) =>
    target.slice(folder.length)
  ).sort();
}

async function sizeOf(path: string): Promise<number> {
  const { stdout } = await testRun("stat", ["-f", "-c", "%b %S", path]);
  const [blocks = 0, blockBytes = 0] = stdout.trim().split(" ").map(Number);
  return blocks * blockBytes;
}

Deno.test("a file system is mounted, grows online and refuses writes when it is full", async () => {
  await withPlane(async (images) => {
    await images.create("a", 16 * MiB);
    const path = images.mountPath("a");
    assert.deepEqual([...Deno.readDirSync(path)], []);
    const small = await sizeOf(path);
    assert.ok(small >= 16 * MiB && small <= 24 * MiB, `${small}`);
    await assert.rejects(Deno.writeFile(`${path}/big`, new Uint8Array(30 * MiB)), /No space left/);
    await images.grow("a", 64 * MiB);
    await images.grow("a", 64 * MiB);
    assert.ok(await sizeOf(path) > 60 * MiB);
    await Deno.writeFile(`${path}/big`, new Uint8Array(40 * MiB).fill(1));
    await images.grow("a", 8 * MiB);
    assert.ok(await sizeOf(path) > 60 * MiB, "grow() never makes it smaller");
  });
});

Deno.test("snapshot, clone and restore hold the files of their time", async () => {
  await withPlane(async (images) => {
    await images.create("a", 16 * MiB);
    const file = (id: string) => Deno.readTextFile(`${images.mountPath(id)}/f`);
    await Deno.writeTextFile(`${images.mountPath("a")}/f`, "first");
    await images.snapshot("a", "s");
    await Deno.writeTextFile(`${images.mountPath("a")}/f`, "later");
    await images.clone("s", "b");
    assert.deepEqual([await file("a"), await file("b")], ["later", "first"]);
    await images.restore("s", "a");
    assert.equal(await file("a"), "first");
  });
});

Deno.test("remove() takes a file system away even while a process has a file open in it", async () => {
  await withPlane(async (images, plane) => {
    await images.create("a", 16 * MiB);
    const open = await Deno.open(`${images.mountPath("a")}/f`, { create: true, write: true });
    await images.remove("a");
    await images.remove("a");
    assert.deepEqual([await mounted(plane), [...Deno.readDirSync(`${plane.root}/images`)]], [
      [],
      [],
    ]);
    open.close();
  });
});

Deno.test("reconcile() after a crash keeps mounts, mounts what is missing, thaws, and unmounts what is unknown", async () => {
  await withPlane(async (images, plane) => {
    for (const id of ["kept", "lost", "stray"]) await images.create(id, 16 * MiB);
    await Deno.writeTextFile(`${images.mountPath("kept")}/f`, "x");
    await images.unmount("lost");
    await testRun("fsfreeze", ["-f", images.mountPath("kept")]);
    // A crash between attaching an image and mounting it.
    await testRun("losetup", ["--find", plane.images.imagePath("lost")]);
    // What a new process has: the same folder and nothing in memory.
    const next = new FileSystemImages(plane.images, testRun);
    await next.reconcile(["kept", "lost"]);
    assert.deepEqual(await mounted(plane), ["kept", "lost"]);
    const attached = await testRun("losetup", [
      "-n",
      "-O",
      "NAME",
      "-j",
      plane.images.imagePath("lost"),
    ]);
    assert.equal(attached.stdout.trim().split("\n").length, 1, "one device, that of the mount");
    await Deno.writeTextFile(`${next.mountPath("kept")}/f`, "thawed");
    assert.equal(await Deno.readTextFile(`${next.mountPath("kept")}/f`), "thawed");
    await next.stop();
    assert.deepEqual(await mounted(plane), []);
  });
});

Deno.test("a file system that a node still holds is the same one after a start of the simulator: one loop device, thawed", async () => {
  await withPlane(async (images, plane) => {
    await images.create("a", 16 * MiB);
    const image = plane.images.imagePath("a");
    const devices = async () =>
      (await testRun("losetup", ["-n", "-O", "NAME", "-j", image])).stdout.trim().split("\n");
    const [device = ""] = await devices();
    const node = await Deno.makeTempDir();
    await testRun("mount", ["-t", "xfs", "-o", "nouuid", device, node]);
    try {
      await testRun("fsfreeze", ["-f", images.mountPath("a")]); // killed in the middle of a snapshot
      await images.stop();
      const next = new FileSystemImages(plane.images, testRun);
      await next.reconcile(["a"]);
      assert.deepEqual(await devices(), [device]);
      await Deno.writeTextFile(`${node}/f`, "by the node");
      assert.equal(await Deno.readTextFile(`${next.mountPath("a")}/f`), "by the node");
    } finally {
      await testRun("umount", [node]);
      await Deno.remove(node);
    }
  });
});

Deno.test("a file system mounts on a loop device that somebody marked read-only before", async () => {
  await withPlane(async (images) => {
    const { stdout } = await testRun("losetup", ["-f"]);
    await testRun("blockdev", ["--setro", stdout.trim()]);
    await images.create("a", 16 * MiB);
    await Deno.writeTextFile(`${images.mountPath("a")}/f`, "x");
    assert.equal(await Deno.readTextFile(`${images.mountPath("a")}/f`), "x");
  });
});
