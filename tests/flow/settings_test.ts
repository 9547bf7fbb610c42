/**
 * From the values file to an effect: each key that the key tables give to the driver is changed,
 * and something that the driver does changes with it.
 */
import assert from "node:assert/strict";
import { CHART_SECTIONS } from "../../src/config/chart_keys.ts";
import { DRIVER_SECTIONS } from "../../src/config/keys.ts";
import { Identity, PluginCapability_Service_Type } from "../../src/csi/generated/csi_pb.ts";
import { identityService } from "../../src/csi/identity_service.ts";
import { inlineVolumesOf } from "../../main_ephemeral.ts";
import { messageOf } from "../../src/errors.ts";
import { chosenLevel, silentLogger } from "../../src/log.ts";
import { testRun } from "../../src/simulator/fixture_test.ts";
import { GiB, MiB } from "../../src/size.ts";
import { inlineIdOf } from "../../src/ephemeral/object.ts";
import { EphemeralBed, ID, NAMESPACE, POD } from "../support/ephemeral_bed.ts";
import { RpcRows } from "../support/rpc_rows.ts";
import { RWO } from "./provisioner_bed.ts";
import {
  attachCommands,
  codeOf,
  createVolume,
  deleteImported,
  Effect,
  entriesOf,
  fileSystem,
  leftOfDeleted,
  nodeInfo,
  publish,
  publishAgain,
  publishedTo,
  publishTwo,
  SAN_NODE,
  setKey,
  staged,
  testEffect,
  Values,
  withFakeHost,
  type World,
} from "./settings_bed.ts";

/** What the leader has made of a volume of 2 GiB that a pod describes, and of more attributes. */
async function ephemeralVolume(
  { config }: Pick<World, "config">,
  attributes: Record<string, string> = {},
): Promise<EphemeralBed> {
  const bed = new EphemeralBed();
  bed.settings = config.ephemeral;
  const asked = { size: "2Gi", backend: "file" };
  bed.pod({ volumeAttributes: { ...asked, ...attributes } });
  await bed.ask(asked);
  await bed.step();
  return bed;
}

async function ephemeralOutcome(world: Pick<World, "config">): Promise<string> {
  return await (await ephemeralVolume(world)).said();
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
  eradicateOnDelete: [{
    on: "what a delete leaves on the array",
    value: true,
    outcome: leftOfDeleted,
    before: "k8s-pvc-1",
    after: "nothing",
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
    before: "CONTROLLER_SERVICE,GROUP_CONTROLLER_SERVICE",
    after: "CONTROLLER_SERVICE,GROUP_CONTROLLER_SERVICE,VOLUME_ACCESSIBILITY_CONSTRAINTS",
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
  "placement.headroom": [{
    on: "a volume of 96 % of an array",
    value: 2,
    outcome: (world) =>
      codeOf(
        createVolume(world, { capacityRange: { requiredBytes: 96 * GiB, limitBytes: 0 } }),
      ),
    fleet: { capacityBytes: 100 * GiB },
    before: "exhausted",
    after: "done",
  }],
  "placement.volumesPerArray": [{
    on: "the second volume on an array",
    value: 1,
    outcome: async (world) => {
      await world.fleet.refresh(world.signal);
      return `${await codeOf(createVolume(world))} ${await codeOf(
        createVolume(world, { name: "pvc-2" }),
      )}`;
    },
    before: "done done",
    after: "done exhausted",
  }],
  "ephemeral.enabled": [{
    on: "a pod that describes a volume itself",
    value: true,
    outcome: ({ config }) =>
      withFakeHost(async (fake) => {
        const options = { nodeName: "n", kubeCredentials: "/none" };
        const parts = { config, node: fake.plugin(), log: silentLogger };
        const { inline } = inlineVolumesOf(options, parts);
        const capability = RWO;
        const request = { volumeId: ID, targetPath: "/", capability, readOnly: false };
        const [, reason = ""] = await inline.publish({ ...request, volumeContext: {} }).then(
          () => [],
          (error) => messageOf(error).split("here: "),
        );
        return reason;
      }),
    before: /^ephemeral\.enabled is off/,
    after: /^this node plugin does not know its namespace/,
  }],
  "ephemeral.maxSizeGiB": [{
    on: "a pod that asks for 2 GiB",
    value: 1,
    outcome: ephemeralOutcome,
    before: "Ready",
    after: /^Refused out_of_range/,
  }],
  "ephemeral.namespaceGiB": [{
    on: "a pod that asks for 2 GiB",
    value: 1,
    outcome: ephemeralOutcome,
    before: "Ready",
    after: /^Refused exhausted/,
  }],
  "ephemeral.namespaceVolumes": [{
    on: "a second pod that describes a volume",
    value: 1,
    outcome: async ({ config }) => {
      const bed = new EphemeralBed();
      bed.settings = config.ephemeral;
      await bed.ask();
      await bed.step();
      const pod = { ...POD, name: "web-1", uid: "another" };
      const name = inlineIdOf(pod.uid, "scratch");
      bed.pod(undefined, pod);
      await bed.ask({}, { name, pod });
      await bed.step(name);
      return await bed.said(name);
    },
    before: "Ready",
    after: /^Refused exhausted/,
  }],
  "ephemeral.allowExportRules": [{
    on: "a pod that has export rules",
    value: true,
    outcome: async (world) => {
      const bed = await ephemeralVolume(world, { exportrules: "*(rw)" });
      return bed.maker.parameters.exportrules ?? "none";
    },
    before: "none",
    after: "*(rw)",
  }],
  "ephemeral.chapSecret": [{
    on: "how a pod's volume is published",
    value: "chap",
    outcome: async ({ config }) => {
      const bed = new EphemeralBed();
      const data = {
        "node.session.auth.username": btoa("node"),
        "node.session.auth.password": btoa("twelve-letters"),
      };
      bed.api.put({ collection: "secrets", namespace: NAMESPACE, name: "chap" }, { data });
      bed.settings = config.ephemeral;
      await bed.ask();
      await bed.step();
      return bed.maker.chapUser ?? "without CHAP";
    },
    before: "without CHAP",
    after: "node",
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

Deno.test("every key of the driver has an effect above", () => {
  const keys = [...DRIVER_SECTIONS, ...CHART_SECTIONS].flatMap((section) => section.keys)
    .filter(({ usedBy }) => usedBy === "driver").map(({ path }) => path);
  assert.deepEqual(Object.keys(EFFECTS).toSorted(), keys.toSorted());
});
