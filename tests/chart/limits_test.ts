// The chart refuses what the program refuses: `helm install` must not succeed with values that the pods then turn down.
import { deepEqual, equal, ok } from "node:assert/strict";
import { stringify } from "@std/yaml";
import { chartTable } from "../../scripts/reference/chart_table.ts";
import { ARRAY_KEYS } from "../../src/config/arrays/keys.ts";
import { DRIVER_SECTIONS } from "../../src/config/keys.ts";
import { loadConfig } from "../../src/config/load.ts";
import { CONFIG_LIMITS } from "../../src/config/model.ts";
import { ConfigError, type Problem } from "../../src/config/problems.ts";
import { CHART, HELMS, render } from "./helm.ts";

/** What no template can see, and who holds it in its place. */
const ELSEWHERE: readonly string[] = [
  "fileBytes", // the API server refuses a larger Secret or ConfigMap
  "fileValues", // the limits of arrays and labels together are lower
  "fileDepth", // the chart writes the files
];
/** What the keys of the table bear themselves. */
const OF_KEYS: readonly string[] = ["textChars", "nameChars", "tokenChars"];

Deno.test("each limit of the configuration is in the chart's table and its templates", async () => {
  deepEqual(chartTable().limits, CONFIG_LIMITS);
  const template = await Deno.readTextFile(`${CHART}/templates/_validate.tpl`);
  const forgotten = Object.keys(CONFIG_LIMITS).filter((name) => {
    const used = OF_KEYS.includes(name) ? "$key.chars" : `imits.${name})`;
    return !ELSEWHERE.includes(name) && !template.includes(used);
  });
  deepEqual(forgotten, []);
});

const SEARCHED = ["src/config", "src/config/arrays"];
/** Sizes of what is told and searched, not of what is given. */
const OF_MESSAGES = ["problems.ts", "secret_looks.ts", "files.ts"];

Deno.test("no reader of the configuration has a limit of its own", async () => {
  const found: string[] = [];
  for (const folder of SEARCHED) {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile || name.endsWith("_test.ts") || OF_MESSAGES.includes(name)) continue;
      const text = await Deno.readTextFile(`${folder}/${name}`);
      for (const [line] of text.matchAll(/^.*\bconst [A-Z_]*MAX\b.*$/gm)) found.push(line);
      for (const [line] of text.matchAll(/^.*\b(length|size|count) >=? \d\d.*$/gm)) {
        found.push(line);
      }
    }
  }
  deepEqual(found, []);
});

type Tree = Record<string, unknown>;

/** Puts `value` at a path with dots. */
function put(tree: Tree, path: string, value: unknown): void {
  const [name = "", ...rest] = path.split(".");
  if (rest.length === 0) tree[name] = value;
  else put((tree[name] ??= {}) as Tree, rest.join("."), value);
}

const TOKEN = "a526a4c6-18b0-a8c9-1afa-3499293574bb";

/** `count` characters, of more than one byte each where they may be. */
function long(name: string, count: number): string {
  if (name === "APITokenFile") return `/etc/pure/${"t".repeat(count - "/etc/pure/".length)}`;
  return (name === "Name" || name === "flashblade.exportRules" ? "é" : "a").repeat(count);
}

/** Keys whose text has a shape of its own below the limit: nothing of this length fits it. */
const SHAPED = ["MgmtEndPoint", "NFSEndPoint", "CertFingerprint"];

const LIMITS = CONFIG_LIMITS;

/** Keys of the driver with values as large as they may be, or one larger. */
function driverKeys(beyond: 0 | 1): Tree {
  const tree: Tree = { clusterID: "a".repeat(LIMITS.clusterIdChars + beyond) };
  const chars = LIMITS.textChars + beyond;
  for (const { path, type, range, values } of DRIVER_SECTIONS.flatMap(({ keys }) => keys)) {
    if (path === "clusterID") continue;
    if (path === "storagetopology.nodeLabels") {
      put(tree, path, Array.from({ length: LIMITS.nodeLabels + beyond }, (_, at) => `label-${at}`));
    } else if (type === "text") put(tree, path, long(path, chars));
    else if (type === "words" || type === "options") {
      put(tree, path, ["a".repeat(95), "b".repeat(chars - 96)]);
    } else if (type === "cidrs") {
      put(tree, path, Array.from({ length: LIMITS.cidrs + beyond }, () => "10.0.0.0/8").join(","));
    } else if (type === "integer" && range) put(tree, path, range[1] + beyond);
    else if (type === "choice") put(tree, path, beyond === 1 ? "none" : values?.at(-1));
    else if (type === "switch") put(tree, path, beyond === 1 ? "maybe" : "on");
    else throw new Error(`${path} is of a type that this test does not know`);
  }
  return tree;
}

/** Keys of one entry each, as large as they may be, or one larger. */
function entryKeys(beyond: 0 | 1): { kind: "flasharray" | "flashblade"; keys: Tree }[] {
  const texts = ARRAY_KEYS.flatMap(({ name, kinds, chars }) =>
    chars === undefined || (beyond === 0 && SHAPED.includes(name)) ? [] : kinds.map((kind) => ({
      kind,
      // Two arrays may not have one name.
      keys: { [name]: long(name, chars + beyond).replace("éé", kind.slice(-2)) },
    }))
  );
  const l = (size: number) => "l".repeat(size + beyond);
  const many = Array.from({ length: LIMITS.labels + beyond }, (_, at) => [`l-${at}`, "v"]);
  const others: Tree[] = [
    { Labels: { [`${l(LIMITS.labelDomainChars)}/a`]: "v" } },
    { Labels: { [l(LIMITS.labelChars)]: "v" } },
    { Labels: { [`d/${l(LIMITS.labelChars)}`]: "v" } },
    { Labels: { a: l(LIMITS.labelChars) } },
    { Labels: Object.fromEntries(many) },
    { APITokenSecret: { name: "s".repeat(253 + beyond) } },
  ];
  return [...texts, ...others.map((keys) => ({ kind: "flasharray" as const, keys }))];
}

