// Files of the chart beside its templates: alerts, dashboard, keys, and the list of images.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { parse } from "@std/yaml";
import { allMetrics, chartAlerts } from "../../scripts/reference/metrics_page.ts";
import { chartTable } from "../../scripts/reference/chart_table.ts";
import { tryTool } from "../../scripts/shell.ts";
import { build, CHART, HELMS, programOf } from "./helm.ts";

/** Series that a metric of the program gives. */
function seriesOf({ name, kind }: { name: string; kind: string }): string[] {
  return kind === "histogram" ? [`${name}_count`, `${name}_sum`, `${name}_bucket`] : [name];
}

const SERIES = new Set(allMetrics().flatMap(seriesOf));

function namesIn(expr: string): string[] {
  return expr.match(/\b(pso|csi|process)_[a-z_]+/g) ?? [];
}

Deno.test("alerts ask for metrics that the program has", () => {
  for (const { alert, expr } of chartAlerts()) {
    const names = namesIn(expr);
    ok(names.length > 0, alert);
    deepEqual(names.filter((name) => !SERIES.has(name)), [], alert);
  }
});

/** Labels that a query selects or sums by, but for those that Prometheus itself gives. */
function labelsIn(expr: string): string[] {
  const selected = [...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside = ""]) =>
    [...inside.matchAll(/(\w+)(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label)
  );
  const summed = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list.split(/,\s*/)
  );
  return [...selected, ...summed].filter((label) => label !== "instance" && label !== "le");
}

/** Labels of the metrics that a query names. */
function labelsOf(expr: string): Set<string> {
  const names = namesIn(expr);
  const metrics = allMetrics().filter((one) => seriesOf(one).some((name) => names.includes(name)));
  return new Set(metrics.flatMap(({ labels }) => labels ?? []));
}

Deno.test("alerts and dashboard select and sum by labels that their metrics have", async () => {
  const exprs = [...chartAlerts().map(({ expr }) => expr), ...await queries()];
  const wrong = exprs.flatMap((expr) => {
    const has = labelsOf(expr);
    return labelsIn(expr).filter((label) => !has.has(label)).map((label) => `${label}: ${expr}`);
  });
  deepEqual(wrong, []);
});

Deno.test("alerts speak of labels that their query leaves", () => {
  for (const { alert, expr, annotations } of chartAlerts()) {
    const said = Object.values(annotations).join(" ").matchAll(/\$labels\.(\w+)/g);
    const kept = new Set([...labelsIn(expr), ...expr.includes("sum(") ? [] : ["instance"]]);
    if (/\b(by|on) \([^)]*\binstance\b/.test(expr)) kept.add("instance");
    for (const [, label = ""] of said) ok(kept.has(label), `${alert}: ${label}`);
  }
});

Deno.test("each metric that calls for a person has an alert", () => {
  const asked = new Set(chartAlerts().flatMap(({ expr }) => namesIn(expr)));
  const calling = allMetrics().filter(({ alert }) => alert !== undefined && alert !== "");
  deepEqual(
    calling.filter((metric) => !seriesOf(metric).some((name) => asked.has(name))).map(({ name }) =>
      name
    ),
    [],
  );
});

Deno.test("each alert says what it means and what to do", () => {
  const names = chartAlerts().map(({ alert }) => alert);
  equal(new Set(names).size, names.length);
  for (const { alert, labels, annotations } of chartAlerts()) {
    match(labels.severity, /^(warning|critical)$/, alert);
    for (const text of Object.values(annotations)) match(text, /^\S.*\.\s*$/s, alert);
    ok(annotations.runbook.length > 40, alert);
  }
});

interface Panel {
  id: number;
  targets?: { expr: string }[];
}

async function panels(): Promise<Panel[]> {
  return JSON.parse(await Deno.readTextFile(`${CHART}/files/dashboard.json`)).panels;
}

/** What the dashboard asks for. */
async function queries(): Promise<string[]> {
  return (await panels()).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

Deno.test("the dashboard asks for metrics that the program has", async () => {
  const exprs = await queries();
  ok(exprs.length > 15);
  for (const expr of exprs) {
    const names = namesIn(expr);
    ok(names.length > 0, expr);
    deepEqual(names.filter((name) => !SERIES.has(name)), [], expr);
  }
  const ids = (await panels()).map(({ id }) => id);
  equal(new Set(ids).size, ids.length);
});

/** Paths of all values of a tree that are no mapping, and of empty mappings. */
function leaves(tree: Record<string, unknown>, parent = ""): string[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    const path = parent + name;
    const isTree = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!isTree || Object.keys(value).length === 0) return [path];
    return leaves(value as Record<string, unknown>, `${path}.`);
  });
}

Deno.test("each key of values.yaml is in the table of keys, those in comments too", async () => {
  const text = await Deno.readTextFile(`${CHART}/values.yaml`);
  const { spellings, keys, branches } = chartTable();
  const isKnown = (path: string): boolean => {
    const parts = path.split(".");
    return path in branches || parts.some((_, length) => {
      const type = keys[spellings[parts.slice(0, length + 1).join(".")] ?? ""]?.type;
      return type !== undefined &&
        (length + 1 === parts.length || type === "mapping");
    });
  };
  const all = leaves(parse(text) as Record<string, unknown>);
  ok(all.length > 50);
  deepEqual(all.filter((path) => !path.startsWith("arrays.") && !isKnown(path)), []);
});

for (const which of HELMS) {
  Deno.test(`deploy/helm/images lists the same images with ${which}, and commands for a mirror`, async () => {
    await build();
    const env = { HELM: programOf(which) };
    const script = `${CHART}/../images`;
    const plain = await tryTool(script, [], { env });
    equal(plain.code, 0, plain.stderr);
    const images = plain.stdout.trim().split("\n");
    deepEqual(images.map((image) => image.replace(/:[^:]*$/, "")), [
      "docker.io/purestorage/pso-bin",
      "registry.k8s.io/sig-storage/csi-attacher",
      "registry.k8s.io/sig-storage/csi-node-driver-registrar",
      "registry.k8s.io/sig-storage/csi-provisioner",
      "registry.k8s.io/sig-storage/csi-resizer",
      "registry.k8s.io/sig-storage/csi-snapshot-metadata",
      "registry.k8s.io/sig-storage/csi-snapshotter",
    ]);
    const mirror = await tryTool(script, ["--mirror", "registry.example.com:5000/m"], { env });
    match(
      mirror.stdout,
      /^skopeo copy --all docker:\/\/docker\.io\/purestorage\/pso-bin:(\S+) docker:\/\/registry\.example\.com:5000\/m\/purestorage\/pso-bin:\1$/m,
    );
    const own = await tryTool(script, ["--set", "images.registry=r.example.com"], { env });
    for (const image of own.stdout.trim().split("\n")) match(image, /^r\.example\.com\//);
  });
}
