/**
 * A fuzzer for the messages of the controller's calls, over real clients and simulated arrays:
 * every call ends in time with a code that is no INTERNAL, holds no lock, and neither its status nor
 * any line of the log shows a secret. Open-ended, until it is stopped or finds a fault:
 *
 *     ./scripts/deno run -A tests/fuzz/messages_fuzz.ts --seed 1 [--seconds 600]
 */
import { equal, notEqual, ok } from "node:assert/strict";
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { parseArgs } from "@std/cli/parse-args";
import { KeyedLock } from "../../src/async/keyed_lock.ts";
import { controllerService } from "../../src/csi/controller_service.ts";
import { Controller } from "../../src/csi/generated/csi_pb.ts";
import { answer, callSamples } from "../../src/csi/unary.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { createLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { N1, N2, ProvisionerBed } from "../flow/provisioner_bed.ts";
import { type RandomRequest, randomRequest, type Vocabulary } from "./message_texts.ts";
import { Random } from "./random.ts";

/** A call's deadline; it must not take much longer. */
const CALL_MS = 2_000;
const LATE_MS = 10_000;
const CANARY = "canary-of-a-password";

/** How many calls a run saw, by the name of their code. */
export type MessageCounts = Record<string, number>;

interface FuzzOptions {
  seed: number;
  /** Absent: for ever. */
  seconds?: number;
}

/** Runs until the time is over; throws at the first fault, which names the input and the seed. */
export async function fuzzMessages(options: FuzzOptions): Promise<MessageCounts> {
  const counts: MessageCounts = {};
  await ProvisionerBed.run(
    { flasharrays: 1, flashblades: 1 },
    (bed) => new MessageFuzzer(bed, counts).run(options),
  );
  return counts;
}

/** Calls of one controller, one after the other: what they make and destroy is theirs. */
class MessageFuzzer {
  readonly #rows;
  readonly #locks = new KeyedLock();
  readonly #samples = callSamples(new Metrics());
  readonly #methods: DescMethodUnary[];
  readonly #vocabulary: Vocabulary;
  readonly #counts: MessageCounts;

  constructor(bed: ProvisionerBed, counts: MessageCounts) {
    this.#counts = counts;
    this.#rows = controllerService({ provisioner: () => bed.provisioner, topology: true });
    const served = new Set(this.#rows.map(({ name }) => name));
    this.#methods = Controller.methods.filter((method) =>
      method.methodKind === "unary" && served.has(method.name)
    ) as DescMethodUnary[];
    const hints = bed.fleet.members.map(({ id = "" }) => id.replaceAll("-", "").slice(0, 8));
    const names = ["pvc-1", "pvc-2", "k8s-pvc-1", "k8s-pvc-2", "k8s-pvc-1.snapshot-1"];
    this.#vocabulary = {
      words: [
        ...names,
        "snapshot-1",
        ...hints.flatMap((hint) => names.map((name) => `${hint}/${name}`)),
        encodeNodeId(N1),
        encodeNodeId(N2),
      ],
      canary: CANARY,
    };
  }

  async run({ seed, seconds }: FuzzOptions): Promise<void> {
    const random = new Random(seed);
    const end = seconds === undefined ? Infinity : performance.now() + seconds * 1000;
    while (performance.now() < end) {
      const method = random.pick(this.#methods);
      const request = randomRequest(random, method, this.#vocabulary);
      try {
        await this.#call(method.name, request);
      } catch (error) {
        const input = JSON.stringify({ seed, method: method.name, bytes: request.bytes.toHex() });
        throw new Error(`input ${input}: ${(error as Error).message}`, { cause: error });
      }
    }
  }

  async #call(name: string, { bytes, isBent }: RandomRequest): Promise<void> {
    const row = this.#rows.find((one) => one.name === name);
    if (!row) throw new Error(`BUG: ${name} has no row`);
    const lines: string[] = [];
    const start = performance.now();
    const outcome = await answer(row, { bytes, signal: AbortSignal.timeout(CALL_MS) }, {
      log: createLogger({ level: "debug", write: (line) => lines.push(line) }),
      locks: this.#locks,
      samples: this.#samples,
      driverName: "pure-csi",
    });
    ok(performance.now() - start < LATE_MS, "the call outlived its deadline");
    const said = "status" in outcome ? outcome.status.message : "";
    const code = "status" in outcome ? outcome.status.code : status.OK;
    this.#counts[status[code]] = (this.#counts[status[code]] ?? 0) + 1;
    notEqual(code, status.INTERNAL, lines.join("").slice(-2000));
    equal(this.#locks.size, 0, "a lock is left");
    ok(isBent || !`${said}${lines.join("")}`.includes(CANARY), "a secret was told");
  }
}

if (import.meta.main) {
  const flags = parseArgs(Deno.args, { string: ["seed", "seconds"] });
  const seed = Number(flags.seed ?? Date.now() % 1_000_000);
  const seconds = flags.seconds === undefined ? undefined : Number(flags.seconds);
  const say = (line: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
  say(`seed ${seed}, ${seconds === undefined ? "until it is stopped" : `${seconds} s`}`);
  say(JSON.stringify(await fuzzMessages({ seed, seconds })));
}
