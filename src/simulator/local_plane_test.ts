import assert from "node:assert/strict";
import { firstOf, TestClient, testFleet, testRun, withFleet } from "./fixture_test.ts";

const MiB = 1024 * 1024;

/** Writes `text` at `offset` of a file as a host with the volume attached would. */
async function write(path: string, text: string, offset = 0): Promise<void> {
  const file = await Deno.open(path, { write: true });
  await file.seek(offset, Deno.SeekMode.Start);
  await file.write(new TextEncoder().encode(text));
  await file.sync();
  file.close();
}

async function read(path: string, length: number): Promise<string> {
  const file = await Deno.open(path);
  const bytes = new Uint8Array(length);
  await file.read(bytes);
  file.close();
  return new TextDecoder().decode(bytes);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** Attaches the file as a loop device for as long as `work` runs. */
async function withLoop(path: string, work: (device: string) => Promise<void>): Promise<void> {
  const device = (await testRun("losetup", ["--find", "--show", path])).stdout.trim();
  try {
    await work(device);
  } finally {
    await testRun("losetup", ["-d", device]);
  }
}

Deno.test("connecting links the volume's image below the host by its LUN, disconnecting takes it away", async () => {
  await withFleet({}, async ({ array, root }) => {
    await array.ok("POST /volumes?names=v1,v2", { provisioned: 8 * MiB });
    await array.ok("POST /hosts?names=node-1");
    await array.ok("POST /connections?host_names=node-1&volume_names=v1,v2");
    const link = `${root}/hosts/node-1/1`;
    const [{ id }] = (await array.ok("GET /volumes?names=v1")).items;
    assert.equal(await Deno.realPath(link), await Deno.realPath(`${root}/images/${id}`));
    assert.equal((await Deno.stat(link)).size, 8 * MiB);
    assert.equal((await Deno.readLink(link)).startsWith("/"), false);
    await array.ok("DELETE /connections?host_names=node-1&volume_names=v1");
    assert.equal(await exists(link), false);
    assert.equal(await exists(`${root}/hosts/node-1/2`), true);
    await array.ok("PATCH /hosts?names=node-1", { name: "node-9" });
    assert.deepEqual(
      [await exists(`${root}/hosts/node-1`), await exists(`${root}/hosts/node-9/2`)],
      [false, true],
    );
  });
});

Deno.test("a connected volume is a real device that grows while it is attached", async () => {
  await withFleet({}, async ({ array, root }) => {
    await array.ok("POST /volumes?names=v1", { provisioned: 64 * MiB });
    await array.ok("POST /hosts?names=node-1");
    await array.ok("POST /connections?host_names=node-1&volume_names=v1");
    await withLoop(`${root}/hosts/node-1/1`, async (device) => {
      const size = async () => Number((await testRun("blockdev", ["--getsize64", device])).stdout);
      assert.equal(await size(), 64 * MiB);
      await testRun("mkfs.ext4", ["-q", device]);
      await array.ok("PATCH /volumes?names=v1", { provisioned: 96 * MiB });
      await testRun("losetup", ["-c", device]);
      assert.equal(await size(), 96 * MiB);
      assert.match(
        (await testRun("blkid", ["-p", "-o", "value", "-s", "TYPE", device])).stdout,
        /ext4/,
      );
    });
  });
});

Deno.test("space of volume and array follow the bytes that are really stored, and capacity is enforced by them", async () => {
  await withFleet({ capacityBytes: 4 * MiB }, async ({ array, root }) => {
    const [volume] = (await array.ok("POST /volumes?names=v1", { provisioned: 64 * MiB })).items;
    const space = async () => (await array.ok("GET /volumes?names=v1")).items[0].space;
    assert.equal((await space()).virtual, 0);
    await array.ok("POST /volumes?names=v2", { provisioned: 64 * MiB });
    await write(`${root}/images/${volume.id}`, "x".repeat(5 * MiB), MiB);
    assert.ok((await space()).virtual >= 5 * MiB);
    assert.ok((await array.ok("GET /arrays/space")).items[0].space.total_physical >= 5 * MiB);
    assert.match(await array.refused("POST /volumes?names=v3"), /^400 Insufficient space/);
    await array.ok("PATCH /volumes?names=v1", { destroyed: true });
    // Destroyed is still stored; only eradication gives the room back.
    assert.match(await array.refused("POST /volumes?names=v3"), /^400 Insufficient space/);
    await array.ok("DELETE /volumes?names=v1");
    await array.ok("POST /volumes?names=v3");
  });
});

Deno.test("snapshot, clone and overwrite hold the bytes of their time, and images go with what they belong to", async () => {
  await withFleet({}, async ({ array, root }) => {
    const image = async (name: string) =>
      `${root}/images/${(await array.ok(`GET /volumes?names=${name}`)).items[0].id}`;
    await array.ok("POST /volumes?names=v1", { provisioned: 8 * MiB });
    await write(await image("v1"), "first");
    await array.ok("POST /volume-snapshots?source_names=v1", { suffix: "s" });
    await write(await image("v1"), "later");
    await array.ok("POST /volumes?names=fromsnap", { source: { name: "v1.s" } });
    await array.ok("POST /volumes?names=fromvol", { source: { name: "v1" } });
    assert.deepEqual([
      await read(await image("fromsnap"), 5),
      await read(await image("fromvol"), 5),
    ], ["first", "later"]);
    assert.equal((await Deno.stat(await image("fromsnap"))).size, 8 * MiB);
    const inode = (await Deno.stat(await image("v1"))).ino;
    await array.ok("POST /volumes?names=v1&overwrite=true", { source: { name: "v1.s" } });
    assert.deepEqual([await read(await image("v1"), 5), (await Deno.stat(await image("v1"))).ino], [
      "first",
      inode,
    ]);
    const { blocks } = await Deno.stat(await image("fromsnap"));
    assert.ok(blocks !== null && blocks < 100, `holes stay holes: ${blocks} blocks`);
    await array.ok("PATCH /volumes?names=v1,fromsnap,fromvol", { destroyed: true });
    await array.ok("DELETE /volumes?names=v1,fromsnap,fromvol");
    assert.deepEqual([...Deno.readDirSync(`${root}/images`)], []);
  });
});

Deno.test("truncate makes the image smaller", async () => {
  await withFleet({}, async ({ array, root }) => {
    const [{ id }] = (await array.ok("POST /volumes?names=v1", { provisioned: 8 * MiB })).items;
    await array.ok("PATCH /volumes?names=v1&truncate=true", { provisioned: 2 * MiB });
    assert.equal((await Deno.stat(`${root}/images/${id}`)).size, 2 * MiB);
  });
});

Deno.test("a start after a crash removes images and links that the state does not know, and makes those that are missing", async () => {
  const stateDir = await Deno.makeTempDir();
  const first = await testFleet({ stateDir });
  const array = new TestClient(firstOf(first));
  await array.login();
  await array.ok("POST /volumes?names=v1", { provisioned: 8 * MiB });
  await array.ok("POST /hosts?names=node-1");
  await array.ok("POST /connections?host_names=node-1&volume_names=v1");
  const root = `${first.plane}/fa-1`;
  await first.stop();
  await Deno.writeTextFile(`${root}/images/stray`, "x");
  await Deno.writeTextFile(`${root}/images/stray.new`, "x");
  await Deno.mkdir(`${root}/hosts/node-2`);
  await Deno.symlink("../../images/stray", `${root}/hosts/node-2/1`);
  await Deno.remove(`${root}/hosts/node-1/1`);
  const second = await testFleet({ stateDir });
  assert.deepEqual([...Deno.readDirSync(`${root}/images`)].length, 1);
  assert.deepEqual([await exists(`${root}/hosts/node-2`), await exists(`${root}/hosts/node-1/1`)], [
    false,
    true,
  ]);
  array.close();
  await second.stop();
  await Deno.remove(`${root}/images`, { recursive: true });
  await assert.rejects(
    testFleet({ stateDir }),
    /image .* is missing, although the simulator's state knows it/,
  );
  await Deno.remove(stateDir, { recursive: true });
});
