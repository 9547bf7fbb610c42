// Values that are wrong, and what Helm says of them; and values that PSO's schema wrongly refused.
import { deepEqual, equal, ok } from "node:assert/strict";
import { HELMS, render } from "./helm.ts";

const FA = "MgmtEndPoint: 192.0.2.10, APIToken: a526a4c6-18b0-a8c9-1afa-3499293574bb";
const arrays = (list: string, entry: string) => `arrays: {${list}: [{${entry}}]}\n`;

/** Values, and each line that Helm must say. */
const REFUSED: readonly [string, string, string[]][] = [
  ["PSO 6's placeholder", "clusterID: REPLACE_CLUSTER_ID_WITH_A_UNIQUE_VALUE_FOR_YOUR_CLUSTER\n", [
    "clusterID still holds the placeholder of PSO's values file, wanted 1 to 22 letters, digits " +
    "and _: choose an ID that no other cluster on these arrays has, and never change it again",
  ]],
  ["a long clusterID", "clusterID: abcdefghijklmnopqrstuvwx\n", [
    "clusterID has 24 characters, wanted 1 to 22 letters, digits and _: a longer one leaves no " +
    "room for -pvc-<UUID> in the 63 characters of a volume name",
  ]],
  ["a clusterID with a dot", "namespace: {pure: my.cluster}\n", [
    'namespace.pure is "my.cluster", wanted 1 to 22 letters, digits and _: arrays refuse other ' +
    "names; a letter or digit stands first",
  ]],
  ["a FlashBlade without data address", arrays("FlashBlades", FA), [
    "arrays.FlashBlades[0].NFSEndPoint is missing, wanted the address of a data interface of the " +
    "FlashBlade: add it; nodes mount from there",
  ]],
  ["a FlashArray without token", arrays("FlashArrays", "MgmtEndPoint: 192.0.2.10"), [
    "arrays.FlashArrays[0].APIToken is missing, wanted a token in APIToken, or where it is in " +
    "APITokenSecret or APITokenFile: make one on the array: pureadmin create --api-token",
  ]],
  ["an array without address", arrays("FlashArrays", "APIToken: x"), [
    "arrays.FlashArrays[0].MgmtEndPoint is missing, wanted the management address of the array: " +
    "add it, a host name or an IP address",
  ]],
  ["two tokens", arrays("FlashArrays", `${FA}, APITokenFile: /etc/pure/x`), [
    "arrays.FlashArrays[0].APIToken stands beside APITokenFile: keep one of them",
  ]],
  [
    "a token file that the controller does not read",
    arrays("FlashArrays", "MgmtEndPoint: 192.0.2.10, APITokenFile: /run/secrets/fa1"),
    [
      "arrays.FlashArrays[0].APITokenFile names a file that the controller does not read, wanted " +
      "one below /etc/pure: put the token into a Secret, and name that by APITokenSecret",
    ],
  ],
  [
    "a certificate by a way out of the folder",
    arrays("FlashArrays", `${FA}, CACert: /etc/pure/../ssl/ca.pem`),
    [
      "arrays.FlashArrays[0].CACert names a file that the controller does not read, wanted one " +
      "below /etc/pure: write the certificate itself there, from -----BEGIN CERTIFICATE----- on",
    ],
  ],
  [
    "an address with a path",
    arrays("FlashArrays", "MgmtEndPoint: 'https://fa1/api', APIToken: x"),
    [
      'arrays.FlashArrays[0].MgmtEndPoint is "https://fa1/api", wanted a host name or an IP ' +
      "address, with :port if it is not 443: take everything else away, a path too",
    ],
  ],
  ["an array twice", `arrays: {FlashArrays: [{${FA}}, {${FA}}]}\n`, [
    'arrays.FlashArrays[1].MgmtEndPoint is "192.0.2.10", as in arrays.FlashArrays[0]: list each ' +
    "array once, under a name of its own",
  ]],
  ["a key of the other kind", arrays("FlashArrays", `${FA}, NFSEndPoint: 192.0.2.1`), [
    "arrays.FlashArrays[0].NFSEndPoint is not for a FlashArray: remove it",
  ]],
  ["an export path in NFSEndPoint", arrays("FlashBlades", `${FA}, NFSEndPoint: "192.0.2.1:/x"`), [
    'arrays.FlashBlades[0].NFSEndPoint is "192.0.2.1:/x", wanted a host name or an IP address, ' +
    "without port and path: take the rest away",
  ]],
  ["half a fingerprint", arrays("FlashArrays", `${FA}, CertFingerprint: "9F:86"`), [
    "arrays.FlashArrays[0].CertFingerprint has 4 characters without the colons, wanted the 64 " +
    "hexadecimal digits of a SHA-256 fingerprint: pso-bin admin check prints it",
  ]],
  ["capacity without topology", "csi: {storageCapacity: true}\n", [
    "csi.storageCapacity is true without storagetopology.enable: set both, or none. " +
    "csi-provisioner keeps no capacity of a driver without topology, and the scheduler would " +
    "then place no pod whose claim waits for it",
  ]],
  [
    "ephemeral volumes, and one account for nodes and controller",
    "ephemeral: {enabled: true}\nnodeServer: {serviceAccount: {name: pure}}\n",
    [
      "ephemeral.enabled is true, and nodes and controller have one service account: give each its " +
      "own in nodeServer.serviceAccount.name and controllerServer.serviceAccount.name. By its " +
      "account a node is kept to the volumes of its own pods",
    ],
  ],
  ["who signed a certificate that is the chart's own", "snapshotMetadata: {caCert: x}\n", [
    "snapshotMetadata.caCert is set without snapshotMetadata.tlsSecret: name the Secret whose " +
    "certificate it is for, or take it away: who signs the chart's own certificate is known",
  ]],
  ["half a certificate", "snapshotMetadata: {tlsSecret: mine, caCert: MIIB}\n", [
    "snapshotMetadata.caCert holds no whole certificate, wanted PEM text from -----BEGIN " +
    "CERTIFICATE----- to -----END CERTIFICATE-----: copy the certificate again, or give the file " +
    "by --set-file",
  ]],
  ["an unknown protocol", "flasharray: {sanType: BOGUS}\n", [
    'flasharray.sanType is "BOGUS", wanted one of ISCSI, FC, NVMEOF-RDMA, NVMEOF-TCP, NVMEOF-FC, ' +
    "AUTO: write one of these, in letters of any case",
  ]],
  ["an unknown orchestrator", "orchestrator: {name: nomad}\n", [
    'orchestrator.name is "nomad", wanted one of k8s, openshift: write one of these, in letters ' +
    "of any case",
  ]],
  ["a kubelet folder that is no path", "orchestrator: {basePath: kubelet}\n", [
    'orchestrator.basePath is "kubelet", wanted a path that begins with /: write it in full',
  ]],
  ["an unknown pull policy", "image: {pullPolicy: Sometimes}\n", [
    'image.pullPolicy is "Sometimes", wanted one of Always, IfNotPresent, Never: write one of ' +
    "these, in letters of any case",
  ]],
  ["a switch that is none", 'flasharray: {preemptAttachments: "maybe"}\n', [
    'flasharray.preemptAttachments is "maybe", wanted true or false: write one of the two, ' +
    "without quotes",
  ]],
  ["a number out of bounds", "flasharray: {iSCSILoginTimeout: 0}\n", [
    "flasharray.iSCSILoginTimeout is the number 0, wanted 1 to 600 seconds: write a whole number " +
    "within these bounds",
  ]],
  [
    "an address where a block is wanted",
    "flasharray: {iSCSIAllowedCIDR: '10.0.0.1,10.1.0.0/33'}\n",
    [
      'flasharray.iSCSIAllowedCIDR holds "10.0.0.1", wanted address blocks, parted by commas: write ' +
      "10.0.0.1/32 for this one address",
      'flasharray.iSCSIAllowedCIDR holds "10.1.0.0/33", wanted address blocks, parted by commas: ' +
      "write it like 10.1.0.0/16 or fd00:1::/64",
    ],
  ],
  ["two spellings that differ", "clusterID: one\nnamespace: {pure: two}\n", [
    "they are one key, keep one of them",
  ]],
  ["a digest without its kind", 'images: {plugin: {digest: "0123"}}\n', [
    'images.plugin.digest is "0123", wanted sha256: and 64 hexadecimal digits',
  ]],
  [
    "many faults at once",
    `clusterID: a.b\nflasharray: {sanType: BOGUS}\n${arrays("FlashBlades", "APIToken: x")}`,
    [
      "The values hold 4 problems:",
      "clusterID is",
      "flasharray.sanType is",
      "MgmtEndPoint is",
      "NFSEndPoint is",
    ],
  ],
  ["a class without a name", "storageClasses: [{parameters: {backend: block}}, pure-gold]\n", [
    "storageClasses[0].name is nothing, wanted a name of Kubernetes: write small letters, digits, " +
    "`-` and `.`",
    'storageClasses[1] is "pure-gold", wanted a mapping with a name: begin the entry with `- name:`',
  ]],
  ["a DaemonSet twice", "additionalDaemonSets: [{name: a}, {name: a}]\n", [
    'additionalDaemonSets[1].name is "a", as in additionalDaemonSets[0]: give each a name of its own',
  ]],
  ["a token in the wrong place", "flasharray: {sanType: a526a4c6-18b0-a8c9-1afa-3499293574bb}\n", [
    'flasharray.sanType is "[a token]"',
  ]],
];

