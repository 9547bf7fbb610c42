/**
 * From the values file to an effect: each key that the key tables give to the driver is changed,
 * and something that the driver does changes with it.
 */
import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ArrayClients } from "../../src/arrays/clients.ts";
import { Fleet } from "../../src/arrays/fleet.ts";
import { KeyedLock } from "../../src/async/keyed_lock.ts";
import { ARRAY_KEYS } from "../../src/config/arrays/keys.ts";
import { CHART_SECTIONS } from "../../src/config/chart_keys.ts";
import { DRIVER_SECTIONS } from "../../src/config/keys.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/model.ts";
import { Provisioner } from "../../src/controller/provisioner.ts";
import type { CreateVolumeRequest } from "../../src/controller/requests.ts";
import {
  Identity,
  NodeGetInfoRequestSchema,
  NodeGetInfoResponseSchema,
  PluginCapability_Service_Type,
} from "../../src/csi/generated/csi_pb.ts";
import { identityService } from "../../src/csi/identity_service.ts";
import { nodeService } from "../../src/csi/node_service.ts";
import { answer, callSamples } from "../../src/csi/unary.ts";
import { isPsoError } from "../../src/errors.ts";
import { decodeAttachment, encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { readMounts } from "../../src/host/mountinfo.ts";
import { chosenLevel, silentLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { TestClient, testFleet, testRun } from "../../src/simulator/fixture_test.ts";
import type { ServedFleet, SimulateOptions } from "../../src/simulator/simulate.ts";
import { GiB, MiB } from "../../src/size.ts";
import { attachment, FakeHost } from "../support/fake_host.ts";
import { BLOCK_CAPABILITY, mountCapability, TestNode } from "../support/test_node.ts";
import { RpcRows } from "../support/rpc_rows.ts";
import { N1, N2, RWO, RWX } from "./provisioner_bed.ts";

const TOKEN_FILE = "/tokens/fa-1";
const TOKEN_SECRET = "/etc/pure/tokens/fa-1/token";
const OTHER_TOKEN = "00000000-0000-0000-0000-000000000000";
const SAN_NODE: NodeIdentity = { ...N1, protocols: ["iscsi", "nvme-tcp"], nqn: "nqn.2014-08:n1" };

/** The objects of a controller, built of one values file as main.ts builds them. */
interface World {
  served: ServedFleet;
  config: Config;
  fleet: Fleet;
  provisioner: Provisioner;
  signal: AbortSignal;
}

/** A key, another value for it, and what shows that the driver took it up. */
interface Effect {
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

/** By path, as the table of keys has it. */
const EFFECTS: Readonly<Record<string, readonly Effect[]>> = {
  clusterID: [{
    on: "the names of volumes",
    value: "prod_1",
    outcome: async (world) => (await createVolume(world)).volumeId.split("/")[1] ?? "",
    before: "k8s-pvc-1",
    after: "prod_1-pvc-1",
  }],
  deleteImported: [{
    on: "the delete of an imported volume",
    value: false,
    outcome: (world) => deleteImported(world, {}),
    before: "done",
    after: "in_use",
  }],
  deletePrefixes: [{
    on: "the delete of a volume of another cluster",
    value: ["old"],
    outcome: (world) => deleteImported(world, { cluster: "old" }),
    before: "in_use",
    after: "done",
  }],
  maxVolumesPerNode: [
    { on: "publish", value: 1, outcome: publishTwo, before: "published", after: "exhausted" },
    { on: "NodeGetInfo", value: 1, outcome: nodeInfo, before: "256", after: "1" },
  ],
  "app.debug": [{
    on: "the log",
    value: true,
    outcome: ({ config }) => chosenLevel(undefined, config),
    before: "info",
    after: "debug",
  }],
  "storagetopology.enable": [{
    on: "GetPluginCapabilities",
    value: true,
    outcome: async ({ config: { topology } }) => {
      const options = { version: "1", topology: () => topology.enable, isReady: () => true };
      const { capabilities } = await new RpcRows(identityService(options)).call(
        Identity.method.getPluginCapabilities,
        {},
      );
      const services = capabilities.flatMap(({ type }) =>
        type.case === "service" ? PluginCapability_Service_Type[type.value.type] : []
      );
      return services.join();
    },
    before: "CONTROLLER_SERVICE",
    after: "CONTROLLER_SERVICE,VOLUME_ACCESSIBILITY_CONSTRAINTS",
  }],
  "storagetopology.strictTopology": [{
    on: "a claim that names no place",
    value: true,
    beside: { storagetopology: { enable: true } },
    outcome: (world) => codeOf(createVolume(world)),
    before: "done",
    after: "exhausted",
  }],
  "storagetopology.nodeLabels": [{
    on: "a claim that names a place by such a label alone",
    value: ["topology.kubernetes.io/zone"],
    beside: { storagetopology: { enable: true, strictTopology: true } },
    outcome: (world) => {
      const requisite = [{ "topology.kubernetes.io/zone": "z1" }];
      return codeOf(createVolume(world, { topology: { requisite, preferred: [] } }));
    },
    before: "exhausted",
    after: "done",
  }],
  "flasharray.sanType": [{
    on: "the protocol of a publish",
    value: "NVMEOF-TCP",
    outcome: async (world) => (await publishedTo(world, SAN_NODE)).protocol,
    before: "iscsi",
    after: "nvme-tcp",
  }],
  "flasharray.defaultFSType": [
    {
      on: "the least size of a volume",
      value: "ext4",
      outcome: (world) =>
        codeOf(
          createVolume(world, { capacityRange: { requiredBytes: 64 * MiB, limitBytes: 64 * MiB } }),
        ),
      before: "out_of_range",
      after: "done",
    },
    {
      on: "the format",
      value: "ext4",
      outcome: ({ config }) =>
        staged(
          config,
          async ({ image }) =>
            (await testRun("blkid", ["-p", "-o", "value", "-s", "TYPE", image])).stdout.trim(),
        ),
      before: "xfs",
      after: "ext4",
    },
  ],
  "flasharray.defaultFSOpt": [
    {
      on: "volume_context",
      value: "-q -L effect",
      outcome: async (world) => (await createVolume(world)).volumeContext.createoptions ?? "none",
      before: "-q",
      after: "-q -L effect",
    },
    {
      on: "the format",
      value: "-q -L effect",
      outcome: ({ config }) =>
        staged(
          config,
          async ({ image }) => (await testRun("xfs_admin", ["-l", image])).stdout.trim(),
        ),
      before: 'label = ""',
      after: 'label = "effect"',
    },
  ],
  "flasharray.defaultMountOpt": [{
    on: "the mount",
    value: ["nodev"],
    outcome: ({ config }) => staged(config, ({ options }) => Promise.resolve(options.join())),
    before: /^(?!.*nodev)/,
    after: /nodev/,
  }],
  "flasharray.preemptAttachments": [{
    on: "a publish to a second node",
    value: false,
    outcome: publishAgain,
    before: "done",
    after: "in_use",
  }],
  "flasharray.iSCSILoginTimeout": [{
    on: "iscsiadm",
    value: 77,
    outcome: ({ config }) => attachCommands(config, /login_timeout\S* -v \d+/),
    before: /-v 20$/,
    after: /-v 77$/,
  }],
  "flasharray.iSCSIAllowedCIDR": [{
    on: "the portals of a publish",
    value: "198.51.100.0/24",
    outcome: async (world) => {
      const { volumeId } = await createVolume(world);
      return await codeOf(publish(world, { volumeId, node: SAN_NODE }));
    },
    before: "done",
    after: "unsupported",
  }],
  "flasharray.multipath": [{
    on: "an attach",
    value: false,
    outcome: ({ config }) => attachCommands(config, /^multipathd \w+/),
    before: /^multipathd /,
    after: "none",
  }],
  "flashblade.snapshotDirectoryEnabled": [{
    on: "a new file system",
    value: true,
    outcome: async (world) => `${(await fileSystem(world)).snapshot_directory_enabled}`,
    before: "false",
    after: "true",
  }],
  "flashblade.exportRules": [{
    on: "a new file system",
    value: "10.0.0.0/8(rw)",
    outcome: async (world) => (await fileSystem(world)).nfs.rules,
    before: "",
    after: "10.0.0.0/8(rw)",
  }],
};

/** Keys of an array's entry, here of the first FlashArray or, for NFSEndPoint, FlashBlade. */
const ARRAY_EFFECTS: Readonly<Record<string, readonly Effect[]>> = {
  MgmtEndPoint: [{
    on: "which array is asked",
    value: "http://127.0.0.1:9",
    outcome: health,
    before: "ok",
    after: "unavailable",
  }],
  APIToken: [{ on: "login", value: OTHER_TOKEN, outcome: health, before: "ok", after: "denied" }],
  APITokenFile: [{
    on: "login",
    value: "/tokens/other",
    beside: { APIToken: null, APITokenFile: TOKEN_FILE },
    outcome: health,
    before: "ok",
    after: "denied",
  }],
  APITokenSecret: [{
    on: "login",
    value: { name: "other", key: "token" },
    beside: { APIToken: null, APITokenSecret: { name: "fa-1" } },
    outcome: health,
    before: "ok",
    after: "denied",
  }],
  NFSEndPoint: [{
    on: "the address to mount from",
    value: "192.0.2.77",
    outcome: async (world) => {
      const found = await publishedTo(world, { ...N1, protocols: ["nfs"] }, {
        capabilities: [RWX],
      });
      return "address" in found ? found.address : "none";
    },
    before: "192.0.2.1",
    after: "192.0.2.77",
  }],
  Labels: [{
    on: "array_selector",
    value: { tier: "gold" },
    outcome: (world) =>
      codeOf(createVolume(world, { parameters: { array_selector: "tier=gold" } })),
    before: "exhausted",
    after: "done",
  }],
  Name: [{
    on: "what the array is called",
    value: "berlin",
    outcome: ({ fleet }) => fleet.members[0]?.array.label ?? "none",
    before: "fa-1",
    after: "berlin",
  }],
  Suspended: [{
    on: "where a volume is made",
    value: true,
    fleet: { flasharrays: 1 },
    outcome: (world) => codeOf(createVolume(world)),
    before: "done",
    after: "exhausted",
  }],
  TLSVerify: [{
    on: "the certificate",
    value: false,
    fleet: { http: false },
    outcome: health,
    before: "denied",
    after: "ok",
  }],
  CACert: [{
    on: "the certificate",
    value: ({ arrays }: ServedFleet) => Deno.readTextFileSync(arrays[0]?.ca ?? ""),
    fleet: { http: false },
    outcome: health,
    before: "denied",
    after: "ok",
  }],
  CertFingerprint: [{
    on: "the certificate",
    value: ({ arrays }: ServedFleet) => fingerprintOf(arrays[0]?.ca ?? ""),
    fleet: { http: false },
    outcome: health,
    before: "denied",
    after: "ok",
  }],
};

async function createVolume(world: World, change: Partial<CreateVolumeRequest> = {}) {
  return await world.provisioner.createVolume({
    name: "pvc-1",
    capacityRange: { requiredBytes: GiB, limitBytes: 0 },
    capabilities: [mountCapability("")],
    parameters: {},
    ...change,
  }, world.signal);
}

/** Deletes a volume with these tags that somebody else made. */
async function deleteImported(
  { fleet, provisioner, signal }: World,
  tags: Record<string, string>,
): Promise<string> {
  const array = fleet.members.find(({ array }) => array.kind === "block")?.array;
  await array?.createVolume({ name: "oracle-data", sizeBytes: GiB, tags });
  return await codeOf(provisioner.deleteVolume("oracle-data", signal));
}

async function publish(
  { provisioner, signal }: World,
  { volumeId, node }: { volumeId: string; node: NodeIdentity },
) {
  const nodeId = encodeNodeId(node);
  const request = { volumeId, nodeId, capability: RWO, readOnly: false, volumeContext: {} };
  return await provisioner.publishVolume(request, signal);
}

/** Makes a volume, publishes it, and gives what the node is told. */
async function publishedTo(
  world: World,
  node: NodeIdentity,
  change: Partial<CreateVolumeRequest> = {},
) {
  const { volumeId } = await createVolume(world, change);
  return decodeAttachment(await publish(world, { volumeId, node }));
}

async function publishTwo(world: World): Promise<string> {
  for (const name of ["pvc-1", "pvc-2"]) {
    const { volumeId } = await createVolume(world, { name });
    const outcome = await codeOf(publish(world, { volumeId, node: N1 }));
    if (outcome !== "done") return outcome;
  }
  return "published";
}

async function publishAgain(world: World): Promise<string> {
  const { volumeId } = await createVolume(world);
  await publish(world, { volumeId, node: N1 });
  return await codeOf(publish(world, { volumeId, node: N2 }));
}

/** `max_volumes_per_node` as kubelet is told. */
function nodeInfo({ config: { maxVolumesPerNode }, signal }: World): Promise<string> {
  return withFakeHost(async (fake) => {
    const row = nodeService(fake.plugin({ maxVolumesPerNode })).find(({ name }) =>
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
function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(() => "done", (error: unknown) => {
    if (isPsoError(error)) return error.code;
    throw error;
  });
}

function health({ fleet }: World): string {
  return fleet.members[0]?.problem?.code ?? "ok";
}

/** A new file system as the array shows it. */
async function fileSystem(world: World) {
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
async function staged(
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

async function withFakeHost(work: (fake: FakeHost) => string | Promise<string>): Promise<string> {
  let found = "";
  await FakeHost.use(async (fake) => {
    found = await work(fake);
  });
  return found;
}

/** What matches in the first command line that does, while an iSCSI volume is attached. */
function attachCommands({ flasharray }: Config, pattern: RegExp): Promise<string> {
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

function fingerprintOf(pemFile: string): string {
  const { stdout } = new Deno.Command("openssl", {
    args: ["x509", "-in", pemFile, "-noout", "-fingerprint", "-sha256"],
  }).outputSync();
  return new TextDecoder().decode(stdout).trim().split("=")[1] ?? "";
}

type Values = Record<string, unknown>;

/** Sets `a.b` of a values tree. */
function setKey(values: Values, path: string, value: unknown): void {
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
function entriesOf(served: ServedFleet, changes: Values = {}): Values {
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
async function outcomeOf(effect: Effect, values: Values, served: ServedFleet): Promise<string> {
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
type Pair = (served: ServedFleet, value: unknown) => { before: Values; after: Values };

function testEffect(key: string, effect: Effect, pair: Pair): void {
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

for (const [path, effects] of Object.entries(EFFECTS)) {
  for (const effect of effects) {
    testEffect(path, effect, (served, value) => {
      const before: Values = { arrays: entriesOf(served), ...effect.beside };
      const after = structuredClone(before);
      setKey(after, path, value);
      return { before, after };
    });
  }
}

for (const [name, effects] of Object.entries(ARRAY_EFFECTS)) {
  for (const effect of effects) {
    testEffect(`arrays.*.${name}`, effect, (served, value) => ({
      before: { arrays: entriesOf(served, effect.beside) },
      after: { arrays: entriesOf(served, { ...effect.beside, [name]: value }) },
    }));
  }
}

Deno.test("every key of the driver has an effect above", () => {
  const keys = [...DRIVER_SECTIONS, ...CHART_SECTIONS].flatMap((section) => section.keys)
    .filter(({ usedBy }) => usedBy === "driver").map(({ path }) => path);
  assert.deepEqual(Object.keys(EFFECTS).toSorted(), keys.toSorted());
  assert.deepEqual(
    Object.keys(ARRAY_EFFECTS).toSorted(),
    ARRAY_KEYS.map(({ name }) => name).toSorted(),
  );
});
