// What is wrong in a values file, and how it is told.
import assert from "node:assert/strict";
import type { LoadOptions } from "./load.ts";
import { problemText } from "./problems.ts";
import { ADVICE, faultsOf, FLEET, loadValues, TOKEN } from "../../tests/support/test_values.ts";

async function warningsOf(values: string, options: Partial<LoadOptions> = {}): Promise<string[]> {
  return (await loadValues(values, options)).warnings.map(problemText);
}

const WARNINGS: [string, string[]][] = [
  ["namespace: {pure: k8s_1}", ["namespace.pure is an old spelling: write clusterID"]],
  ["clusterID: a\nnamespace: {pure: a}", ["namespace.pure is an old spelling: write clusterID"]],
  ["clusterID: my-cluster", [
    'clusterID is "my-cluster", with a hyphen, wanted 1 to 22 letters, digits and _: keep it if ' +
    "PSO 5 made volumes under it, else choose one without",
  ]],
  ["mounter: {nodeSelector: {a: b}}", [
    "mounter.nodeSelector is an old spelling: write nodeServer.nodeSelector",
  ]],
  ["flexDaemon: {tolerations: []}", [
    "flexDaemon.tolerations is an old spelling: write nodeServer.tolerations",
  ]],
  ["provisioner: {affinity: {}}", [
    "provisioner.affinity is an old spelling: write controllerServer.affinity",
  ]],
  ["storageClass: {isPureDefault: true}", [
    "storageClass.isPureDefault is an old spelling: write storageclass.isPureDefault",
  ]],
  ["image: {tag: 5.2.0}", ["image.tag is an old spelling: write images.plugin.tag"]],
  ["csi: {resizer: {image: {name: x}}}", [
    "csi.resizer.image.name is an old spelling: write images.csi.resizer.name",
  ]],
  ["flasharray: {defaultFSOpt: -E lazy_itable_init=0}", [
    "flasharray.defaultFSOpt holds an option that mkfs must not get: -E is refused for xfs: it " +
    "is none of those that docs/formatting-options.md lists: volumes of xfs are refused until " +
    "it is taken out, or until their class has createoptions of its own; " +
    "docs/formatting-options.md lists what may be given",
  ]],
  ["flasharray: {defaultFSOpt: -q -d /etc}", [
    'flasharray.defaultFSOpt holds an option that mkfs must not get: "-d /etc" is refused for ' +
    "xfs: it is none of those that docs/formatting-options.md lists: volumes of xfs are refused " +
    "until it is taken out, or until their class has createoptions of its own; " +
    "docs/formatting-options.md lists what may be given",
  ]],
  ["flasharray: {defaultFSType: ext4, defaultFSOpt: [-q, -F]}", [
    "flasharray.defaultFSOpt holds an option that mkfs must not get: -F is refused for ext4: " +
    "this driver never forces a format: volumes of ext4 are refused until it is taken out, or " +
    "until their class has createoptions of its own; docs/formatting-options.md lists what may be given",
  ]],
  ["flasharray: {defaultMountOpt: 'discard,loop'}", [
    "flasharray.defaultMountOpt holds a mount option that no node takes: loop is refused: it " +
    "mounts something other than the volume as it is: block volumes cannot be mounted until it " +
    "is taken out; docs/formatting-options.md lists what may be given",
  ]],
  ["flasharray: {defaultFSType: ext4, defaultFSOpt: -q -K -E lazy_itable_init=0 -m 0}", []],
  ["flasharray: {defaultMountOpt: [discard, zeal, data=ordered]}", [
    'flasharray.defaultMountOpt holds "zeal", known for neither xfs nor ext4: volumes cannot be ' +
    "mounted if it is mistyped; docs/formatting-options.md lists what is known",
  ]],
  ["flasharay: {sanType: FC}", ["flasharay is not a known key: did you mean flasharray?"]],
  ["flasharray: {santype: FC}", [
    "flasharray.santype is not a known key: did you mean flasharray.sanType?",
  ]],
  ["sanType: FC", ["sanType is not a known key: did you mean flasharray.sanType?"]],
  ["exportRules: x", ["exportRules is not a known key: did you mean flashblade.exportRules?"]],
  ["something: else", ["something is not a known key: it has no effect, remove it"]],
  ["nodeSelector: x", ['nodeSelector is "x", wanted a mapping']],
  ["tolerations: {}", ["tolerations is a mapping, wanted a list"]],
  ["storageclass: 3", ["storageclass is the number 3, wanted a mapping of keys"]],
  ["storagetopology: {strictTopology: true}", [
    "storagetopology.strictTopology has no effect without storagetopology.enable: set " +
    "both, or none",
  ]],
  ["flasharray: {iSCSIAllowedCIDR: 10.1.2.3/16}", [
    'flasharray.iSCSIAllowedCIDR holds "10.1.2.3/16", whose address has bits below the prefix ' +
    "length: all of its /16 block is allowed",
  ]],
  [
    "upgrade: true\ndatabase: {maxSuspectSeconds: 9, resources: {limits: {memory: " +
    "1Gi}}}\nglobal: {a: 1}\nexistingSecret: {name: s}",
    [],
  ],
];

