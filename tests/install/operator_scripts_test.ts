// Flags of the operator's scripts, and what they refuse before anything is changed.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { filesBelow } from "../../scripts/paths.ts";
import { tryTool } from "../../scripts/shell.ts";
import { definitions } from "../chart/helm.ts";
import { manifest, OPERATOR } from "../support/operator_files.ts";
import { pso52 } from "../support/pso_objects.ts";
import { NAMESPACE, OperatorBed, PLUGIN } from "./operator_bed.ts";

const TOKEN = "6a1b2c3d-0000-4000-8000-000000000001";
const ARRAYS = { FlashArrays: [{ MgmtEndPoint: "192.0.2.10", APIToken: TOKEN }] };

/** Says yes to everything, and writes down what it was asked, with the files that were named. */
const KUBECTL = `#!/bin/sh
echo "$@" >>"$CALLS"
for last; do [ "$before" != -f ] || cat "$last" >>"$CALLS.files"; before=$last; done
`;

interface Asked {
  code: number;
  stderr: string;
  calls: string;
  /** Every file that kubectl was given. */
  files: string;
}

/** Runs a script with a kubectl that knows nothing and refuses nothing. */
async function ask(dir: string, name: string, ...args: string[]): Promise<Asked> {
  const [tool, file] = [`${dir}/kubectl`, `${dir}/calls`];
  await Deno.writeTextFile(tool, KUBECTL, { mode: 0o755 });
  for (const empty of [file, `${file}.files`]) await Deno.writeTextFile(empty, "");
  const env = { KUBECTL: tool, CALLS: file };
  const { code, stderr } = await tryTool(`${OPERATOR}/${name}.sh`, args, { env });
  const [calls, files] = await Promise.all(
    [file, `${file}.files`].map((path) => Deno.readTextFile(path)),
  );
  return { code, stderr, calls: calls ?? "", files: files ?? "" };
}

/** Flags, and the text that a refusal holds. */
const REFUSED: [name: string, args: string[], why: RegExp][] = [
  [
    "install",
    ["-nmespace=pso"],
    /does not know -nmespace=pso\. install\.sh --help lists the flags/,
  ],
  ["install", ["pso"], /does not know "pso": flags begin with a dash/],
  ["install", ["-force"], /does not know -force/],
  ["install", ["-namespace"], /-namespace needs a value, as in -namespace=VALUE/],
  ["install", ["--namespace="], /--namespace= needs a value; leave the flag out for its default/],
  ["install", ["-namespace=Pso_1"], /-namespace=Pso_1 is no name of a namespace/],
  [
    "install",
    ["-orchestrator=rancher"],
    /-orchestrator=rancher is not known: say k8s or openshift/,
  ],
  ["install", ["-image=a b"], /-image=a b is no name of an image/],
  ["install", ["-timeout=soon"], /-timeout=soon is no time: say seconds, as in 300, or minutes/],
  ["install", ["-wait=long"], /-wait=long is not known: say pods, release or none/],
  ["install", ["-f", "/nowhere.yaml"], /-f \/nowhere\.yaml: there is no such file/],
  ["install", ["--node-selector=a"], /set nodeServer\.nodeSelector in the values file instead/],
  ["update", ["--version=8"], /each release brings its own scripts/],
  ["update", ["-orchestrator=k8s"], /-orchestrator needs -f/],
  ["uninstall", ["-f", "values.yaml"], /does not know -f/],
  ["uninstall", ["-force=no"], /-force=no: say -force, or leave it out/],
];

