/**
 * A storm of identical and contradicting calls of the CSI controller service, by the same few names:
 * many at once, some past their deadline in the middle, over simulated arrays that lose, refuse and
 * delay. Every call ends with a code of the specification; no name has two volumes, no volume of one
 * writer two nodes; what was answered OK holds; no lock or permit is left; and all can be taken away
 * again. Open-ended, until it is stopped or finds a fault:
 *
 *     ./scripts/deno run -A tests/fuzz/storm_fuzz.ts --seed 1 [--seconds 600]
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { create, type DescMethodUnary, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { pause } from "../../src/async/wait.ts";
import { controllerService } from "../../src/csi/controller_service.ts";
import {
  Controller,
  type CreateSnapshotResponseSchema,
  type CreateVolumeResponseSchema,
} from "../../src/csi/generated/csi_pb.ts";
import { encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { hostNameFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import { N1, N2, ProvisionerBed } from "../flow/provisioner_bed.ts";
import { BLOCK, WRITER } from "../support/rpc_rows.ts";
import { type FuzzOptions, runFuzzer } from "./fuzz_main.ts";
import { Random } from "./random.ts";
import { openFiles, RpcCaller } from "./rpc_caller.ts";
import { brokenPromises, type FoundVolume, type StormCall, type What } from "./storm_history.ts";

const CLIENTS = 12;
const CALLS_PER_CLIENT = 10;
const STORMS_PER_ROUND = 4;
const DEADLINE_MS = 5_000;
const QUIET_MS = 2_000;

/** The codes of the CSI specification, and those of gRPC for a call that did not end. */
const CODES: number[] = [
  status.OK,
  status.CANCELLED,
  status.INVALID_ARGUMENT,
  status.DEADLINE_EXCEEDED,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.RESOURCE_EXHAUSTED,
  status.FAILED_PRECONDITION,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
];

const WHATS: What[] = [
  ...["create", "create", "create", "publish", "publish", "publish"] as const,
  ...["unpublish", "expand", "snapshot", "deleteSnapshot", "delete"] as const,
];
const NODES = [N1, N2];
const FAULTS = [
  { action: "drop-before" },
  { action: "drop-after" },
  { action: "drop-after", match: { method: "POST" } },
  { action: "drop-after", match: { method: "DELETE" } },
  { action: "drop-after", match: { method: "PATCH" } },
  { action: "status", value: 503 },
  { action: "status", value: 429 },
  { action: "delay", value: 15 },
  { action: "delay", value: 60 },
  // The change takes effect after its caller has gone away.
  { action: "delay", value: 80, match: { method: "POST" } },
  { action: "delay", value: 80, match: { method: "PATCH" } },
];

/** One storm: what its clients share. */
class Storm {
  readonly calls: StormCall[] = [];
  /** Handles that an OK create has given, by the volume's name. */
  readonly ids = new Map<string, Set<string>>();
  /** What the last call was told. */
  said = "";
  #isQuiet = false;
  #clock = 0;
  readonly #rows;

  constructor(
    readonly bed: ProvisionerBed,
    readonly caller: RpcCaller,
    readonly random: Random,
    readonly names: string[],
  ) {
    this.#rows = controllerService({ provisioner: () => bed.provisioner, topology: () => false });
  }

  /** Calls by the clients one beside another, while arrays fail. */
  async rage(): Promise<void> {
    const clients = Array.from({ length: CLIENTS }, async () => {
      for (let left = CALLS_PER_CLIENT; left > 0; left--) {
        if (this.random.oneIn(10)) {
          await this.bed.fault({ ...this.random.pick(FAULTS), times: 1 + this.random.below(3) });
        }
        const deadlineMs = this.random.oneIn(3) ? this.random.below(40) : DEADLINE_MS;
        await this.any(deadlineMs);
        if (this.random.oneIn(2)) await pause(this.random.below(12));
      }
    });
    await Promise.all(clients);
    await this.bed.healFaults();
    this.#isQuiet = true;
  }

  /** A call that the seed chooses, with parameters that contradict those of others. */
  async any(deadlineMs: number): Promise<void> {
    const { random } = this;
    const what = random.pick(WHATS);
    const name = random.pick(this.names);
    if (what === "create") return void await this.create(name, deadlineMs);
    const id = this.handle(name);
    if (id === undefined) return void await this.create(name, deadlineMs);
    await this.change({ what, name, id }, deadlineMs);
  }

  /** A handle of the name, now and then one that names another array. */
  handle(name: string): string | undefined {
    const own = [...this.ids.get(name) ?? []];
    if (own.length === 0) return undefined;
    if (!this.random.oneIn(10)) return this.random.pick(own);
    const arrays = [...this.ids.values()].flatMap((ids) => [...ids].map((id) => id.split("/")[0]));
    return `${this.random.pick(arrays)}/${this.random.pick(own).split("/")[1]}`;
  }