/** Values that are as large as they may be, or one larger, in each place that has a limit. */
function edge(beyond: 0 | 1): Tree {
  const lists = { flasharray: [] as Tree[], flashblade: [] as Tree[] };
  for (const [at, { kind, keys }] of entryKeys(beyond).entries()) {
    const hasToken = Object.keys(keys).some((name) => name.startsWith("APIToken"));
    lists[kind].push({
      MgmtEndPoint: `array-${at}`,
      ...(hasToken ? {} : { APIToken: TOKEN }),
      ...(kind === "flashblade" ? { NFSEndPoint: "192.0.2.1" } : {}),
      ...keys,
    });
  }
  const arrays = { FlashArrays: lists.flasharray, FlashBlades: lists.flashblade };
  return { ...driverKeys(beyond), arrays };
}

/** More arrays than one installation serves, and nothing else. */
function arrays(beyond: 0 | 1): Tree {
  const FlashArrays = Array.from(
    { length: CONFIG_LIMITS.arrays + beyond },
    (_, at) => ({ MgmtEndPoint: `array-${at}`, APIToken: TOKEN }),
  );
  return { arrays: { FlashArrays } };
}

/** Values whose fault is no size, which both must refuse too. */
const ODD_ENTRIES: readonly Tree[] = [
  ...["fa:0", "fa:65536", "[fa]:443", "999.1.1.1", "a..b", `${"a".repeat(64)}.b`].map(
    (MgmtEndPoint) => ({ MgmtEndPoint, APIToken: TOKEN }),
  ),
  { MgmtEndPoint: "ok-1", APIToken: TOKEN, Name: TOKEN },
  { MgmtEndPoint: "ok-2", APITokenSecret: { name: "a..b" } },
];
const ODD: Tree = {
  flasharray: { defaultFSOpt: "-L 'open", iSCSIAllowedCIDR: "10.010.0.0/16" },
  storagetopology: { nodeLabels: "no label!" },
  arrays: {
    FlashArrays: ODD_ENTRIES,
    FlashBlades: ["fb:1", "192.0.2.300", "-fb"].map((NFSEndPoint, at) => ({
      MgmtEndPoint: `fb-${at}`,
      APIToken: TOKEN,
      NFSEndPoint,
    })),
  },
};

/** Paths of keys that the program refuses, without what stands below a key. */
async function byProgram(values: Tree): Promise<string[]> {
  const found = await loadConfig({
    mode: "controller",
    valuesFile: "values.yaml",
    readTextFile: (path) =>
      Promise.resolve(path === "values.yaml" ? JSON.stringify(values) : TOKEN),
  }).then(() => [], (error): readonly Problem[] => {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  });
  return pathsOf(found.filter(({ severity }) => severity === "error").map(({ path }) => path));
}

function pathsOf(paths: readonly string[]): string[] {
  const shortest = paths.map((path) => path.replace(/(\.Labels|\.APITokenSecret)\..*$/, "$1"));
  return [...new Set(shortest)].sort();
}

/** The same of Helm. Each problem must say what to do. */
async function byChart(which: (typeof HELMS)[number], values: Tree): Promise<string[]> {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(file, stringify(values));
    const { code, stderr } = await render(which, { file });
    const told = stderr.split("\n").filter((line) => line.startsWith("  - "));
    equal(code, told.length === 0 ? 0 : 1, stderr.slice(0, 2000));
    for (const line of told) ok(/: \S.{5,}$/.test(line), `no mend: ${line}`);
    equal(stderr.includes(TOKEN), false);
    return pathsOf(told.map((line) => line.slice(4).split(" ")[0] ?? ""));
  } finally {
    await Deno.remove(file);
  }
}

for (const which of HELMS) {
  Deno.test(`${which} takes values that are as large as the program reads them`, async () => {
    for (const values of [edge(0), arrays(0)]) {
      deepEqual(await byProgram(values), []);
      deepEqual(await byChart(which, values), []);
    }
  });

  Deno.test(`${which} refuses what is larger than the program reads, in each place`, async () => {
    const values = edge(1);
    const refused = await byProgram(values);
    // Each key of the driver has a value too large or not of its kind.
    const keys = DRIVER_SECTIONS.flatMap(({ keys }) => keys).map(({ path }) => path);
    deepEqual(keys.filter((path) => !refused.includes(path)), []);
    ok(refused.length > keys.length + 15, refused.join(" "));
    deepEqual(await byChart(which, values), refused);
    deepEqual(await byProgram(arrays(1)), ["arrays"]);
    deepEqual(await byChart(which, arrays(1)), ["arrays"]);
  });

  Deno.test(`${which} refuses odd texts where the program does`, async () => {
    const refused = await byProgram(ODD);
    equal(refused.length, 14, refused.join(" "));
    deepEqual(await byChart(which, ODD), refused);
  });
}
