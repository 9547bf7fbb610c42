import assert from "node:assert/strict";
import { PsoError } from "../../errors.ts";
import { MiB } from "../../size.ts";
import {
  checksumOf,
  failureOf,
  mountCapability,
  realRun,
  TestNode,
  testRun,
  type TestVolume,
  VOLUME_BYTES,
} from "../../../tests/support/test_node.ts";

async function writeAt(image: string, offset: number, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(image, { write: true });
  await file.seek(offset, Deno.SeekMode.Start);
  await file.write(bytes);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

async function wipeHead(image: string, lengthBytes: number): Promise<void> {
  await writeAt(image, 0, new Uint8Array(lengthBytes));
}

const LVM_LABEL = "LABELONE\x01\0\0\0\0\0\0\0";
const MD_MAGIC = new Uint8Array([0xfc, 0x4e, 0x2b, 0xa9]);

/**
 * What may be on a volume that was never meant to be formatted, and what the refusal must say about
 * it.
 */
const SMALL = 64 * MiB;
const REMAINS: {
  name: string;
  sizeBytes?: number;
  put: (volume: TestVolume) => Promise<unknown>;
  found: string;
}[] = [
  {
    name: "an old ext4 whose first MiB was wiped",
    sizeBytes: VOLUME_BYTES,
    put: async ({ image }) => {
      await testRun("mkfs.ext4", ["-q", "-b", "4096", image]);
      await wipeHead(image, MiB);
    },
    found: "found ext2/ext3/ext4 backup superblock at byte 134217728",
  },
  {
    name: "an old ext4 with 1 KiB blocks whose first MiB was wiped",
    put: async ({ image }) => {
      await testRun("mkfs.ext4", ["-q", "-b", "1024", image]);
      await wipeHead(image, MiB);
    },
    found: "found ext2/ext3/ext4 backup superblock at byte 8389632",
  },
  {
    name: "an old xfs whose first MiB was wiped",
    sizeBytes: VOLUME_BYTES,
    put: async ({ image }) => {
      await testRun("mkfs.xfs", ["-q", image]);
      await wipeHead(image, MiB);
    },
    found: "found xfs secondary superblock at byte 83886080",
  },
  {
    name: "an LVM label",
    put: ({ image }) => writeAt(image, 512, text(LVM_LABEL)),
    found: "found LVM label at byte 512",
  },
  {
    name: "a GPT",
    put: ({ image }) => writeAt(image, 512, text("EFI PART")),
    found: "found GPT partition table at byte 512",
  },
  {
    name: "a GPT of which only the backup is left",
    put: ({ image }) => writeAt(image, SMALL - 512, text("EFI PART")),
    found: `found GPT backup partition table at byte ${SMALL - 512}`,
  },
  {
    name: "an MD RAID superblock at the end",
    put: ({ image }) => writeAt(image, SMALL - 64 * 1024, MD_MAGIC),
    found: `found MD RAID superblock 0.90 at byte ${SMALL - 64 * 1024}`,
  },
  {
    name: "a LUKS header",
    put: ({ image }) => writeAt(image, 0, new Uint8Array([0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe])),
    found: "found LUKS header at byte 0",
  },
  {
    name: "swap",
    put: ({ image }) => testRun("mkswap", [image]),
    found: "found swap header at byte 4086",
  },
  {
    name: "data only in the last MiB",
    put: ({ image }) => writeAt(image, SMALL - MiB + 4711, text("x")),
    found: `found data at byte ${SMALL - MiB + 4711}`,
  },
];

for (const { name, put, found, sizeBytes = SMALL } of REMAINS) {
  Deno.test(`stage never formats over ${name}`, () =>
    TestNode.use(async (test) => {
      // Once with dd, as nodes read: a proof on a whole volume, with copies of superblocks.
      if (sizeBytes === VOLUME_BYTES) test.restart(realRun);
      const volume = await test.volume(sizeBytes);
      await put(volume);
      const before = await checksumOf(volume.image);
      const error = await failureOf(
        test.node.stage(
          test.stageRequest(volume, {
            capability: mountCapability(sizeBytes === SMALL ? "ext4" : "xfs"),
          }),
        ),
      );
      assert.equal(error.code, "in_use");
      assert.ok(
        error.message.includes(
          `volume ${volume.volumeId} is not formatted with ${
            sizeBytes === SMALL ? "ext4" : "xfs"
          } because it does not prove blank: ${found}. `,
        ),
        error.message,
      );
      assert.equal(await checksumOf(volume.image), before);
      assert.deepEqual(await test.leftovers(), [], "a refused stage leaves nothing");
    }));
}

Deno.test("stage never formats a volume with another file system and says which class parameter fits", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await testRun("mkfs.ext4", ["-q", volume.image]);
    const error = await failureOf(test.node.stage(test.stageRequest(volume)));
    assert.equal(error.code, "conflict");
    assert.match(
      error.message,
      /holds ext4 and its class asks for xfs: data is never formatted over; set csi.storage.k8s.io\/fstype to ext4$/,
    );
    await test.node.stage(test.stageRequest(volume, { capability: mountCapability("ext4") }));
    await test.node.unstage(volume);
  }));