for (const [values, wanted] of WARNINGS) {
  Deno.test(`loadConfig() starts with ${JSON.stringify(values)} and warns ${wanted.length} times`, async () => {
    assert.deepEqual(await warningsOf(FLEET + values), wanted);
  });
}

const FAULTS: [string, string][] = [
  [
    "flasharray: {sanType: BOGUS}",
    'flasharray.sanType is "BOGUS", wanted one of ISCSI, FC, NVMEOF-RDMA, NVMEOF-TCP, ' +
    "NVMEOF-FC, AUTO",
  ],
  [
    "flasharray: {defaultFSType: zfs}",
    'flasharray.defaultFSType is "zfs", wanted one of xfs, ext4, btrfs, vfat',
  ],
  [
    "flasharray: {defaultFSOpt: '-L \"x'}",
    'flasharray.defaultFSOpt is "-L \\"x", wanted a text or a list of texts, with every ' +
    "quote closed",
  ],
  [
    "flasharray: {defaultMountOpt: {discard: true}}",
    "flasharray.defaultMountOpt is a mapping, wanted a list of mount options",
  ],
  [
    "flasharray: {preemptAttachments: maybe}",
    'flasharray.preemptAttachments is "maybe", wanted true or false',
  ],
  [
    "storagetopology: {nodeLabels: [zone, -a]}",
    'storagetopology.nodeLabels holds "-a", wanted names of labels, such as ' +
    "topology.kubernetes.io/zone",
  ],
  [
    `storagetopology: {nodeLabels: [${Array.from({ length: 17 }, (_, at) => `l${at}`)}]}`,
    "storagetopology.nodeLabels names 17 labels, wanted at most 16",
  ],
  [
    "flasharray: {iSCSILoginTimeout: 0}",
    "flasharray.iSCSILoginTimeout is the number 0, wanted 1 to 600 seconds",
  ],
  [
    "flasharray: {iSCSILoginTimeout: 20s}",
    'flasharray.iSCSILoginTimeout is "20s", wanted 1 to 600 seconds',
  ],
  [
    "flasharray: {iSCSIAllowedCIDR: 10.0.0.0/33}",
    'flasharray.iSCSIAllowedCIDR holds "10.0.0.0/33", which is no address block, wanted one ' +
    "such as 10.1.0.0/16 or fd00:1::/64",
  ],
  [
    "flasharray: {iSCSIAllowedCIDR: [10.1.2.3]}",
    'flasharray.iSCSIAllowedCIDR holds "10.1.2.3", which is no address block, wanted ' +
    "10.1.2.3/32 for this one address",
  ],
  [
    "flasharray: {iSCSIAllowedCIDR: 10}",
    "flasharray.iSCSIAllowedCIDR is the number 10, wanted address blocks such as 10.1.0.0/16, " +
    "parted by commas",
  ],
  ["flasharray: [ISCSI]", "flasharray is a list, wanted a mapping of keys"],
  [
    "flashblade: {snapshotDirectoryEnabled: 2}",
    "flashblade.snapshotDirectoryEnabled is the number 2, wanted true or false",
  ],
  ["clusterID: 2024", "clusterID is the number 2024, wanted a text: put it in quotes"],
  ["clusterID: a.b", 'clusterID is "a.b", wanted 1 to 22 letters, digits and _'],
  ["clusterID: _a", 'clusterID is "_a", wanted a letter or digit first: arrays refuse other names'],
  ['clusterID: ""', 'clusterID is "", wanted 1 to 22 letters, digits and _'],
  [
    "namespace: {pure: abcdefghijklmnopqrstuvw}",
    "namespace.pure has 23 characters, wanted 1 to 22 letters, digits and _: a longer one " +
    "leaves no room for `-pvc-<UUID>` in the 63 characters " +
    "of a volume name",
  ],
  [
    "clusterID: REPLACE_CLUSTER_ID_WITH_A_UNIQUE_VALUE_FOR_YOUR_CLUSTER",
    "clusterID still holds the placeholder of PSO's values file, wanted 1 to 22 letters, digits " +
    "and _: choose an ID for this cluster that no other " +
    "cluster on these arrays has, and never change it again",
  ],
  [
    "clusterID: a\nnamespace: {pure: b}",
    'namespace.pure is "b", but clusterID is "a": they are one key, keep one of them',
  ],
];

