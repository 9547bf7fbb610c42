/** What a setting does: a fleet that is served, the same with another value, and what can be seen of it. */
import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ArrayClients } from "../../src/arrays/live/clients.ts";
import { Fleet } from "../../src/arrays/fleet.ts";
import { KeyedLock } from "../../src/async/keyed_lock.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/model.ts";
import { Provisioner } from "../../src/controller/provisioner.ts";
import type { CreateVolumeRequest } from "../../src/controller/requests.ts";
import {
  NodeGetInfoRequestSchema,
  NodeGetInfoResponseSchema,
} from "../../src/csi/generated/csi_pb.ts";
import { nodeRows } from "../support/node_rows.ts";
import { callSamples } from "../../src/csi/call.ts";
import { answer } from "../../src/csi/unary.ts";
import { isPsoError } from "../../src/errors.ts";
import { decodeAttachment, encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { readMounts } from "../../src/host/mountinfo.ts";
import { silentLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { TestClient, testFleet, testRun } from "../../src/simulator/fixture_test.ts";
import type { ServedFleet, SimulateOptions } from "../../src/simulator/simulate.ts";
import { GiB } from "../../src/size.ts";
import { attachment, FakeHost } from "../support/fake_host.ts";
import { BLOCK_CAPABILITY, mountCapability, TestNode } from "../support/test_node.ts";
import { N1, N2, RWO, RWX } from "./provisioner_bed.ts";

export const TOKEN_FILE = "/tokens/fa-1";
export const TOKEN_SECRET = "/etc/pure/tokens/fa-1/token";
export const OTHER_TOKEN = "00000000-0000-0000-0000-000000000000";
export const SAN_NODE: NodeIdentity = {
  ...N1,
  protocols: ["iscsi", "nvme-tcp"],
  nqn: "nqn.2014-08:n1",
};

/** The objects of a controller, built of one values file as main.ts builds them. */
export interface World {
  served: ServedFleet;
  config: Config;
  fleet: Fleet;
  provisioner: Provisioner;
  signal: AbortSignal;
}

/** A key, another value for it, and what shows that the driver took it up. */
export interface Effect {
  /** What is looked at, for the name of the test. */
  on: string;
  /** What the key is set to; a function is given the simulated arrays. */
  value: unknown | ((served: ServedFleet) => unknown);
  /** Keys that must be set in both cases. */
  beside?: Record<string, unknown>;
  fleet?: Partial<SimulateOptions>;
  /** What the driver does, in a few words. */
  outcome: (world: World) => string | Promise<string>;
  before: string | RegExp;
  after: string | RegExp;
}

export async function createVolume(world: World, change: Partial<CreateVolumeRequest> = {}) {
  return await world.provisioner.createVolume({
    name: "pvc-1",
    capacityRange: { requiredBytes: GiB, limitBytes: 0 },
    capabilities: [mountCapability("")],
    parameters: {},
    ...change,
  }, world.signal);
}

/** Deletes a volume with these tags that somebody else made. */
export async function deleteImported(
  { fleet, provisioner, signal }: World,
  tags: Record<string, string>,
): Promise<string> {
  const array = fleet.members.find(({ array }) => array.kind === "block")?.array;
  await array?.createVolume({ name: "oracle-data", sizeBytes: GiB, tags });
  return await codeOf(provisioner.deleteVolume("oracle-data", signal));
}

/** What the array still has of a volume that was deleted. */
export async function leftOfDeleted(world: World): Promise<string> {
  const { volumeId } = await createVolume(world);
  await world.provisioner.deleteVolume(volumeId, world.signal);
  const left: string[] = [];
  for (const entry of world.served.arrays.filter(({ kind }) => kind === "flasharray")) {
    const client = new TestClient(entry);
    try {
      await client.login();
      const { items } = await client.ok("GET /volumes");
      left.push(...items.map(({ name }: { name: string }) => name));
    } finally {
      client.close();
    }
  }
  return left.join() || "nothing";
}

export async function publish(
  { provisioner, signal }: World,
  { volumeId, node }: { volumeId: string; node: NodeIdentity },
) {
  const nodeId = encodeNodeId(node);
  const request = { volumeId, nodeId, capability: RWO, readOnly: false, volumeContext: {} };
  return await provisioner.publishVolume(request, signal);
}

/** Makes a volume, publishes it, and gives what the node is told. */
export async function publishedTo(
  world: World,
  node: NodeIdentity,
  change: Partial<CreateVolumeRequest> = {},
) {
  const { volumeId } = await createVolume(world, change);
  return decodeAttachment(await publish(world, { volumeId, node }));
}

export async function publishTwo(world: World): Promise<string> {
  for (const name of ["pvc-1", "pvc-2"]) {
    const { volumeId } = await createVolume(world, { name });
    const outcome = await codeOf(publish(world, { volumeId, node: N1 }));
    if (outcome !== "done") return outcome;
  }
  return "published";
}

export async function publishAgain(world: World): Promise<string> {
  const { volumeId } = await createVolume(world);
  await publish(world, { volumeId, node: N1 });
  return await codeOf(publish(world, { volumeId, node: N2 }));
}

/** `max_volumes_per_node` as kubelet is told. */
export function nodeInfo({ config: { maxVolumesPerNode }, signal }: World): Promise<string> {
  return withFakeHost(async (fake) => {
    const row = nodeRows(fake.plugin({ maxVolumesPerNode })).find(({ name }) =>
      name === "NodeGetInfo"
    );
    assert.ok(row);
    const bytes = toBinary(NodeGetInfoRequestSchema, create(NodeGetInfoRequestSchema));
    const outcome = await answer(row, { bytes, signal }, {
      log: silentLogger,
      locks: new KeyedLock(),
      samples: callSamples(new Metrics()),
      driverName: "pure-csi",
    });
    assert.ok("bytes" in outcome);
    return `${fromBinary(NodeGetInfoResponseSchema, outcome.bytes).maxVolumesPerNode}`;
  });
}

/** `done`, or the code of the error. */
export function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(() => "done", (error: unknown) => {
    if (isPsoError(error)) return error.code;
    throw error;
  });
}

export function health({ fleet }: World): string {
  return fleet.members[0]?.problem?.code ?? "ok";
}

/** A new file system as the array shows it. */
export async function fileSystem(world: World) {
  await createVolume(world, { capabilities: [RWX] });
  const [entry] = world.served.arrays.filter(({ kind }) => kind === "flashblade");
  assert.ok(entry);
  const client = new TestClient(entry);
  client.version = "2.4";
  try {
    await client.login("/api/login");
    return (await client.ok("GET /file-systems?names=k8s-pvc-1")).items[0];
  } finally {
    client.close();
  }
}

/** Stages a volume whose class says nothing, and looks at its image and its mount. */
export async function staged(
  { flasharray }: Config,
  look: (volume: { image: string; options: string[] }) => Promise<string>,
): Promise<string> {
  let found = "";
  await TestNode.use(async (test) => {
    test.restart(testRun, { flasharray });
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume, { capability: mountCapability("") }));
    const mounts = await readMounts(test.host);
    const mount = mounts.find(({ target }) => target === volume.stagingPath);
    found = await look({ image: volume.image, options: mount?.options ?? [] });
    await test.node.unstage(volume);
  });
  return found;
}

