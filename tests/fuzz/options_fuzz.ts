/**
 * A fuzzer for the judges of options that reach root's tools: whatever they let pass is harmless by
 * oracles of their own, and real mkfs writes nothing but its image. Open-ended, until it is stopped
 * or finds a fault:
 *
 *     ./scripts/deno run -A tests/fuzz/options_fuzz.ts --seed 1 [--seconds 600]
 */
import { deepEqual, equal } from "node:assert/strict";
import { FILE_SYSTEMS, FS_TYPES, type FsType, mkfsArguments } from "../../src/file_systems.ts";
import { mkfsOptionsFault } from "../../src/options/mkfs_options.ts";
import {
  mountOptionsFault,
  refusedMountOption,
  splitMountOptions,
  unknownMountOptions,
} from "../../src/options/mount_options.ts";
import { ALLOWED_MOUNT_OPTIONS, type MountedType } from "../../src/options/mount_tables.ts";
import { MiB } from "../../src/size.ts";
import { joinWords, splitWords } from "../../src/words.ts";
import { labelsIn, mkfsHarm, mountHarm } from "./option_oracles.ts";
import { mkfsText, mkfsWords, mountElement } from "./option_texts.ts";
import { type FuzzOptions, runFuzzer } from "./fuzz_main.ts";
import { Random } from "./random.ts";

/**
 * How long one judgement may take: patterns must not go back and forth over a text. It counts when
 * it is exceeded three times in a row, because a busy machine exceeds it now and then.
 */
const JUDGE_MS_MAX = 200;
// The cast: TypeScript takes the keys of any object for strings.
const MOUNTED_TYPES = Object.keys(ALLOWED_MOUNT_OPTIONS) as MountedType[];
/** Of so many inputs that pass, one is given to the real mkfs. */
const REAL_EVERY = 200;
const IMAGE_BYTES: Record<FsType, number> = { xfs: 320 * MiB, ext4: 64 * MiB };
const UUID = "0a1b2c3d-0000-4000-8000-00000000000f";

/** How much a run saw. */
export interface FuzzCounts {
  mkfs: { judged: number; passed: number; real: number };
  mount: { judged: number; passed: number };
}

/** Runs until the time is over; throws at the first fault, which names the input and the seed. */
export async function fuzzOptions({ seed, seconds }: FuzzOptions): Promise<FuzzCounts> {
  const random = new Random(seed);
  const counts: FuzzCounts = {
    mkfs: { judged: 0, passed: 0, real: 0 },
    mount: { judged: 0, passed: 0 },
  };
  const end = seconds === undefined ? Infinity : performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const type = random.pick(FS_TYPES);
    const words = random.oneIn(2) ? mkfsWords(random, type) : splitWords(mkfsText(random, type));
    const elements = Array.from({ length: 1 + random.below(3) }, () => mountElement(random));
    try {
      judgeMount(elements, counts);
      const passed = timed(() => mkfsOptionsFault(type, words)) === undefined;
      counts.mkfs.judged++;
      if (!passed) continue;
      checkMkfs(type, words);
      if (counts.mkfs.passed++ % REAL_EVERY === 0) {
        await checkRealMkfs(type, words);
        counts.mkfs.real++;
      }
    } catch (error) {
      const input = JSON.stringify({ seed, type, words, elements });
      throw new Error(`input ${input}: ${(error as Error).message}`, { cause: error });
    }
  }
  return counts;
}

function timed<T>(judge: () => T): T {
  let took = 0;
  for (let left = 3; left > 0; left--) {
    const start = performance.now();
    const found = judge();
    took = performance.now() - start;
    if (took <= JUDGE_MS_MAX) return found;
  }
  throw new Error(`judged for ${Math.round(took)} ms`);
}

function checkMkfs(type: FsType, words: readonly string[]): void {
  const whole = mkfsArguments(type, { uuid: UUID, options: words, device: "image" });
  // Without the UUID, which no class may give, and without the device.
  const given = whole.slice(FILE_SYSTEMS[type].mkfsUuid(UUID).length, -2);
  for (const list of [words, given]) equal(mkfsHarm(type, list), undefined);
  deepEqual(labelsIn(type, given), labelsIn(type, words), "the label is what was asked for");
  deepEqual(splitWords(joinWords(words)), words, "a node reads what the controller read");
}

function judgeMount(elements: readonly string[], counts: FuzzCounts): void {
  const options = elements.flatMap(splitMountOptions);
  const isTaken = timed(() => refusedMountOption(options)) === undefined;
  counts.mount.judged++;
  if (isTaken) {
    counts.mount.passed++;
    equal(mountHarm(options.join(",")), undefined);
  }
  for (const type of MOUNTED_TYPES) {
    if (timed(() => mountOptionsFault(type, options)) !== undefined) continue;
    equal(isTaken, true, "a node takes what a class may ask for");
    deepEqual(unknownMountOptions(type, options), []);
  }
}

/** Real mkfs on an image: it may refuse the values, and touches nothing beside the image. */
async function checkRealMkfs(type: FsType, words: readonly string[]): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pso-fuzz-" });
  try {
    await Deno.writeTextFile(`${folder}/other`, "untouched");
    const image = `${folder}/image`;
    (await Deno.create(image)).close();
    await Deno.truncate(image, IMAGE_BYTES[type]);
    const { success } = await new Deno.Command(FILE_SYSTEMS[type].mkfsTool, {
      args: mkfsArguments(type, { uuid: UUID, options: words, device: "image" }),
      cwd: folder,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["image", "other"]);
    equal(await Deno.readTextFile(`${folder}/other`), "untouched");
    if (success) equal(await uuidOf(image), UUID, "mkfs made the file system that was asked for");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function uuidOf(image: string): Promise<string> {
  const args = ["-p", "-o", "value", "-s", "UUID", image];
  const { stdout } = await new Deno.Command("blkid", { args }).output();
  return new TextDecoder().decode(stdout).trim();
}

if (import.meta.main) await runFuzzer(fuzzOptions);