Deno.test("stage never formats a blank-looking clone or anything else that the array has seen a write to", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    const attachment = { ...volume.attachment, everWritten: true };
    const error = await failureOf(test.node.stage(test.stageRequest(volume, { attachment })));
    assert.equal(error.code, "in_use");
    assert.match(
      error.message,
      /found no file system, although the array says that data was written to it/,
    );
  }));

Deno.test("stage never formats a device whose size is off by 512 bytes", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume(VOLUME_BYTES + 512);
    const larger = await failureOf(
      test.node.stage(
        test.stageRequest(volume, {
          attachment: { ...volume.attachment, sizeBytes: VOLUME_BYTES },
        }),
      ),
    );
    assert.equal(larger.code, "in_use");
    assert.match(
      larger.message,
      new RegExp(
        `found a size of ${VOLUME_BYTES + 512} bytes where the array said ${VOLUME_BYTES}`,
      ),
    );
    const attachment = { ...volume.attachment, sizeBytes: VOLUME_BYTES + 1024 };
    const smaller = await failureOf(test.node.stage(test.stageRequest(volume, { attachment })));
    assert.equal(smaller.code, "unavailable");
    assert.match(
      smaller.message,
      new RegExp(`has ${VOLUME_BYTES + 512} bytes where the array said ${VOLUME_BYTES + 1024}`),
    );
  }));

Deno.test("stage never formats when the image was cut short below a device of the declared size", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    let cut = false;
    test.restart(async (tool, args, options) => {
      // After the device was attached: reads beyond the cut now fail or fall short, while its size
      // still says otherwise.
      if (tool === "blockdev" && args[0] === "--flushbufs") {
        await Deno.truncate(volume.image, 200 * MiB);
        cut = true;
      }
      return await testRun(tool, args, options);
    });
    const error = await failureOf(test.node.stage(test.stageRequest(volume)));
    assert.ok(cut);
    assert.equal(error.code, "in_use");
    assert.match(
      error.message,
      /found what cannot be read: .*(Input\/output error at byte \d+|a short read)/,
    );
    assert.equal(
      (await testRun("blkid", ["-p", volume.image], { okCodes: [0, 2] })).code,
      2,
      "something was written",
    );
  }));

Deno.test("stage refuses a blank volume that may only be read", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    const capability = mountCapability("xfs", "multi-node-reader-only");
    const error = await failureOf(test.node.stage(test.stageRequest(volume, { capability })));
    assert.equal(error.code, "unsupported");
  }));

/** How the format of the only record on this node's disk stands. */
async function formatOnDisk({ folder }: TestNode): Promise<string | undefined> {
  const [file] = await Array.fromAsync(Deno.readDir(`${folder}/state/volumes`));
  const text = await Deno.readTextFile(`${folder}/state/volumes/${file?.name}`);
  return JSON.parse(text).record.format?.state;
}

Deno.test("a format that a crash kept from being noted is noted before anything is mounted: later remains of it are nobody's to format", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    for (
      const { killed, noted } of [
        { killed: "mkfs.xfs", noted: "started" },
        { killed: "mount", noted: "finished" },
      ]
    ) {
      const died = Promise.withResolvers<void>();
      test.restart(async (tool, args, options) => {
        if (tool !== killed) return await testRun(tool, args, options);
        if (tool === "mkfs.xfs") await testRun(tool, args, options);
        died.resolve();
        return await new Promise<never>(() => {}); // SIGKILL: no code of the process runs on
      });
      void test.node.stage(test.stageRequest(volume));
      await died.promise;
      assert.equal(await formatOnDisk(test), noted, `killed at ${killed}`);
    }
    test.restart();
    await test.node.stage(test.stageRequest(volume));
    await test.node.unstage(volume);
  }));

Deno.test("an unfinished xfs of another node is refused, and one that this node's own record tells of is finished", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    const attachment = { ...volume.attachment, everWritten: true }; // the interrupted mkfs wrote
    test.restart(async (tool, args, options) => {
      const result = await testRun(tool, args, options);
      if (tool === "mkfs.xfs") {
        // sb_inprogress, as while mkfs.xfs works
        await writeAt(volume.image, 126, new Uint8Array([1]));
        await testRun("blockdev", ["--flushbufs", args.at(-1) ?? ""]);
      }
      return result;
    });
    assert.match(
      (await failureOf(test.node.stage(test.stageRequest(volume)))).message,
      /reported success, but .* holds xfs/,
    );
    const record = `${test.folder}/state/volumes`;
    await Deno.rename(record, `${record}-kept`);
    test.restart();
    const foreign = await failureOf(test.node.stage(test.stageRequest(volume, { attachment })));
    assert.match(foreign.message, /found a xfs file system that is not finished/);
    await Deno.rename(`${record}-kept`, record);
    await test.node.unstage(volume); // must not forget the format
    // Ended after wipefs and before mkfs:
    test.restart((tool, args, options) =>
      tool === "mkfs.xfs"
        ? Promise.reject(new PsoError("timeout", "too late"))
        : testRun(tool, args, options)
    );
    assert.equal(
      (await failureOf(test.node.stage(test.stageRequest(volume, { attachment })))).code,
      "timeout",
    );
    test.restart();
    await test.node.stage(test.stageRequest(volume, { attachment }));
    await test.node.unstage(volume);
  }));