/** Wrong types and typos, which the schema refuses before anything is rendered. */
const BY_SCHEMA: readonly [string, string, string[]][] = [
  ["a typo in an entry", arrays("FlashArrays", `${FA}, TLSVerfy: false`), [
    "/arrays/FlashArrays/0",
    "'TLSVerfy' not allowed",
  ]],
  ["a typo in arrays", "arrays: {FlashArray: []}\n", ["/arrays", "'FlashArray' not allowed"]],
  ["a list where a mapping is wanted", "nodeSelector: [a]\n", ["/nodeSelector", "got array, want"]],
  ["one array in place of a list", `arrays: {FlashArrays: {${FA}}}\n`, [
    "/arrays/FlashArrays",
    "got object, want",
  ]],
  ["a number as token", arrays("FlashArrays", "MgmtEndPoint: a, APIToken: 5"), [
    "/arrays/FlashArrays/0/APIToken",
    "got number, want",
  ]],
  ["a number as name of a cluster", "clusterID: 12\n", ["/clusterID", "got number, want"]],
];

/** What PSO's schemas refused without reason, and what nobody must refuse. */
const ACCEPTED: readonly [string, string][] = [
  ["untouched values", ""],
  ["both lists empty", "arrays: {FlashArrays: [], FlashBlades: []}\n"],
  ["one list taken away", `arrays: {FlashArrays: [{${FA}}], FlashBlades: null}\n`],
  ["no lists at all", "arrays: null\n"],
  ["NfsEndPoint", arrays("FlashBlades", `${FA}, NfsEndPoint: 192.0.2.1`)],
  ["nfsEndPoint", arrays("FlashBlades", `${FA}, nfsEndPoint: 192.0.2.1`)],
  ["keys of an entry in small letters", arrays("FlashArrays", "mgmtendpoint: a, apitoken: x")],
  ["switches without quotes", "flasharray: {preemptAttachments: true}\n"],
  ["switches with quotes", 'flashblade: {snapshotDirectoryEnabled: "false"}\n'],
  ["a number with quotes", 'flasharray: {iSCSILoginTimeout: "20"}\n'],
  ["mount options as one text", "flasharray: {defaultMountOpt: discard}\n"],
  ["a label that is a number", arrays("FlashBlades", `${FA}, NFSEndPoint: a, Labels: {rack: 22}`)],
  ["a prefix with a hyphen", "namespace: {pure: my-cluster}\n"],
  ["a protocol in small letters", "flasharray: {sanType: nvmeof-rdma}\n"],
  ["unknown keys", "colour: red\nflasharray: {colour: red}\n"],
  [
    "an IPv6 address with a port",
    arrays("FlashArrays", 'MgmtEndPoint: "[fd00::1]:8443", APIToken: x'),
  ],
  ["a bare IPv6 address", arrays("FlashArrays", 'MgmtEndPoint: "fd00::1", APIToken: x')],
  [
    "two tokens of one Secret",
    `controllerServer: {tokenSecrets: [{name: a, key: b}, {name: a}]}\n`,
  ],
  ["the same in two spellings", "clusterID: one\nnamespace: {pure: one}\n"],
];

async function tried(which: (typeof HELMS)[number], values: string) {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(file, values);
    return await render(which, { file });
  } finally {
    await Deno.remove(file);
  }
}

for (const which of HELMS) {
  for (const [title, values, lines] of [...REFUSED, ...BY_SCHEMA]) {
    Deno.test(`${which} refuses ${title}, and says what to do`, async () => {
      const { code, stdout, stderr } = await tried(which, values);
      equal(code, 1, stdout.slice(0, 500));
      for (const line of lines) ok(stderr.includes(line), `wanted ${line}\nfound ${stderr}`);
      const told = stderr.split("\n").filter((line) => /^ *- /.test(line));
      equal(new Set(told).size, told.length, "a fault is told twice");
      equal(stderr.includes("a526a4c6"), false, "a token is shown");
    });
  }

  for (const [title, values] of ACCEPTED) {
    Deno.test(`${which} accepts ${title}`, async () => {
      const { code, stderr } = await tried(which, values);
      deepEqual([code, stderr], [0, ""]);
    });
  }
}