  async create(name: string, deadlineMs: number): Promise<number> {
    const { random } = this;
    const bytes = (1 + random.below(3)) * GiB;
    const isExact = random.oneIn(3);
    const backend = random.oneIn(4) ? "file" : "block";
    const answer = await this.#send(
      Controller.method.createVolume,
      {
        name,
        capacityRange: { requiredBytes: BigInt(bytes), limitBytes: BigInt(isExact ? bytes : 0) },
        volumeCapabilities: [random.oneIn(4) ? BLOCK : WRITER],
        parameters: { backend },
      },
      { what: "create", name, bytes },
      {
        deadlineMs,
        learn: (response: MessageShape<typeof CreateVolumeResponseSchema>, call) => {
          call.id = response.volume?.volumeId;
          if (call.id !== undefined) {
            this.ids.set(name, (this.ids.get(name) ?? new Set()).add(call.id));
          }
        },
      },
    );
    return answer;
  }

  /** Every other call, of a volume that was made. */
  async change(
    { what, name, id }: { what: What; name: string; id: string },
    deadlineMs: number,
    node: NodeIdentity | "all" = this.random.oneIn(8) ? "all" : this.random.pick(NODES),
  ): Promise<number> {
    const { random } = this;
    const { method } = Controller;
    const call = { what, name, id };
    const timing = { deadlineMs };
    const suffix = `snapshot-${random.below(2)}`;
    switch (what) {
      case "publish": {
        const one = node === "all" ? N1 : node;
        return await this.#send(
          method.controllerPublishVolume,
          {
            volumeId: id,
            nodeId: encodeNodeId(one),
            volumeCapability: random.oneIn(4) && !this.#isQuiet ? BLOCK : WRITER,
            readonly: random.oneIn(6) && !this.#isQuiet,
          },
          { ...call, host: this.hostOf(id, one) },
          timing,
        );
      }
      case "unpublish":
        return await this.#send(
          method.controllerUnpublishVolume,
          {
            volumeId: id,
            nodeId: node === "all" ? "" : encodeNodeId(node),
          },
          { ...call, host: node === "all" ? undefined : this.hostOf(id, node) },
          timing,
        );
      case "expand": {
        const bytes = (1 + random.below(4)) * GiB;
        const capacityRange = { requiredBytes: BigInt(bytes) };
        const message = { volumeId: id, capacityRange };
        return await this.#send(method.controllerExpandVolume, message, { ...call, bytes }, timing);
      }
      case "snapshot":
        return await this.#send(
          method.createSnapshot,
          {
            name: `${suffix}-${random.oneIn(4) ? this.names[0] : name}`,
            sourceVolumeId: id,
          },
          call,
          {
            deadlineMs,
            learn: ({ snapshot }: MessageShape<typeof CreateSnapshotResponseSchema>, made) => {
              made.snapshot = snapshot?.snapshotId;
            },
          },
        );
      case "deleteSnapshot": {
        const made = this.calls.flatMap((one) => one.id === id ? one.snapshot ?? [] : []);
        const snapshotId = made.length === 0 ? `${id}.none` : random.pick(made);
        const message = { snapshotId };
        return await this.#send(
          method.deleteSnapshot,
          message,
          { ...call, snapshot: snapshotId },
          timing,
        );
      }
      default:
        return await this.#send(method.deleteVolume, { volumeId: id }, call, timing);
    }
  }

  /** How the volume's array names a node that the volume is connected to. */
  hostOf(id: string, node: NodeIdentity): string {
    const isFile = this.bed.fleet.members.some(({ array, status }) =>
      array.kind === "file" && status?.id.startsWith(id.split("/")[0] ?? "")
    );
    return isFile ? node.addresses[0] ?? "" : hostNameFor(node.name);
  }

  async #send<Request extends DescMethodUnary["input"], Response extends DescMethodUnary["output"]>(
    desc: DescMethodUnary<Request, Response>,
    message: MessageInitShape<Request>,
    call: Omit<StormCall, "code" | "begun" | "ended">,
    { deadlineMs, learn }: {
      deadlineMs: number;
      learn?: (response: MessageShape<Response>, call: StormCall) => void;
    },
  ): Promise<number> {
    const row = this.#rows.find(({ name }) => name === desc.name);
    ok(row);
    const begun = ++this.#clock;
    const sent = toBinary(desc.input, create(desc.input, message));
    const { code, message: said, bytes } = await this.caller.call(row, sent, deadlineMs);
    this.said = `${status[code]}: ${said}`;
    ok(CODES.includes(code), `${desc.name} ended with ${status[code]}: ${said}`);
    const ended: StormCall = { ...call, code, begun, ended: ++this.#clock };
    if (bytes) learn?.(fromBinary(desc.output, bytes), ended);
    this.calls.push(ended);
    return code;
  }
}

