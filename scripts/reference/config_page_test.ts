import assert from "node:assert/strict";
import { Ajv } from "ajv";
import { parse } from "@std/yaml";
import { loadConfig } from "../../src/config/load.ts";
import { configurationPage } from "./config_page.ts";
import { ARRAY_KEYS } from "../../src/config/arrays/keys.ts";
import { CHART_SECTIONS } from "../../src/config/chart_keys.ts";
import { DRIVER_SECTIONS } from "../../src/config/keys.ts";
import { problemText } from "../../src/config/problems.ts";
import { valuesSchema } from "./values_schema.ts";

const KEYS = [...DRIVER_SECTIONS, ...CHART_SECTIONS].flatMap(({ keys }) => keys);

/** Every key of the chart of PSO 5.2, with its default types. */
const PSO_5 = `
image: {name: purestorage/k8s, tag: 5.2.0, pullPolicy: Always}
csi:
  provisioner: {image: {name: quay.io/k8scsi/csi-provisioner, pullPolicy: Always}}
  snapshotter: {image: {name: quay.io/k8scsi/csi-snapshotter, pullPolicy: Always}}
  resizer: {image: {name: quay.io/k8scsi/csi-resizer, pullPolicy: Always}}
  clusterDriverRegistrar: {image: {name: quay.io/k8scsi/csi-cluster-driver-registrar, pullPolicy: Always}}
  nodeDriverRegistrar: {image: {name: quay.io/k8scsi/csi-node-driver-registrar, pullPolicy: Always}}
  livenessProbe: {image: {name: quay.io/k8scsi/livenessprobe, pullPolicy: Always}}
storagetopology: {enable: false, strictTopology: false}
app: {debug: false}
storageclass: {createBuiltIn: true, isPureDefault: false, pureBackend: block}
clusterrolebinding: {serviceAccount: {name: pure}}
flasharray:
  sanType: ISCSI
  defaultFSType: xfs
  defaultFSOpt: "-q"
  defaultMountOpt: [discard]
  preemptAttachments: "true"
  iSCSILoginTimeout: 20
  iSCSIAllowedCIDR: ""
flashblade: {snapshotDirectoryEnabled: "false"}
namespace: {pure: k8s}
orchestrator: {name: k8s, basePath: /var/lib/kubelet}
arrays:
  FlashArrays:
    - MgmtEndPoint: "1.2.3.4"
      APIToken: "a526a4c6-18b0-a8c9-1afa-3499293574bb"
      Labels: {rack: "22", env: "prod"}
  FlashBlades:
    - MgmtEndPoint: "1.2.3.6"
      APIToken: "T-c4925090-c9bf-4033-8537-d24ee5669135"
      NfsEndPoint: "1.2.3.7"
mounter: {nodeSelector: {}, tolerations: [], affinity: {}}
provisioner: {nodeSelector: {}, tolerations: [], affinity: {}}
flexDaemon: {nodeSelector: {}, tolerations: [], affinity: {}}
flexPath: /usr/libexec/kubernetes/kubelet-plugins/volume/exec
nameOverride: a
fullnameOverride: b
`;

/** Every key of the chart of PSO 6.2, but for a clusterID of its own. */
const PSO_6 = `
clusterID: prod_1
upgrade: false
orchestrator: {name: openshift, basePath: /var/vcap/data/kubelet}
app: {debug: false, prereq: true}
storagetopology: {enable: false, strictTopology: false}
DBTopology: {enforce: false}
arrays:
  FlashArrays: [{MgmtEndPoint: 1.2.3.4, APIToken: a526a4c6-18b0-a8c9-1afa-3499293574bb, Labels: }]
  FlashBlades: [{MgmtEndPoint: 1.2.3.6, APIToken: T-c4925090-c9bf-4033-8537-d24ee5669135, NFSEndPoint: 1.2.3.7}]
flasharray: {sanType: nvmeof-rdma, defaultFSType: xfs, defaultFSOpt: "-q", defaultMountOpt: [discard], preemptAttachments: "true", iSCSILoginTimeout: 20}
flashblade: {snapshotDirectoryEnabled: "false", exportRules: "*(rw,no_root_squash)"}
images:
  plugin: {name: purestorage/k8s, tag: v6.2.3, pullPolicy: IfNotPresent}
  nodeConfig: {name: purestorage/node-config, tag: v0.1.0, pullPolicy: Always}
  csi:
    provisioner: {name: a, pullPolicy: IfNotPresent}
    snapshotter: {name: a, pullPolicy: IfNotPresent}
    attacher: {name: a, pullPolicy: IfNotPresent}
    resizer: {name: a, pullPolicy: IfNotPresent}
    nodeDriverRegistrar: {name: a, pullPolicy: IfNotPresent}
    livenessProbe: {name: a, pullPolicy: IfNotPresent}
  database:
    deployer: {name: purestorage/dbdeployer, tag: v1.2.2, pullPolicy: IfNotPresent}
    cockroachOperator: {name: purestorage/cockroach-operator, tag: v1.2.2, pullPolicy: IfNotPresent}
    psctl: {name: purestorage/psctl, tag: v1.1.2}
    cockroachdb: {name: cockroachdb/cockroach, tag: v20.2.6}
clusterrolebinding: {serviceAccount: {name: pure}}
nodeSelector: {}
tolerations: []
affinity: {}
nodeServer: {nodeSelector: {}, tolerations: [], affinity: {}}
controllerServer: {nodeSelector: {}, tolerations: [], affinity: {}}
database: {nodeSelector: {}, tolerations: [], affinity: {}, resources: {limits: {memory: 1Gi}}, maxSuspectSeconds: 3600, maxStartupSeconds: 600}
`;