Deno.test("a flag that a script does not know is refused, and nothing is asked of the cluster", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "k-" });
  try {
    for (const [name, args, why] of REFUSED) {
      await t.step(`${name}.sh ${args.join(" ")}`, async () => {
        const { code, stderr, calls } = await ask(dir, name, ...args);
        deepEqual([code, calls], [2, ""]);
        match(stderr, why);
      });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("in a namespace of another name, the operator's account has its rights there", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k-" });
  try {
    const { code, files } = await ask(dir, "install", "-namespace=one", "-wait=none");
    equal(code, 0);
    const found = files.matchAll(/\bnamespace: ([-a-z0-9]+)(?: *[,}].*)?$/gm);
    const named = Array.from(found, ([, name]) => name);
    ok(named.length >= 6, files);
    deepEqual([...new Set(named)], ["one"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a flag has one dash or two, and its value behind = or a space", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k-" });
  try {
    const forms = [["-namespace=one"], ["--namespace=one"], ["-namespace", "one"], [
      "--namespace",
      "one",
    ], ["-n", "one"]];
    for (const form of forms) {
      const { code, stderr, calls } = await ask(dir, "install", ...form, "-wait=none");
      equal(code, 0, stderr);
      match(calls, /create namespace one\n/, form.join(" "));
    }
    match((await ask(dir, "install", "-wait=none")).calls, /create namespace pso\n/);
    for (const name of ["install", "update", "uninstall"]) {
      const { code, stdout } = await tryTool(`${OPERATOR}/${name}.sh`, ["--help"]);
      equal(code, 0);
      match(stdout, /-namespace=NAME/);
    }
    const missing = await tryTool(`${OPERATOR}/install.sh`, [], { env: { KUBECTL: "/none" } });
    equal(missing.code, 3);
    match(missing.stderr, /neither kubectl nor oc is here/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** A values file that is refused, and why. */
const BAD_VALUES: [text: string, why: RegExp][] = [
  ["a: [1\n", /is no YAML, near line \d+: .*Mend it; nothing was changed/],
  ["- a\n", /holds no keys with values/],
  ["a: 1\n---\nb: 2\n", /has several documents/],
  [
    `arrays: {FlashArrays: [{APIToken: ${TOKEN}}]}\nexistingSecret: {name: mine}\n`,
    /Keep one of the/,
  ],
  [
    `arrays: {FlashArrays: [{APIToken: ${TOKEN}}, {APITokenSecret: {name: a}}]}\n`,
    /name those Secrets in controllerServer\.tokenSecrets too/,
  ],
  [
    `arrays: {FlashArrays: [{APIToken: ${TOKEN}}]}\nsimulate: {enabled: true}\n`,
    /give each array an APITokenSecret/,
  ],
  [`Arrays: {FlashArrays: [{APIToken: ${TOKEN}}]}\n`, /would lie in clear in the PSOPlugin/],
  [`extraObjects: [{kind: Secret, data: {a: b}}]\n`, /would lie in clear in the PSOPlugin/],
  ["orchestrator: {name: k8s}\n", /-orchestrator=openshift, and .* says orchestrator\.name: k8s/],
];

Deno.test("the scripts refuse what would end badly, and what they make can be taken away again", async (t) => {
  await OperatorBed.run(async (bed) => {
    const before = await bed.everything();
    const nothing = async () => deepEqual(await bed.everything(), before);

    await t.step("a values file that cannot be right", async () => {
      for (const [text, why] of BAD_VALUES) {
        const flags = text.startsWith("orchestrator") ? ["-orchestrator=openshift"] : [];
        const said = await bed.refused(2, "install", "-f", await bed.values(text), ...flags);
        match(said, why);
        equal(said.includes(TOKEN), false);
      }
      await nothing();
    });

    await t.step("update.sh without an installation", async () => {
      match(
        await bed.refused(1, "update"),
        /nothing is installed by the operator .* Run install\.sh/,
      );
    });

    await t.step("PSO's operator, PSO's controller, and an installation by Helm", async () => {
      const [ours] = await manifest("deployment");
      const psos = { ...ours, metadata: { name: "pso-operator", namespace: "default" } };
      await bed.create(psos);
      match(await bed.refused(1, "install"), /kubectl -n default scale deployment pso-operator/);
      await bed.kubectl("delete", "deployment", "pso-operator", "-n", "default");
      const set = pso52().objects.find(({ kind }) => kind === "StatefulSet");
      await bed.create({ ...set, metadata: { ...set?.metadata, namespace: "default" } });
      match(await bed.refused(1, "install"), /Take it over first, .*pso-bin admin takeover/s);
      await bed.kubectl("delete", "statefulset", "pure-provisioner", "-n", "default");
      await bed.create({
        apiVersion: "storage.k8s.io/v1",
        kind: "CSIDriver",
        metadata: {
          name: "pure-csi",
          annotations: { "pso.purestorage.com/release": "other/pure-csi" },
        },
        spec: {},
      });
      match(await bed.refused(1, "install"), /helm -n other uninstall pure-csi/);
      await bed.kubectl("delete", "csidriver", "pure-csi");
    });

    await t.step("OpenShift is known by its API, and its namespace keeps its label", async () => {
      const kinds = (await filesBelow(definitions())).filter((file) =>
        /securitycontextc/.test(file)
      );
      equal(kinds.length, 1);
      await bed.kubectl("create", "-f", kinds.join());
      await bed.kubectl("wait", "--for=condition=Established", "-f", kinds.join());
      match(await bed.done("install", "-wait=none"), /OpenShift's API: -orchestrator=openshift\n/);
      const { spec } = await bed.find("psoplugin", PLUGIN);
      deepEqual(spec, { orchestrator: { name: "openshift" } });
      const { metadata } = await bed.find("namespace", NAMESPACE);
      equal(metadata.labels["security.openshift.io/scc.podSecurityLabelSync"], "false");
      await bed.done("uninstall");
      await bed.kubectl("delete", "-f", kinds.join());
    });

    await t.step(
      "what was there before stays: namespace, kind, and objects of others",
      async () => {
        const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
        await bed.create({
          apiVersion: "v1",
          kind: "Namespace",
          metadata: { name: NAMESPACE, labels },
        });
        match(
          await bed.refused(1, "install"),
          /kubectl label --overwrite namespace pso .*=privileged/,
        );
        const enforce = ["label", "--overwrite", "namespace", NAMESPACE];
        await bed.kubectl(...enforce, "pod-security.kubernetes.io/enforce=privileged");
        await bed.create(psosKind());
        await bed.kubectl("wait", "--for=condition=Established", "crd/psoplugins.purestorage.com");
        // PSO's operator was given its values by `kubectl apply`, tokens and all.
        await bed.create({
          apiVersion: "purestorage.com/v1",
          kind: "PSOPlugin",
          metadata: { name: PLUGIN, namespace: NAMESPACE },
          spec: { arrays: ARRAYS },
        });
        const there = await bed.everything();
        const file = await bed.values({ arrays: ARRAYS });
        await bed.done("install", "-f", file, "-wait=none", "-image=example.com/operator:v1");
        const plugin = await bed.find("psoplugin", PLUGIN);
        equal(JSON.stringify(plugin).includes(TOKEN), false);
        deepEqual(plugin.spec, { existingSecret: { name: "pure-arrays", key: "pure.json" } });

        await bed.done("update", "-wait=none");
        const [container] = (await bed.find("deployment", "pso-csi-operator")).spec.template.spec
          .containers;
        equal(container.image, "example.com/operator:v1", "it stays named");

        await bed.done("uninstall");
        const rest = there.filter((line) => !line.startsWith("PSOPlugin "));
        deepEqual(await bed.everything(), rest);
      },
    );

    await t.step("a namespace that it made stays while it holds what is another's", async () => {
      await bed.kubectl("delete", "namespace", NAMESPACE);
      await bed.done("install", "-wait=none");
      await bed.create({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "anothers", namespace: NAMESPACE },
      });
      await bed.create({
        apiVersion: "purestorage.com/v1",
        kind: "PSOPlugin",
        metadata: { name: PLUGIN, namespace: "default" },
      });
      match(
        await bed.refused(1, "update"),
        /several PSOPlugins .*: say which one by -namespace=NAME/,
      );
      const said = await bed.done("uninstall", `-namespace=${NAMESPACE}`);
      match(said, /namespace pso stays, .* not ours: ConfigMap\/anothers\n/);
      match(said, /PSOPlugin stays, because there are others: default\/psoplugin-operator\n/);
      ok(await bed.find("configmap", "anothers"));
    });
  });
});

/** The kind as PSO's operator had it: it takes everything. */
const psosKind = () => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "psoplugins.purestorage.com" },
  spec: {
    group: "purestorage.com",
    scope: "Namespaced",
    names: {
      kind: "PSOPlugin",
      listKind: "PSOPluginList",
      plural: "psoplugins",
      singular: "psoplugin",
    },
    versions: [{
      name: "v1",
      served: true,
      storage: true,
      subresources: { status: {} },
      schema: {
        openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      },
    }],
  },
});