for (const [values, fault] of FAULTS) {
  Deno.test(`loadConfig() refuses ${JSON.stringify(values)}`, async () => {
    assert.equal((await faultsOf(loadValues(FLEET + values)))[0], fault);
  });
}

Deno.test("loadConfig() tells of all faults at once, errors first", async () => {
  assert.deepEqual(
    await faultsOf(
      loadValues(
        "colour: red\nflasharray: {sanType: x, iSCSILoginTimeout: y}\narrays: {FlashArrays: [{}]}",
      ),
    ),
    [
      'flasharray.sanType is "x", wanted one of ISCSI, FC, NVMEOF-RDMA, NVMEOF-TCP, ' +
      "NVMEOF-FC, AUTO",
      'flasharray.iSCSILoginTimeout is "y", wanted 1 to 600 seconds',
      "arrays.FlashArrays[0].MgmtEndPoint is missing: give the management address of the array, " +
      "a name or an IP address",
      "arrays.FlashArrays[0].APIToken is missing: create one with `pureadmin create --api-token`",
      "warning: colour is not a known key: it has no effect, remove it",
    ],
  );
});

Deno.test("loadConfig() makes every unknown key an error when it is strict", async () => {
  assert.deepEqual(
    await faultsOf(
      loadValues(`${FLEET}flasharay: {}\nnodeSelector: x`, { strict: true, mode: "admin" }),
    ),
    [
      "flasharay is not a known key: did you mean flasharray?",
      'nodeSelector is "x", wanted a mapping',
    ],
  );
});

const BROKEN: [string, string][] = [
  [
    "a: b\n c: d",
    "values.yaml is no valid YAML in line 2, column 3 (bad indentation of a mapping " +
    `entry): ${ADVICE}`,
  ],
  [
    "a:\n\tb: c",
    "values.yaml is no valid YAML in line 2, column 1 (tab characters must not be used in " +
    `indentation): ${ADVICE}`,
  ],
  [
    "a: 1\na: 2",
    "a stands twice in values.yaml, again in line 2: keep one of the two",
  ],
  [
    `APIToken: *${TOKEN}`,
    `values.yaml is no valid YAML in line 1, column 48 (unidentified alias): ${ADVICE}`,
  ],
  [
    `APIToken: !${TOKEN} x`,
    `values.yaml is no valid YAML in line 1, column 50 (unknown tag): ${ADVICE}`,
  ],
  ["- a", "values.yaml holds a list, wanted a mapping of keys, such as `arrays:`"],
  [TOKEN, "values.yaml holds a text, wanted a mapping of keys, such as `arrays:`"],
];

for (const [text, fault] of BROKEN) {
  Deno.test(`loadConfig() refuses the file ${JSON.stringify(text)}`, async () => {
    assert.deepEqual(await faultsOf(loadValues(text)), [fault]);
  });
}
