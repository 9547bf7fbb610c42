import { deepEqual, equal, throws } from "node:assert/strict";
import { GiB, MiB } from "../size.ts";
import {
  CLASS_PARAMETERS,
  parameterOfOtherKind,
  parseParameters,
  refuseSnapshotParameters,
} from "./parameters.ts";

Deno.test("parseParameters() reads every parameter, keys in any case", () => {
  deepEqual(
    parseParameters({
      backend: "Block",
      createOptions: " -q -i size=512 ",
      exportrules: "*(rw)",
      iops_limit: "5000",
      bandwidth_limit: "100M",
      tags: "tier=gold, team=a=b",
      array_selector: "tier=gold",
      pod: " Prod_1 ",
      protocol: "NVMEOF-RDMA",
    }),
    {
      kind: "block",
      mkfsOptions: ["-q", "-i", "size=512"],
      exportRules: "*(rw)",
      iopsLimit: 5000,
      bandwidthLimitBytes: 100 * MiB,
      tags: { tier: "gold", team: "a=b" },
      arraySelector: [{ key: "tier", values: ["gold"], negated: false, text: "tier=gold" }],
      container: { what: "pod", name: "Prod_1" },
      protocol: "nvme-roce",
      claim: {},
    },
  );
});

Deno.test("parseParameters() takes Kubernetes' own keys and old ones without complaint", () => {
  const { claim, ...rest } = parseParameters({
    "csi.storage.k8s.io/fstype": "xfs",
    "csi.storage.k8s.io/pvc/name": "data",
    "csi.storage.k8s.io/pvc/namespace": "shop",
    "csi.storage.k8s.io/pv/name": "pvc-1",
    "csi.storage.k8s.io/provisioner-secret-name": "s",
    fsType: "ext4",
    csiProvisionerSecretName: "s",
    csiProvisionerSecretNamespace: "n",
  });
  deepEqual(claim, { name: "data", namespace: "shop", volume: "pvc-1" });
  deepEqual(rest, { arraySelector: [] });
});

Deno.test("parseParameters() names the nearest key and all known ones for an unknown key", () => {
  throws(() => parseParameters({ iops_limt: "100" }), {
    code: "invalid",
    message: 'class parameter "iops_limt" is unknown, did you mean iops_limit; known are ' +
      CLASS_PARAMETERS.map(({ name }) => name).join(", "),
  });
  throws(() => parseParameters({ constructor: "1" }), { code: "invalid" });
});

const BANDWIDTHS: [string, number][] = [["1048576", MiB], ["1M", MiB], ["1g", GiB], [
  "512G",
  512 * GiB,
], ["1024K", MiB]];
for (const [text, bytes] of BANDWIDTHS) {
  Deno.test(`parseParameters() reads bandwidth_limit ${text}`, () =>
    equal(parseParameters({ bandwidth_limit: text }).bandwidthLimitBytes, bytes));
}

const WRONG: [string, string][] = [
  ["bandwidth_limit", "1048577"],
  ["bandwidth_limit", "1023K"],
  ["bandwidth_limit", "513G"],
  ["bandwidth_limit", "1T"],
  ["bandwidth_limit", ""],
  ["bandwidth_limit", "-1"],
  ["iops_limit", "99"],
  ["iops_limit", "100000001"],
  ["iops_limit", "1e3"],
  ["iops_limit", "100.5"],
  ["backend", "object"],
  ["backend", "toString"],
  ["protocol", "local"],
  ["protocol", "smb"],
  ["array_selector", "a in b"],
  ["array_selector", "a in (b,)"],
  ["array_selector", "a in ()"],
  ["labels", ""],
  ["labels", "tier"],
  ["labels", "tier!=gold"],
  ["labels", "tier==gold"],
  ["labels", "!tier=gold"],
  ["labels", "tier in (gold)"],
  ["selector", ""],
  ["selector", "tier=gold"],
  ["selector", "{}"],
  ["selector", '{"matchLabels": {}}'],
  ["selector", '{"matchLabels": {"rack": 22}}'],
  ["selector", '{"matchlabels": {"rack": "22"}}'],
  ["selector", '{"matchLabels": {"rack": "22"}, "matchFields": []}'],
  ["selector", '{"matchExpressions": [{"key": "a", "operator": "in", "values": ["b"]}]}'],
  ["selector", '{"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}'],
  ["selector", '{"matchExpressions": [{"key": "a", "operator": "In"}]}'],
  ["selector", '{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}'],
  ["selector", '{"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}'],
  ["selector", '{"matchExpressions": [{"operator": "Exists"}]}'],
  ["selector", '{"matchExpressions": {"key": "a", "operator": "Exists"}}'],
  ["selector", "matchLabels: ["],
  ["arrayID", "fa-1"],
  ["arrayID", ""],
  ["array_selector", "!a=b"],
  ["createoptions", "-q\n-f"],
  ["createoptions", "-q\u0000"],
  ["createoptions", '-L "my label'],
  ["createoptions", "-L it's"],
  ["exportrules", "x".repeat(1025)],
  ["iops_limit", "no"],
  ["tags", ""],
  ["tags", "tier"],
  ["tags", "=gold"],
  ["tags", "tier="],
  ["tags", "tier=gold,"],
  ["tags", "tier=gold,tier=silver"],
  ["tags", "Cluster=k8s"],
  ["tags", "pvc-name=other"],
  ["tags", "tier=go\u0007ld"],
  ["tags", "a b=c"],
  ["tags", `${"k".repeat(65)}=v`],
  ["tags", `k=${"v".repeat(257)}`],
  ["tags", Array.from({ length: 21 }, (_, at) => `k${at}=v`).join(",")],
];
for (const [key, value] of WRONG) {
  Deno.test(`parseParameters() refuses ${key} ${JSON.stringify(value.slice(0, 12))}`, () => {
    throws(() => parseParameters({ [key]: value }), { code: "invalid" });
  });
}

Deno.test("parameterOfOtherKind() names what the kind refuses, and leaves alone what it ignores", () => {
  const limits = { Bandwidth_Limit: "100M", iops_limit: "5000" };
  equal(parameterOfOtherKind(limits, "file"), "iops_limit");
  equal(parameterOfOtherKind({ Bandwidth_Limit: "100M" }, "file"), "bandwidth_limit");
  equal(parameterOfOtherKind(limits, "block"), undefined);
  equal(parameterOfOtherKind({ createoptions: "-q", backend: "file" }, "file"), undefined);
  equal(parameterOfOtherKind({ exportrules: "*(rw)" }, "block"), undefined);
});

Deno.test("refuseSnapshotParameters() takes Kubernetes' own keys and names any other", () => {
  refuseSnapshotParameters({
    "csi.storage.k8s.io/volumesnapshot/name": "a",
    csiSnapshotterSecretName: "b",
  });
  throws(() => refuseSnapshotParameters({ retention: "7d" }), {
    code: "invalid",
    message: 'snapshot class parameter "retention" is unknown: remove it, there are none',
  });
});