export async function withFakeHost(
  work: (fake: FakeHost) => string | Promise<string>,
): Promise<string> {
  let found = "";
  await FakeHost.use(async (fake) => {
    found = await work(fake);
  });
  return found;
}

/** What matches in the first command line that does, while an iSCSI volume is attached. */
export function attachCommands({ flasharray }: Config, pattern: RegExp): Promise<string> {
  return withFakeHost(async (fake) => {
    fake.scsi.luns.set(7, 7);
    fake.scsi.addMap("dm-7", 7);
    await codeOf(
      fake.plugin({ flasharray }).stage({
        volumeId: "v7",
        stagingPath: "/stage/7",
        attachment: attachment(7),
        capability: BLOCK_CAPABILITY,
        volumeContext: {},
      }),
    );
    return fake.commands.flatMap((line) => pattern.exec(line) ?? [])[0] ?? "none";
  });
}

export function fingerprintOf(pemFile: string): string {
  const { stdout } = new Deno.Command("openssl", {
    args: ["x509", "-in", pemFile, "-noout", "-fingerprint", "-sha256"],
  }).outputSync();
  return new TextDecoder().decode(stdout).trim().split("=")[1] ?? "";
}

export type Values = Record<string, unknown>;

/** Sets `a.b` of a values tree. */
export function setKey(values: Values, path: string, value: unknown): void {
  const [head = "", ...rest] = path.split(".");
  if (rest.length === 0) values[head] = value;
  else {
    const inner: Values = {};
    Object.assign(inner, values[head]);
    setKey(inner, rest.join("."), value);
    values[head] = inner;
  }
}