async function warningsOf(values: string): Promise<string[]> {
  const { warnings } = await loadConfig({
    valuesFile: "v",
    mode: "admin",
    strict: true,
    readTextFile: () => Promise.resolve(values),
  });
  return warnings.map(problemText);
}

/** Faults that the chart's schema finds, as `path message`. */
function schemaFaults(values: string): string[] {
  const validate = new Ajv({ allErrors: true, strict: false }).compile(valuesSchema());
  validate(parse(values));
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

Deno.test("the page names every key, every old spelling, every variable and every default", () => {
  const page = configurationPage();
  for (const key of KEYS) {
    const names = [key.path, ...key.old ?? [], ...key.env === undefined ? [] : [key.env]];
    for (const name of names) assert.ok(page.includes(`\`${name}\``), name);
  }
  for (const { name } of ARRAY_KEYS) assert.ok(page.includes(`| \`${name}\` |`), name);
});

Deno.test("no two keys share a path, and each old spelling belongs to one key", () => {
  const paths = KEYS.flatMap(({ path, old = [] }) => [path, ...old]);
  assert.deepEqual(paths.filter((path, index) => paths.indexOf(path) !== index), []);
});

Deno.test("a values file with every key of PSO 6 passes strictly, without a warning, and passes the chart's schema", async () => {
  assert.deepEqual(await warningsOf(PSO_6), []);
  assert.deepEqual(schemaFaults(PSO_6), []);
});

Deno.test("a values file with every key of PSO 5 passes strictly, with warnings of old spellings only, and passes the chart's schema", async () => {
  const others = (await warningsOf(PSO_5)).filter((text) =>
    !/^\S+ is an old spelling: write \S+$/.test(text)
  );
  assert.deepEqual(others, []);
  assert.deepEqual(schemaFaults(PSO_5), []);
});

const ENTRY = "MgmtEndPoint: fa1, APIToken: x";
for (
  const [title, values] of [
    [
      "text switches and numbers",
      `flasharray: {preemptAttachments: true, iSCSILoginTimeout: "20", defaultMountOpt: discard}`,
    ],
    ["unknown keys", "colour: red\nflasharray: {colour: red}"],
    ["keys without a value", "flasharray:\nclusterID:\narrays: {FlashArrays: , FlashBlades: []}"],
    ["a label that is a number", `arrays: {FlashArrays: [{${ENTRY}, Labels: {rack: 22}}]}`],
    [
      "what the chart's templates refuse with a mend",
      "clusterID: a.b\nflasharray: {sanType: BOGUS}\narrays: {FlashBlades: [{}]}",
    ],
    ["keys of an entry in any case", "arrays: {FlashBlades: [{mgmtendpoint: a, nfsEndPoint: b}]}"],
    ["a sidecar that is switched on", "csi: {snapshotter: {enabled: true}}"],
    ["a hyphen in the prefix", "namespace: {pure: my-cluster}"],
  ] as const
) {
  Deno.test(`the chart's schema takes ${title}`, () => assert.deepEqual(schemaFaults(values), []));
}

for (
  const [values, wanted] of [
    ["clusterID: 12", ["/clusterID must be string,null"]],
    [`arrays: {FlashArrays: [{${ENTRY}, TLSVerfy: false}]}`, [
      "/arrays/FlashArrays/0 must NOT have additional properties",
    ]],
    ["arrays: {FlashArray: []}", ["/arrays must NOT have additional properties"]],
    [`arrays: {FlashArrays: {${ENTRY}}}`, ["/arrays/FlashArrays must be array,null"]],
    ["nodeSelector: [a]", ["/nodeSelector must be object,null"]],
    ["existingSecret: my-arrays", ["/existingSecret must be object,null"]],
  ] as const
) {
  Deno.test(`the chart's schema refuses ${values}`, () =>
    assert.deepEqual(schemaFaults(values), wanted));
}

Deno.test("the example of the page is right", async () => {
  const example = /```yaml\n([\s\S]*?)```/.exec(configurationPage())?.[1] ?? "";
  assert.deepEqual(schemaFaults(example), []);
  const pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  const files: Record<string, string> = {
    "v": example,
    "/etc/pure/tokens/fa1-token/token": "t1",
    "/etc/pure/tokens/fb1/token": "t2",
    "/etc/pure/company-ca.pem": pem,
  };
  const { config, warnings } = await loadConfig({
    valuesFile: "v",
    mode: "controller",
    strict: true,
    readTextFile: (path) => Promise.resolve(files[path] ?? assert.fail(path)),
  });
  assert.deepEqual([config.arrays.length, warnings], [2, []]);
});
