import assert from "node:assert/strict";
import { APP_CONFIG_FILE, SECRET_FILE } from "./load.ts";
import { problemText } from "./problems.ts";
import {
  ADVICE,
  faultsOf,
  FLEET,
  load,
  loadValues,
  TOKEN,
} from "../../tests/support/test_values.ts";

const SECRET = JSON.stringify({
  FlashArrays: [{ MgmtEndPoint: "fa1", APIToken: TOKEN }],
  FlashBlades: null,
});

Deno.test("loadConfig() reads the mounted forms of PSO's charts and their variables, files before variables", async () => {
  const variables: Record<string, string> = {
    PURE_K8S_NAMESPACE: "prod",
    PURE_FLASHARRAY_SAN_TYPE: "NVMEOF-RDMA",
    PURE_DEFAULT_BLOCK_FS_TYPE: "ext4",
    PURE_DEFAULT_BLOCK_FS_OPT: "-q -K",
    PURE_DEFAULT_BLOCK_MNT_OPT: "discard noatime",
    PURE_PREEMPT_RWO_ATTACHMENTS_DEFAULT: "false",
    PURE_ISCSI_LOGIN_TIMEOUT: "7",
    PURE_ISCSI_ALLOWED_CIDRS: "10.0.0.0/8",
    PURE_DEFAULT_ENABLE_FB_NFS_SNAPSHOT: "true",
  };
  const appConfig = JSON.stringify({ exportRules: "*(ro)", flasharray: { sanType: "FC" } });
  const { config, warnings } = await load({ [SECRET_FILE]: SECRET, [APP_CONFIG_FILE]: appConfig }, {
    env: (name) => variables[name],
  });
  assert.deepEqual(warnings, []);
  assert.equal(config.clusterId, "prod");
  assert.deepEqual(config.flashblade, { snapshotDirectoryEnabled: true, exportRules: "*(ro)" });
  assert.deepEqual({
    ...config.flasharray,
    iscsiAllowedCidrs: config.flasharray.iscsiAllowedCidrs.map(({ text }) => text),
  }, {
    sanType: "fc",
    defaultFsType: "ext4",
    defaultMkfsOptions: ["-q", "-K"],
    defaultMountOptions: ["discard", "noatime"],
    preemptAttachments: false,
    iscsiLoginTimeoutSeconds: 7,
    iscsiAllowedCidrs: ["10.0.0.0/8"],
    multipath: true,
  });
  assert.equal(config.arrays[0]?.token.reveal(), TOKEN);
});

Deno.test("loadConfig() names the variable that holds a wrong value", async () => {
  const env = (name: string) => name === "PURE_ISCSI_LOGIN_TIMEOUT" ? "soon" : undefined;
  assert.deepEqual(await faultsOf(loadValues(FLEET, { env })), [
    'PURE_ISCSI_LOGIN_TIMEOUT is "soon", wanted 1 to 600 seconds',
  ]);
});

Deno.test("loadConfig() needs the Secret file, which PURE_DISCOVERY_CONF may name, and no ConfigMap file", async () => {
  const advice = "give a values file with -f, or mount the Secret and the ConfigMap of the chart";
  assert.deepEqual(await faultsOf(load({})), [`/etc/pure/pure.json does not exist: ${advice}`]);
  const { config } = await load({ "/pure.json": SECRET }, {
    env: (name) => name === "PURE_DISCOVERY_CONF" ? "/pure.json" : undefined,
  });
  assert.equal(config.arrays.length, 1);
});

Deno.test("loadConfig() takes a Secret file without arrays, and tells so", async () => {
  for (const text of ["null", "{}", `{"FlashArrays": []}`]) {
    const { config, warnings } = await load({ [SECRET_FILE]: text });
    assert.deepEqual(config.arrays, []);
    assert.deepEqual(warnings.map(problemText), [
      "arrays lists no array, so that no volume can be made or attached: add an entry to " +
      "arrays.FlashArrays or arrays.FlashBlades",
    ]);
  }
});

Deno.test("loadConfig() tells of a Secret file that holds a list", async () => {
  assert.deepEqual(await faultsOf(load({ [SECRET_FILE]: "[]" })), [
    "/etc/pure/pure.json holds a list, wanted a mapping of keys, such as `arrays:`",
  ]);
});

Deno.test("loadConfig() tells where a Secret file is broken", async () => {
  const broken = `{"FlashArrays": [\n  {"MgmtEndPoint": "fa1" "APIToken": "${TOKEN}"}\n]}`;
  assert.deepEqual(await faultsOf(load({ [SECRET_FILE]: broken })), [
    "/etc/pure/pure.json is no valid JSON in line 2, column 26 (missed comma between flow " +
    `collection entries): ${ADVICE}`,
  ]);
});

Deno.test("loadConfig() throws the arrays of a node away with a warning and reads no Secret file", async () => {
  const read: string[] = [];
  const values = `arrays: {FlashArrays: [{MgmtEndPoint: fa1, APITokenFile: /token, Colour: red}]}`;
  const readTextFile = (path: string) => {
    read.push(path);
    return Promise.resolve(path === "v.yaml" ? values : "{}");
  };
  const { config, warnings } = await load({}, { valuesFile: "v.yaml", mode: "node", readTextFile });
  assert.deepEqual(config.arrays, []);
  assert.deepEqual(warnings.map(problemText), [
    "arrays stands in a node's configuration and was thrown away: nodes need no arrays and no " +
    "API tokens, take them out",
  ]);
  await load({}, { mode: "node", readTextFile });
  assert.deepEqual(read, ["v.yaml", APP_CONFIG_FILE]);
});

Deno.test("loadConfig() gives a node its defaults when there is no file at all", async () => {
  const { config, warnings } = await load({}, { mode: "node" });
  assert.deepEqual([config.clusterId, config.arrays, warnings], ["k8s", [], []]);
});
