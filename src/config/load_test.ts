import assert from "node:assert/strict";
import { isAllowed } from "../net/cidr.ts";
import { GiB } from "../size.ts";
import { problemText } from "./problems.ts";
import { faultsOf, FLEET, load, loadValues, TOKEN } from "../../tests/support/test_values.ts";

Deno.test("loadConfig() fills in every default", async () => {
  const { config, warnings } = await loadValues(FLEET);
  assert.deepEqual(warnings, []);
  assert.deepEqual({ ...config, arrays: [] }, {
    clusterId: "k8s",
    deleteImported: true,
    deletePrefixes: [],
    eradicateOnDelete: false,
    arrays: [],
    maxVolumesPerNode: 256,
    flasharray: {
      sanType: "iscsi",
      defaultFsType: "xfs",
      defaultMkfsOptions: ["-q"],
      defaultMountOptions: ["discard"],
      preemptAttachments: true,
      iscsiLoginTimeoutSeconds: 20,
      iscsiAllowedCidrs: [],
      multipath: true,
    },
    flashblade: { snapshotDirectoryEnabled: false, exportRules: undefined },
    topology: { enable: false, strict: false, nodeLabels: [] },
    placement: { headroomPercent: 5, volumesPerArray: 0 },
    ephemeral: {
      enable: false,
      maxBytes: 100 * GiB,
      namespaceBytes: 1_000 * GiB,
      namespaceVolumes: 1_000,
      allowExportRules: false,
      chapSecret: "",
    },
    debug: false,
  });
});

Deno.test("loadConfig() reads every key of the driver", async () => {
  const { config, warnings } = await loadValues(`${FLEET}
clusterID: prod_1
deleteImported: "false"
deletePrefixes: old_1, old_2
eradicateOnDelete: "yes"
maxVolumesPerNode: "100"
app: {debug: true}
storagetopology: {enable: true, strictTopology: true, nodeLabels: topology.kubernetes.io/zone}
placement: {headroom: "10", volumesPerArray: 500}
ephemeral: {enabled: "true", maxSizeGiB: "7", namespaceGiB: 70, namespaceVolumes: 80, allowExportRules: "yes", chapSecret: chap}
flasharray:
  sanType: fc
  defaultFSType: ext4
  defaultFSOpt: -q -L "my label"
  defaultMountOpt: [noatime, 'context="a:b:c:s0:c1,c2"']
  preemptAttachments: "false"
  iSCSILoginTimeout: "30"
  iSCSIAllowedCIDR: 10.0.0.0/8, fd00::/8
  multipath: "false"
flashblade: {snapshotDirectoryEnabled: "true", exportRules: "10.0.0.0/8(rw)"}
`);
  assert.deepEqual(warnings.map(problemText), [
    "arrays.FlashArrays[0].Labels holds no label topology.purestorage.com/* or " +
    "topology.kubernetes.io/zone: without one the array counts as reachable from every node",
  ]);
  const { iscsiAllowedCidrs, ...flasharray } = config.flasharray;
  assert.deepEqual(flasharray, {
    sanType: "fc",
    defaultFsType: "ext4",
    defaultMkfsOptions: ["-q", "-L", "my label"],
    defaultMountOptions: ["noatime", 'context="a:b:c:s0:c1,c2"'],
    preemptAttachments: false,
    iscsiLoginTimeoutSeconds: 30,
    multipath: false,
  });
  assert.deepEqual(
    ["10.1.1.1", "fd00::1", "11.1.1.1"].map((address) => isAllowed(address, iscsiAllowedCidrs)),
    [true, true, false],
  );
  assert.deepEqual({ ...config, arrays: 0, flasharray: 0 }, {
    clusterId: "prod_1",
    deleteImported: false,
    deletePrefixes: ["old_1", "old_2"],
    eradicateOnDelete: true,
    arrays: 0,
    maxVolumesPerNode: 100,
    flasharray: 0,
    flashblade: { snapshotDirectoryEnabled: true, exportRules: "10.0.0.0/8(rw)" },
    topology: { enable: true, strict: true, nodeLabels: ["topology.kubernetes.io/zone"] },
    placement: { headroomPercent: 10, volumesPerArray: 500 },
    ephemeral: {
      enable: true,
      maxBytes: 7 * GiB,
      namespaceBytes: 70 * GiB,
      namespaceVolumes: 80,
      allowExportRules: true,
      chapSecret: "chap",
    },
    debug: true,
  });
});

