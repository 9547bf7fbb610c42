// Every key of the chart, in every spelling, changes what the chart renders.
import { deepEqual, equal, notDeepEqual } from "node:assert/strict";
import { parse } from "@std/yaml";
import { mountedSecretKey } from "../../src/admin/check/mounted_secrets.ts";
import { CHART_SECTIONS } from "../../src/config/chart_keys.ts";
import { type ConfigKey, DRIVER_SECTIONS } from "../../src/config/keys.ts";
import { ADDONS, CHART, objectsOf, render } from "./helm.ts";
import { KEY_CASES } from "./key_cases.ts";
import { type KeyCase, merged, Rendered, valuesAt } from "./rendered.ts";

const CHART_KEYS = CHART_SECTIONS.flatMap(({ keys }) => keys).filter(({ usedBy }) =>
  usedBy === "chart"
);
const DRIVER_KEYS = DRIVER_SECTIONS.flatMap(({ keys }) => keys);

async function renderedWith(values: Record<string, unknown>): Promise<Rendered> {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  await Deno.writeTextFile(file, JSON.stringify(values));
  const { code, stdout, stderr } = await render("helm4", { file, addons: ADDONS });
  await Deno.remove(file);
  equal(code, 0, stderr);
  return new Rendered(objectsOf(stdout));
}

const before = new Map<string, Promise<Rendered>>();

/** What a case reads when its key is not set; undefined where there is nothing to read then. */
async function readWithout({ beside = {}, read }: KeyCase): Promise<unknown> {
  const id = JSON.stringify(beside);
  const rendering = before.get(id) ?? renderedWith(beside);
  before.set(id, rendering);
  const all = await rendering;
  try {
    return read(all);
  } catch {
    return undefined;
  }
}

Deno.test("KEY_CASES has each key that the chart acts on, and no other", () => {
  deepEqual(Object.keys(KEY_CASES).sort(), CHART_KEYS.map(({ path }) => path).sort());
});

for (const { path, old = [] } of CHART_KEYS) {
  const found = KEY_CASES[path];
  if (found === undefined) continue;
  const { value, beside = {}, read, wanted } = found;
  for (const spelling of [path, ...old]) {
    Deno.test(`the key ${spelling} has its effect`, async () => {
      if (wanted !== undefined) notDeepEqual(await readWithout(found), wanted);
      deepEqual(read(await renderedWith(merged(beside, valuesAt(spelling, value)))), wanted);
    });
  }
}

function otherValue({ type, values, range, path }: ConfigKey): unknown {
  if (type === "switch") return true;
  if (type === "integer") return range?.[0];
  if (type === "choice") return values?.at(-1);
  return path.endsWith("CIDR") ? "192.0.2.0/24" : "x";
}

for (const isOld of [false, true]) {
  const which = isOld ? "in its old spelling" : "by its name";
  Deno.test(`every key of the driver that is set ${which} reaches the ConfigMap`, async () => {
    const given = DRIVER_KEYS.map((key) =>
      valuesAt((isOld && key.old?.[0]) || key.path, otherValue(key))
    );
    const all = await renderedWith(given.reduce(merged, {}));
    const config = JSON.parse(
      all.get("ConfigMap", "pure-csi-container-configmap").data["appconfig.json"],
    );
    deepEqual(
      config,
      DRIVER_KEYS.map((key) => valuesAt(key.path, otherValue(key))).reduce(merged, {}),
    );
  });
}

Deno.test("what is not set is as values.yaml has it: helm upgrade --reuse-values knows no new keys", async () => {
  const values = parse(await Deno.readTextFile(`${CHART}/values.yaml`));
  const nothing = Object.fromEntries(Object.keys(values as object).map((key) => [key, null]));
  deepEqual((await renderedWith(nothing)).objects, (await renderedWith({})).objects);
  const simulated = await renderedWith({
    ...nothing,
    simulate: { ...without(values), enabled: true },
  });
  deepEqual(simulated.get("Service", "pure-csi-simulator").spec.ports.length, 3);
});

/** `null` for every key of `simulate`. */
function without(values: unknown): Record<string, null> {
  const { simulate } = values as { simulate: Record<string, unknown> };
  return Object.fromEntries(Object.keys(simulate).map((key) => [key, null]));
}

Deno.test("a network policy lets the controllers reach the simulated arrays", async () => {
  const all = await renderedWith({ networkPolicy: { enabled: true }, simulate: { enabled: true } });
  const ports = all.get("NetworkPolicy").spec.egress[2].ports.map(({ port }: { port: number }) =>
    port
  );
  deepEqual(ports, [443, 8443, 8444, 8445]);
});

Deno.test("the file system of classes that name none is written into each PersistentVolume", async () => {
  for (const [flasharray, wanted] of [[{}, "xfs"], [{ defaultFSType: "EXT4" }, "ext4"]] as const) {
    const all = await renderedWith({ flasharray });
    const { args } = all.container("controllerServer", "csi-provisioner");
    deepEqual(args.filter((one: string) => one.startsWith("--default-fstype")), [
      `--default-fstype=${wanted}`,
    ]);
  }
});

Deno.test("admin finds the Secrets of tokens where the chart mounts them, and no other", async () => {
  const APITokenSecret = { name: "fa1" };
  const all = await renderedWith({
    arrays: { FlashArrays: [{ MgmtEndPoint: "fa1", APITokenSecret }] },
    controllerServer: {
      tokenSecrets: [{ name: "fa2", key: "t" }],
      volumes: [{ name: "more", secret: { secretName: "other" } }],
      volumeMounts: [{ name: "more", mountPath: "/srv/more" }],
    },
  });
  const found = (path: string) => mountedSecretKey(all.workload("controllerServer"), path);
  deepEqual(found("/etc/pure/tokens/fa1/token"), { name: "fa1", key: "token" });
  deepEqual(found("/etc/pure/tokens/fa2/t"), { name: "fa2", key: "t" });
  deepEqual(found("/srv/more/x"), { name: "other", key: "x" });
  equal(found("/etc/pure/tokens/fa2/token"), undefined);
  equal(found("/etc/pure/tokens/other/token"), undefined);
});
