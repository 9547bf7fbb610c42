/**
 * A fuzzer for what the tools of a host say: the parsers end with a value or an error of ours in
 * time, and a node whose tools lie, fail or say nonsense harms no mount of others, and gives all back
 * once they are right again. Open-ended, until it is stopped or finds a fault:
 *
 *     ./scripts/deno run -A tests/fuzz/tool_output_fuzz.ts --seed 1 [--seconds 600]
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { isPsoError } from "../../src/errors.ts";
import { parseVersion } from "../../src/host/check/equipment_check.ts";
import { parseMultipathConfig } from "../../src/host/check/multipath_settings.ts";
import { toolFailure } from "../../src/host/tools/command.ts";
import { parseUse, parseXfsGeometry } from "../../src/host/filesystem.ts";
import type { Host } from "../../src/host/host.ts";
import { parseLosetup } from "../../src/host/loop.ts";
import { parseMountinfo } from "../../src/host/mountinfo.ts";
import { parseAddress } from "../../src/host/nvme.ts";
import { parseAddresses } from "../../src/node/identity.ts";
import type { NodePlugin } from "../../src/node/node_plugin.ts";
import type { Run } from "../../src/run.ts";
import { FakeHost } from "../support/fake_host.ts";
import { BLOCK_BEDS } from "../support/protocol_beds.ts";
import { withTestClock } from "../support/test_clock.ts";
import { DEBIANS, Transcripts } from "../support/test_host.ts";
import { BLOCK_CAPABILITY } from "../support/test_node.ts";
import { type FuzzOptions, runFuzzer } from "./fuzz_main.ts";
import { Random } from "./random.ts";

/** Longer than any parser needs for the longest text here, on a busy machine. */
const PARSE_MS_MAX = 1_000;
/** By the clock of the test. */
const DEADLINE_MS = 60_000;
/** By the clock outside. */
const HANG_MS = 15_000;
const LIES_ONCE_IN = 5;
const FOREIGN = "/data";

const PARSERS: Record<string, (text: string) => unknown> = {
  parseMountinfo,
  parseAddresses,
  parseAddress,
  parseLosetup,
  parseUse,
  parseXfsGeometry,
  parseVersion,
  parseMultipathConfig,
};

const SEEDS = [
  "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro",
  "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - nfs4 192.0.2.1:/fs rw,vers=4.1",
  '[{"ifname":"eth0","addr_info":[{"family":"inet","local":"192.0.2.1","scope":"global"}]}]',
  '{"loopdevices":[{"name":"/dev/loop0","back-file":"/a","back-ino":7,"back-maj:min":"8:1"}]}',
  "traddr=192.0.2.1,trsvcid=4420,host_traddr=192.0.2.9",
  "4096 100 50 50 10 5",
  "defaults {\n  user_friendly_names yes\n}\n",
];
const PIECES = [
  "",
  "\0",
  "\n",
  " - ",
  "null",
  "{}",
  "[]",
  '"',
  "\\777",
  "-1",
  "1e999",
  "NaN",
  "9".repeat(400),
  "{".repeat(2000),
  "=,".repeat(500),
  "\u{10ffff}",
];

/** Texts of real tools, spoilt. */
class ToolTexts {
  readonly #random: Random;
  readonly #real: readonly string[];

  constructor(random: Random, real: readonly string[]) {
    this.#random = random;
    this.#real = real;
  }

  next(): string {
    const random = this.#random;
    let text = random.pick(this.#real);
    for (let times = random.below(4); times > 0; times--) text = this.#spoilt(text);
    return text;
  }

  #spoilt(text: string): string {
    const random = this.#random;
    const at = random.below(text.length + 1);
    const end = Math.min(text.length, at + random.below(20));
    switch (random.below(4)) {
      case 0:
        return text.slice(0, at);
      case 1:
        return text.slice(0, at) + text.slice(at, end).repeat(random.below(200)) + text.slice(end);
      case 2:
        return text.slice(0, at) + random.pick(PIECES) + text.slice(at);
      default:
        return text.slice(0, at) + random.pick(PIECES) + text.slice(end);
    }
  }
}

function checkParsers(text: string): void {
  for (const [name, parse] of Object.entries(PARSERS)) {
    const start = performance.now();
    try {
      parse(text);
    } catch (error) {
      // A SyntaxError is what parseLosetup() promises for text that is no JSON.
      const isOurs = isPsoError(error) || name === "parseLosetup" && error instanceof SyntaxError;
      ok(isOurs, `${name}(${JSON.stringify(text.slice(0, 300))}): ${String(error)}`);
    }
    const took = performance.now() - start;
    ok(took < PARSE_MS_MAX, `${name} took ${took} ms for ${text.length} characters`);
  }
}