/** The entries of all simulated arrays; `changes` are made to the first one that may have them. */
export function entriesOf(served: ServedFleet, changes: Values = {}): Values {
  const entries = served.arrays.map(({ kind, address, ca, token }) => ({
    MgmtEndPoint: `${ca === undefined ? "http" : "https"}://${address}`,
    APIToken: token,
    ...kind === "flashblade" ? { NFSEndPoint: "192.0.2.1" } : {},
  }));
  const isBlade = "NFSEndPoint" in changes;
  const [chosen] = entries.filter((entry) => "NFSEndPoint" in entry === isBlade);
  Object.assign(chosen ?? {}, changes);
  return {
    FlashArrays: entries.filter((entry) => !("NFSEndPoint" in entry)),
    FlashBlades: entries.filter((entry) => "NFSEndPoint" in entry),
  };
}

/** The outcome with these values, over objects that are built of nothing else. */
export async function outcomeOf(
  effect: Effect,
  values: Values,
  served: ServedFleet,
): Promise<string> {
  const files: Record<string, string> = {
    "values.yaml": JSON.stringify(values),
    [TOKEN_FILE]: served.arrays[0]?.token ?? "",
    [TOKEN_SECRET]: served.arrays[0]?.token ?? "",
    "/tokens/other": OTHER_TOKEN,
    "/etc/pure/tokens/other/token": OTHER_TOKEN,
  };
  const { config } = await loadConfig({
    valuesFile: "values.yaml",
    mode: "controller",
    readTextFile: (path) => Promise.resolve(files[path] ?? assert.fail(`no file ${path}`)),
  });
  const clients = new ArrayClients({ log: silentLogger });
  const signal = AbortSignal.timeout(60_000);
  try {
    const fleet = new Fleet(clients.take(config.arrays), { log: silentLogger });
    await fleet.refresh(signal);
    const provisioner = new Provisioner({ fleet, options: () => config, log: silentLogger });
    return await effect.outcome({ served, config, fleet, provisioner, signal });
  } finally {
    await clients.close();
  }
}

/** The values with the key as it is by default, and with the key changed. */
export type Pair = (served: ServedFleet, value: unknown) => { before: Values; after: Values };

export function testEffect(key: string, effect: Effect, pair: Pair): void {
  Deno.test(`${key} changes ${effect.on}`, async () => {
    const seen: string[] = [];
    for (const side of ["before", "after"] as const) {
      // Each side has arrays of its own, so that nothing is left of the other.
      const served = await testFleet({ flashblades: 1, ...effect.fleet });
      try {
        const { value } = effect;
        const values = pair(served, typeof value === "function" ? value(served) : value)[side];
        seen.push(await outcomeOf(effect, values, served));
      } finally {
        await served.stop();
      }
    }
    assert.notEqual(seen[0], seen[1]);
    for (const [index, wanted] of [effect.before, effect.after].entries()) {
      if (typeof wanted === "string") assert.equal(seen[index], wanted);
      else assert.match(seen[index] ?? "", wanted);
    }
  });
}
