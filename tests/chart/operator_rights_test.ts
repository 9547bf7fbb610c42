// What the operator may do, against what the chart renders: computed from the chart, not listed.
import { deepEqual, equal, ok } from "node:assert/strict";
import { filesBelow } from "../../scripts/paths.ts";
import {
  covers,
  manifest,
  operatorRights,
  type Right,
  rightsOf,
  rightText,
  type Scope,
} from "../support/operator_files.ts";
import { ADDONS, CHART, type KubeObject, NAMESPACE, objectsOf, render } from "./helm.ts";

const VALUES = new URL("values", import.meta.url).pathname;
/** What no values file of the tests turns on. */
const MORE =
  "ephemeral.enabled=true,csi.storageCapacity=true,storagetopology.enable=true,simulate.enabled=true," +
  "networkPolicy.enabled=true,orchestrator.name=openshift,metrics.serviceMonitor.enabled=true," +
  "metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true";
/** What Helm does to an object that it makes, changes and deletes. */
const VERBS = ["get", "create", "update", "patch", "delete"];

/** Kinds of the whole cluster that the chart makes; all others are in a namespace. */
const CLUSTER_KINDS = [
  "ClusterRole",
  "ClusterRoleBinding",
  "CSIDriver",
  "StorageClass",
  "VolumeAttributesClass",
  "VolumeSnapshotClass",
  "VolumeGroupSnapshotClass",
  "SecurityContextConstraints",
  "SnapshotMetadataService",
  "Namespace",
  "CustomResourceDefinition",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
];

/** How the API calls the objects of a kind. */
function resourceOf(kind: string): string {
  const word = kind.toLowerCase();
  if (word.endsWith("constraints")) return word;
  if (word.endsWith("y")) return `${word.slice(0, -1)}ies`;
  return word.endsWith("s") ? `${word}es` : `${word}s`;
}

const groupOf = (apiVersion: string) =>
  apiVersion.includes("/") ? apiVersion.split("/")[0] ?? "" : "";
const scopeOf = (kind: string): Scope => CLUSTER_KINDS.includes(kind) ? "cluster" : "namespace";

/** Objects of every values file of the tests, and of one with everything turned on. */
async function rendered(): Promise<KubeObject[]> {
  const files = (await filesBelow(VALUES)).filter((file) => file.endsWith(".yaml"));
  ok(files.length >= 8, "the values files were found");
  const runs = [
    ...files.map((file) => ({ file, addons: ADDONS })),
    { file: `${VALUES}/none.yaml`, addons: ADDONS, args: ["--set", MORE] },
  ];
  const texts = await Promise.all(runs.map(async (run) => {
    const { code, stdout, stderr } = await render("helm3", run);
    equal(code, 0, stderr);
    return stdout;
  }));
  // `helm test` is not the operator's.
  return texts.flatMap(objectsOf).filter(({ metadata }) =>
    metadata.annotations?.["helm.sh/hook"] !== "test"
  );
}

/** The rights that the rendered roles grant, which nobody may grant who has not got them. */
function granted(objects: readonly KubeObject[]): Right[] {
  return objects.flatMap(({ kind, rules, metadata }) => {
    if (kind === "ClusterRole") return rightsOf(rules, "cluster");
    // Another namespace than its own is the administrator's to allow: docs/install.md.
    if (kind !== "Role" || metadata.namespace !== NAMESPACE) return [];
    return rightsOf(rules, "namespace");
  });
}

/** The rights to make, change and delete the objects. */
function made(objects: readonly KubeObject[]): Right[] {
  const kinds = new Map(objects.map(({ apiVersion, kind }) => [`${apiVersion} ${kind}`, {
    group: groupOf(apiVersion),
    kind: String(kind),
  }]));
  return [...kinds.values()].flatMap(({ group, kind }) =>
    VERBS.map((verb) => ({ scope: scopeOf(kind), group, resource: resourceOf(kind), verb }))
  );
}

/** What a variable of a template was given last before a place; the expression, as it stands there. */
function valueOf(text: string, variable: string): string {
  const found = text.matchAll(/\$(\w+)(?:, \$\w+)? := ([^}]*)/g);
  return [...found].filter(([, name]) => `$${name}` === variable).at(-1)?.[2]?.replace(
    /\s*-?\s*$/,
    "",
  ) ?? "";
}