/** The tools of a host, some of which say something else than they did. */
function lying({ host, texts, random }: { host: Host; texts: ToolTexts; random: Random }): Run {
  return async (tool, args, options = {}) => {
    const isLate = random.oneIn(2);
    if (!random.oneIn(LIES_ONCE_IN)) return await host.run(tool, args, options);
    // Half of the lies come after the tool has done its work, half in its place.
    if (isLate) await host.run(tool, args, options);
    const code = random.pick([0, 0, 1, 2, 15, 21, 32, 127, 255]);
    const stdout = random.oneIn(4) ? "" : texts.next();
    const result = { code, stdout, stderr: random.oneIn(2) ? "" : texts.next() };
    if ((options.okCodes ?? [0]).includes(code)) return result;
    const shown = [tool, ...args].join(" ");
    throw toolFailure({ tool, shown, result, secrets: [], namespaces: host.namespaces });
  };
}

const VOLUME = { volumeId: "v1", stagingPath: "/stage/1", targetPath: "/pods/1/raw" };

/** Of the clock outside: withTestClock() puts another one in its place. */
const { setTimeout: realTimeout, clearTimeout: clearRealTimeout } = globalThis;

/** Runs one step to its end, whatever it ends with; throws for what is no error of ours. */
async function inTime(name: string, step: (signal: AbortSignal) => Promise<unknown>) {
  const caller = new AbortController();
  const deadline = setTimeout(() => caller.abort(), DEADLINE_MS);
  const { promise: hang, reject } = Promise.withResolvers<never>();
  const timer = realTimeout(() => reject(new Error(`${name} did not end`)), HANG_MS);
  try {
    await Promise.race([step(caller.signal), hang]);
  } catch (error) {
    ok(isPsoError(error), `${name}: ${error instanceof Error ? error.stack : error}`);
  } finally {
    clearRealTimeout(timer);
    clearTimeout(deadline);
  }
}

/** Steps of a volume's life in any order; errors are ours, and every step ends. */
async function liveWithLies(
  node: NodePlugin,
  { fake, random }: { fake: FakeHost; random: Random },
) {
  const attachment = BLOCK_BEDS.iscsi(fake).attachment(1);
  const capability = BLOCK_CAPABILITY;
  const steps: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
    stage: (signal) => node.stage({ ...VOLUME, attachment, capability, volumeContext: {} }, signal),
    publish: (signal) =>
      node.publish({ ...VOLUME, attachment, capability, readOnly: false }, signal),
    expand: (signal) => node.expand({ ...VOLUME, volumePath: VOLUME.targetPath }, signal),
    stats: (signal) => node.stats({ ...VOLUME, volumePath: VOLUME.targetPath }, signal),
    unpublish: (signal) => node.unpublish(VOLUME, signal),
    unstage: (signal) => node.unstage(VOLUME, signal),
    identity: () => node.identity(),
  };
  for (let left = 8; left > 0; left--) {
    const name = random.pick(Object.keys(steps));
    const step = steps[name];
    ok(step);
    await inTime(name, (signal) => step(signal));
    const targets = parseMountinfo(fake.read("/proc/1/mountinfo")).map(({ target }) => target);
    ok(targets.includes(FOREIGN), `${name} took a foreign mount away`);
  }
}

async function round(fake: FakeHost, { random, texts }: { random: Random; texts: ToolTexts }) {
  BLOCK_BEDS.iscsi(fake).publish(1);
  fake.write("/sys/dev/block/8:200/uevent", "DEVNAME=sdz1");
  fake.mount(FOREIGN, { number: "8:200", type: "ext4", source: "/dev/sdz1" });
  const { host } = fake;
  const liar = fake.plugin({ host: { ...host, run: lying({ host, texts, random }) } });
  await withTestClock(() => liveWithLies(liar, { fake, random }));
  // The tools say what is right again, and the CO takes all back.
  const node = fake.plugin();
  await node.unpublish(VOLUME);
  await node.unstage(VOLUME);
  const left = parseMountinfo(fake.read("/proc/1/mountinfo")).map(({ target }) => target);
  deepEqual(left, [FOREIGN], "mounts are left");
  equal(await node.stagedVolumes(), 0, "a record is left");
}

/** How much a run saw. */
export interface ToolCounts {
  texts: number;
  rounds: number;
}

/** Runs until the time is over; throws at the first fault, which names the seed. */
export async function fuzzToolOutput({ seed, seconds }: FuzzOptions): Promise<ToolCounts> {
  const real = [...SEEDS];
  for (const debian of DEBIANS) {
    const transcripts = await Transcripts.of(debian);
    for (const name of transcripts.names()) {
      const { stdout, stderr } = transcripts.result(name);
      real.push(stdout, stderr);
    }
  }
  const counts: ToolCounts = { texts: 0, rounds: 0 };
  const end = seconds === undefined ? Infinity : performance.now() + seconds * 1000;
  for (let number = seed; performance.now() < end; number++) {
    const random = new Random(number);
    const texts = new ToolTexts(random, real);
    try {
      for (let left = 200; left > 0; left--, counts.texts++) checkParsers(texts.next());
      await FakeHost.use((fake) => round(fake, { random, texts }));
      counts.rounds++;
    } catch (error) {
      throw new Error(`seed ${number}: ${(error as Error).message}`, { cause: error });
    }
  }
  return counts;
}

if (import.meta.main) await runFuzzer(fuzzToolOutput);