for (
  const [written, sanType] of [
    ["ISCSI", "iscsi"],
    ["iScsi", "iscsi"],
    ["Fc", "fc"],
    ["NVMEOF-RDMA", "nvme-roce"],
    ["nvmeof-tcp", "nvme-tcp"],
    ["NVMEOF-FC", "nvme-fc"],
    ["nvme-tcp", "nvme-tcp"],
    ["NVMe-RoCE", "nvme-roce"],
    ["auto", "auto"],
    ['""', "iscsi"],
    ["", "iscsi"],
  ]
) {
  Deno.test(`loadConfig() reads flasharray.sanType ${written || "without a value"} as ${sanType}`, async () => {
    const { config, warnings } = await loadValues(`${FLEET}flasharray:\n  sanType: ${written}\n`);
    assert.deepEqual([config.flasharray.sanType, warnings], [sanType, []]);
  });
}

for (
  const [written, wanted] of [["discard,noatime", ["discard", "noatime"]], ["discard noatime", [
    "discard",
    "noatime",
  ]], ['""', [
    "discard",
  ]]] as const
) {
  Deno.test(`loadConfig() reads flasharray.defaultMountOpt ${written} as ${wanted.join(" and ")}`, async () => {
    const { config } = await loadValues(`${FLEET}flasharray:\n  defaultMountOpt: ${written}\n`);
    assert.deepEqual(config.flasharray.defaultMountOptions, wanted);
  });
}

Deno.test("loadConfig() keeps an empty list of mount options and of mkfs options empty", async () => {
  const { config } = await loadValues(
    `${FLEET}flasharray: {defaultMountOpt: [], defaultFSOpt: ""}\n`,
  );
  assert.deepEqual([config.flasharray.defaultMountOptions, config.flasharray.defaultMkfsOptions], [
    [],
    [],
  ]);
});

for (
  const [rules, wanted] of [
    ["*(rw,no_root_squash)", undefined],
    ["", undefined],
    ["*(no_root_squash,rw)", "*(no_root_squash,rw)"],
    ["*(rw)", "*(rw)"],
  ] as const
) {
  Deno.test(`loadConfig() takes flashblade.exportRules ${JSON.stringify(rules)} as ${wanted ?? "not set"}`, async () => {
    const { config } = await loadValues(
      `${FLEET}flashblade: {exportRules: ${JSON.stringify(rules)}}\n`,
    );
    assert.equal(config.flashblade.exportRules, wanted);
  });
}

Deno.test("loadConfig() takes a values file that says nothing: a cluster without arrays yet", async () => {
  for (const text of ["", "# nothing\n", "arrays:\n", "arrays: {FlashBlades: []}\n"]) {
    const { config, warnings } = await loadValues(text);
    assert.deepEqual(config.arrays, []);
    assert.match(warnings.map(problemText).join(), /^arrays lists no array, so that no volume/);
  }
});

Deno.test("loadConfig() tells of a values file that is missing or cannot be read", async () => {
  const advice = "give a values file with -f, or mount the Secret and the ConfigMap of the chart";
  assert.deepEqual(await faultsOf(load({}, { valuesFile: "v.yaml" })), [
    `v.yaml does not exist: ${advice}`,
  ]);
  const readTextFile = () => Promise.reject(new Deno.errors.PermissionDenied("permission denied"));
  assert.deepEqual(await faultsOf(load({}, { valuesFile: "v.yaml", readTextFile })), [
    `v.yaml cannot be read (permission denied): ${advice}`,
  ]);
});

Deno.test("loadConfig() gives equal digests for equal files only", async () => {
  const digest = async (values: string) => (await loadValues(values)).digest;
  assert.equal(await digest(FLEET), await digest(FLEET));
  assert.notEqual(await digest(FLEET), await digest(`${FLEET}\n`));
});

Deno.test("a Config and the inspection of it print no API token", async () => {
  const { config } = await loadValues(FLEET);
  for (
    const text of [
      JSON.stringify(config, (_, value) => typeof value === "bigint" ? `${value}` : value),
      Deno.inspect(config, { depth: 9 }),
    ]
  ) {
    assert.match(text, /\[redacted\]/);
    assert.doesNotMatch(text, new RegExp(TOKEN));
  }
});