/** The rights to get what a template looks up, in whichever namespace. */
function lookedUpIn(text: string): Right[] {
  const found = [...text.matchAll(/\blookup "([^"]+)" "([^"]+)" (\S+) ("[^"]+"|\$\w+)?/g)];
  equal(found.length, text.match(/\blookup "/g)?.length ?? 0, "each lookup names its kind");
  return found.flatMap(
    ({ index, 1: apiVersion = "", 2: kind = "", 3: where = "", 4: what = "" }) => {
      const before = text.slice(0, index);
      const names = what.startsWith("$") ? valueOf(before, what) : what;
      // A name that only the cluster or the values know is every name.
      const listed = /^(list )?("[^"]+" ?)+$/.test(names.trim());
      const isOwn = /Release\.Namespace/.test(
        where.startsWith("$") ? valueOf(before, where) : where,
      );
      return (listed ? [...names.matchAll(/"([^"]+)"/g)].map(([, name]) => name) : [undefined])
        .map((name): Right => ({
          scope: scopeOf(kind) === "namespace" && isOwn ? "namespace" : "cluster",
          group: groupOf(apiVersion),
          resource: resourceOf(kind),
          ...name !== undefined && { name },
          verb: "get",
        }));
    },
  );
}

async function lookedUp(): Promise<Right[]> {
  const files = await filesBelow(`${CHART}/templates`);
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(file)));
  return texts.flatMap(lookedUpIn);
}

function missing(rights: readonly Right[], wanted: readonly Right[]): string[] {
  return [...new Set(wanted.filter((one) => !covers(rights, one)).map(rightText))];
}

Deno.test("the operator has every right that the chart grants, and those to make and look at its objects", async () => {
  const objects = await rendered();
  const rights = await operatorRights();
  const wanted = [...granted(objects), ...made(objects), ...await lookedUp()];
  ok(wanted.length > 150, `${wanted.length} rights were found`);
  deepEqual(missing(rights, wanted), []);
  const without = rights.filter(({ resource }) => resource !== "csinodes");
  ok(missing(without, wanted).length > 0, "a right that is missing is seen");
});

Deno.test("the operator has no right that neither the chart nor the operator needs", async () => {
  const own: Right[] = [
    ...["get", "list", "watch", "update", "patch"].map((verb) => ofPlugins("psoplugins", verb)),
    ...["get", "update", "patch"].map((verb) => ofPlugins("psoplugins/status", verb)),
    ofPlugins("psoplugins/finalizers", "update"),
    // Helm's records, found by a list and a watch.
    ...["list", "watch"].map((verb): Right => ({ scope: "namespace", ...core("secrets"), verb })),
    ...["create", "patch"].map((verb): Right => ({ scope: "namespace", ...core("events"), verb })),
  ];
  const objects = await rendered();
  const wanted = [...granted(objects), ...made(objects), ...await lookedUp(), ...own];
  // In its namespace the values choose the names, as of the Secret with the arrays.
  const needed = wanted.flatMap((one) =>
    one.scope === "namespace" ? [one, { ...one, name: undefined }] : [one]
  );
  deepEqual(missing(needed, await operatorRights()), []);
});

const core = (resource: string) => ({ group: "", resource });
const ofPlugins = (resource: string, verb: string): Right => ({
  scope: "namespace",
  group: "purestorage.com",
  resource,
  verb,
});

Deno.test("no right of the operator holds a wildcard, and it reads Secrets of its own namespace alone", async () => {
  const rights = await operatorRights();
  const words = rights.flatMap(({ group, resource, verb, name = "" }) => [
    group,
    resource,
    verb,
    name,
  ]);
  deepEqual(words.filter((word) => word.includes("*")), []);
  deepEqual(rights.filter(({ verb }) => ["escalate", "bind", "impersonate"].includes(verb)), []);
  deepEqual(
    rights.filter(({ scope, resource }) => scope === "cluster" && resource === "secrets"),
    [],
  );
  const bindings = (await manifest("rbac")).filter(({ kind }) => kind.endsWith("Binding"));
  for (const { subjects } of bindings) {
    deepEqual(subjects.map(({ kind, name }: KubeObject) => [kind, name]), [
      ["ServiceAccount", "pso-csi-operator"],
    ]);
  }
});
