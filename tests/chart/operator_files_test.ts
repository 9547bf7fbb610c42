// The operator's manifests: a real API server takes them, field by field, and refuses tokens.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { parse } from "@std/yaml";
import { ROOT } from "../../scripts/program.ts";
import { ARRAY_KEYS } from "../../src/config/arrays/keys.ts";
import { VERSION } from "../../src/version.ts";
import { manifest, OPERATOR } from "../support/operator_files.ts";
import { withApiServer } from "./api_server.ts";
import { ApiServer, type KubeObject, NAMESPACE } from "./helm.ts";

const MANIFESTS = `${OPERATOR}/manifests`;
const TOKEN = "6a1b2c3d-0000-4000-8000-000000000001";

/** A PSOPlugin with these values. */
const plugin = (spec: KubeObject): KubeObject => ({
  apiVersion: "purestorage.com/v1",
  kind: "PSOPlugin",
  metadata: { name: "psoplugin-operator", namespace: NAMESPACE },
  spec,
});

const arrays = (entry: KubeObject) => ({
  arrays: { FlashArrays: [{ MgmtEndPoint: "192.0.2.10", ...entry }] },
});

Deno.test("a real API server takes the operator's manifests, without a warning of Pod Security", async (t) => {
  await withApiServer(async (env) => {
    const server = new ApiServer(env);
    await Deno.mkdir(server.dir);
    await server.apply({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: NAMESPACE, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    const apply = (...args: string[]) =>
      server.try("kubectl", "apply", "--validate=strict", "--warnings-as-errors", ...args);
    const tryPlugin = async (spec: KubeObject, ...args: string[]) =>
      await apply("--dry-run=server", ...args, "-f", await server.fileOf([plugin(spec)]));

    await t.step("every file, in a namespace that enforces restricted", async () => {
      for (const name of ["crd", "rbac", "deployment"]) {
        const { code, stderr } = await apply("-f", `${MANIFESTS}/${name}.yaml`);
        deepEqual({ name, code, stderr }, { name, code: 0, stderr: "" });
      }
      const [deployment] = await manifest("deployment");
      const { metadata, spec } = deployment.spec.template;
      await server.apply({
        ...{ apiVersion: "v1", kind: "Pod", spec },
        metadata: { ...metadata, name: "like-the-deployment", namespace: NAMESPACE },
      });
      await server.kubectl(
        ...["wait", "--for=condition=Established", "crd/psoplugins.purestorage.com"],
      );
    });

    await t.step("the example, and values of which the schema knows nothing", async () => {
      const example = await apply("--dry-run=server", "-f", `${MANIFESTS}/psoplugin.yaml`);
      deepEqual([example.code, example.stderr], [0, ""]);
      const file = await server.fileOf([plugin({ some: { unknown: [1, { key: true }] } })]);
      const kept = await server.try(
        ...["kubectl", "apply", "--dry-run=server", "-o", "json", "-f", file],
      );
      deepEqual(JSON.parse(kept.stdout).spec, { some: { unknown: [1, { key: true }] } });
    });

    await t.step("an API token is refused, and the message says what to do", async () => {
      const { code, stderr } = await tryPlugin(arrays({ APIToken: TOKEN }), "--validate=ignore");
      equal(code, 1);
      match(stderr, /an API token must not stand in a PSOPlugin.*name a Secret by APITokenSecret/);
    });

    await t.step("a token under another spelling is refused too, and never stored", async () => {
      const spelt = arrays({ apitoken: TOKEN });
      match((await tryPlugin(spelt)).stderr, /unknown field .*apitoken/);
      const file = await server.fileOf([plugin(spelt)]);
      const stored = await server.try(
        ...["kubectl", "create", "--dry-run=server", "--validate=ignore", "-o", "json", "-f", file],
      );
      equal(stored.code, 0, stored.stderr);
      equal(stored.stdout.includes(TOKEN), false);
    });
  });
});

Deno.test("the schema of a PSOPlugin knows the keys of an array that the driver knows", async () => {
  const [crd] = await manifest("crd");
  const { spec } = crd.spec.versions[0].schema.openAPIV3Schema.properties;
  for (const list of ["FlashArrays", "FlashBlades"]) {
    const { properties } = spec.properties.arrays.properties[list].items;
    deepEqual(Object.keys(properties).sort(), ARRAY_KEYS.map(({ name }) => name).sort());
  }
});

Deno.test("the operator's image has this version, and the files that it is built of name each other", async () => {
  const [deployment] = await manifest("deployment");
  const [container] = deployment.spec.template.spec.containers;
  equal(container.image, `docker.io/purestorage/pso-operator:v${VERSION}`);
  const [watch] = parse(await Deno.readTextFile(`${OPERATOR}/image/watches.yaml`)) as KubeObject[];
  const [crd] = await manifest("crd");
  equal(
    `${watch.kind} ${watch.group} ${watch.version}`,
    [
      crd.spec.names.kind,
      crd.spec.group,
      crd.spec.versions[0].name,
    ].join(" "),
  );
  const containerfile = await Deno.readTextFile(`${OPERATOR}/image/Containerfile`);
  ok(containerfile.includes(`COPY pure-csi ${watch.chart}\n`));
  ok(container.args.includes("--watches-file=/opt/pso/watches.yaml"));
  ok(containerfile.includes("COPY watches.yaml LICENSE /opt/pso/\n"));
  const module = await Deno.readTextFile(`${OPERATOR}/program/go.mod`);
  const [, version] = /operator-sdk v(\S+)/.exec(module) ?? [];
  const table = await Deno.readTextFile(`${ROOT}/tests/kube/README.md`);
  ok(table.includes(`| helm-operator | ${version} |`), "the table of tests/kube has its version");
});