/** Every live volume of the storm's names, by its handle, read from the arrays. */
async function readArrays(bed: ProvisionerBed): Promise<Map<string, FoundVolume>> {
  const found = new Map<string, FoundVolume>();
  for (const { array, status } of bed.fleet.members) {
    const { items } = await array.listVolumes({ limit: 500, hosts: true }, bed.signal);
    for (const { name, sizeBytes, hosts = [] } of items) {
      const id = `${status?.id.slice(0, 8)}/${name}`;
      const snapshots = (await array.listSnapshots({ volume: name, limit: 500 }, bed.signal)).items
        .map((one) => `${status?.id.slice(0, 8)}/${one.name}`);
      found.set(id, { sizeBytes, hosts, snapshots });
    }
  }
  return found;
}

/** What the arrays must show after a storm, and what a quiet call must get. */
async function judge(storm: Storm): Promise<void> {
  const { bed, caller } = storm;
  equal(caller.locks.size, 0, "a lock is left");
  const found = await readArrays(bed);
  const names = [...found.keys()].map((id) => id.split("/")[1] ?? "");
  const twice = names.filter((name, at) => names.indexOf(name) !== at);
  const said = JSON.stringify(storm.calls.filter(({ what }) => what === "create"), null, 1);
  deepEqual(twice, [], `two volumes of one name: ${[...found.keys()]}\n${said}`);
  for (const [id, { hosts }] of found) ok(hosts.length < 2, `${id} is connected to ${hosts}`);
  deepEqual(brokenPromises(storm.calls, found), [], "what was answered OK does not hold");
  for (const [id, { snapshots }] of found) {
    const name = id.split("/")[1] ?? "";
    const quiet = (what: What, node?: NodeIdentity | "all") =>
      storm.change({ what, name, id }, QUIET_MS, node);
    // What nobody knows of a publish that was unclear ends with an unpublish, as the attacher's.
    equal(await quiet("unpublish", "all"), status.OK, storm.said);
    equal(await quiet("publish", N1), status.OK, `a quiet publish of ${id}: ${storm.said}`);
    equal(await quiet("unpublish", "all"), status.OK, `a quiet unpublish of ${id}: ${storm.said}`);
    for (const snapshot of snapshots) {
      await bed.provisioner.deleteSnapshot(snapshot, AbortSignal.timeout(QUIET_MS));
    }
    equal(await quiet("delete"), status.OK, `a quiet delete of ${id}: ${storm.said}`);
  }
  deepEqual([...(await readArrays(bed)).keys()], [], "volumes are left");
  for (const { array } of bed.fleet.members.filter((member) => member.array.kind === "block")) {
    const items = await bed.admin<{ name?: string }>(array.label, { method: "GET", path: "hosts" });
    const hosts = items.map((host) => host.name ?? "");
    ok(new Set(hosts).size <= NODES.length, `hosts are left on ${array.label}: ${hosts}`);
    const path = "connections";
    deepEqual(await bed.admin(array.label, { method: "GET", path }), [], "connections are left");
  }
}

async function round(bed: ProvisionerBed, caller: RpcCaller, random: Random): Promise<void> {
  for (let number = 0; number < STORMS_PER_ROUND; number++) {
    // A name that was deleted is refused until its array forgets it.
    const names = [0, 1, 2].map((one) => `pvc-${number}-${one}`);
    const storm = new Storm(bed, caller, random, names);
    await storm.create(names[0] ?? "", DEADLINE_MS);
    await storm.rage();
    await judge(storm);
  }
}

/** Runs until the time is over; throws at the first fault, which names the seed of its round. */
export async function fuzzStorms({ seed, seconds }: FuzzOptions): Promise<Record<string, number>> {
  const caller = new RpcCaller();
  const end = seconds === undefined ? Infinity : performance.now() + seconds * 1000;
  let files: number | undefined;
  for (let number = seed; performance.now() < end; number++) {
    const random = new Random(number);
    try {
      await ProvisionerBed.run(
        { flasharrays: 2, flashblades: 1 },
        (bed) => round(bed, caller, random),
      );
    } catch (error) {
      throw new Error(`seed ${number}: ${(error as Error).message}`, { cause: error });
    }
    const now = openFiles();
    ok(now <= (files ??= now) + 8, `${now} files are open, and ${files} were`);
  }
  return Object.fromEntries(caller.counts);
}

if (import.meta.main) await runFuzzer(fuzzStorms);
