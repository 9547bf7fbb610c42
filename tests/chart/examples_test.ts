// deploy/examples/: a real API server takes every object, field by field; the values files are right.
import assert from "node:assert/strict";
import { Ajv } from "ajv";
import { parse } from "@std/yaml";
import { filesBelow } from "../../scripts/paths.ts";
import { ROOT } from "../../scripts/program.ts";
import { runTool, tryTool } from "../../scripts/shell.ts";
import { loadConfig } from "../../src/config/load.ts";
import { problemText } from "../../src/config/problems.ts";
import { withApiServer } from "./api_server.ts";
import { HELMS, render } from "./helm.ts";

const EXAMPLES = `${ROOT}/deploy/examples`;
/** Values files, which are no objects of Kubernetes. */
const VALUES = "configuration";
/** Objects of Flux, whose kinds no cluster of the tests has. */
const FLUX = "flux";

// deno-lint-ignore no-explicit-any -- objects as the files have them
type KubeObject = any;

function folders(): string[] {
  return [...Deno.readDirSync(EXAMPLES)].filter(({ isDirectory }) => isDirectory)
    .map(({ name }) => name).sort();
}

/** Every object of the YAML files below a folder of the examples, with the file's path. */
async function objects(): Promise<{ path: string; object: KubeObject }[]> {
  const files = (await filesBelow(EXAMPLES)).filter((path) => path.endsWith(".yaml"));
  const found = await Promise.all(files.map(async (path) => {
    const documents = (await Deno.readTextFile(path)).split(/^---$/m);
    return documents.map((text) => ({
      path: path.slice(EXAMPLES.length + 1),
      object: parse(text) as KubeObject,
    }));
  }));
  return found.flat().filter(({ path }) =>
    !path.startsWith(`${VALUES}/`) && !path.startsWith(`${FLUX}/`)
  );
}

async function valuesFiles(): Promise<string[]> {
  const files = await filesBelow(`${EXAMPLES}/${VALUES}`);
  const found = files.filter((path) => path.endsWith(".yaml"));
  assert.ok(found.length > 0, "the values files were found");
  return found;
}

/** The values of the HelmRelease, as a file. */
async function fluxValues(): Promise<string> {
  const text = await Deno.readTextFile(`${EXAMPLES}/${FLUX}/helmrelease.yaml`);
  const release = text.split(/^---$/m).map((one) => parse(one) as KubeObject)
    .find(({ kind }) => kind === "HelmRelease");
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  await Deno.writeTextFile(file, JSON.stringify(release.spec.values));
  return file;
}

/** The spec of the pods that an object makes. */
function podSpecOf({ kind, spec }: KubeObject): KubeObject | undefined {
  if (kind === "Pod") return spec;
  if (kind === "CronJob") return spec.jobTemplate.spec.template.spec;
  return spec?.template?.spec;
}

Deno.test("a real API server takes every example with strict field validation, and warns of none", async (t) => {
  await withApiServer(async (env) => {
    const apply = (...args: string[]) =>
      tryTool(
        "kubectl",
        ["apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", ...args],
        { env },
      );
    await runTool("kubectl", ["apply", "-f", `${EXAMPLES}/namespaces.yaml`], { env });
    for (const folder of folders().filter((folder) => ![VALUES, FLUX].includes(folder))) {
      await t.step(folder, async () => {
        const { code, stderr } = await apply("-f", `${EXAMPLES}/${folder}`);
        assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
      });
    }
    await t.step("a mistyped field, and a pod below the standard, would be seen", async () => {
      const file = await Deno.makeTempFile({ suffix: ".yaml" });
      const pod = await Deno.readTextFile(`${EXAMPLES}/nginx-proof/pod.yaml`);
      await Deno.writeTextFile(file, pod.replace("claimName:", "claimNme:"));
      assert.match((await apply("-f", file)).stderr, /unknown field .*claimNme/);
      await Deno.writeTextFile(file, pod.replace("allowPrivilegeEscalation: false", ""));
      assert.match((await apply("-f", file)).stderr, /allowPrivilegeEscalation/);
      await Deno.remove(file);
    });
  });
});

Deno.test("every container of an example names a version of its image, and has requests and a limit", async () => {
  const found = await objects();
  const pods = found.filter(({ object }) => podSpecOf(object) !== undefined);
  assert.ok(pods.length >= folders().length / 2, "the pods were found");
  const faults: string[] = [];
  for (const { path, object } of pods) {
    const spec = podSpecOf(object);
    if (spec.automountServiceAccountToken !== false) faults.push(`${path}: mounts a token`);
    for (const { name, image, resources } of [...spec.initContainers ?? [], ...spec.containers]) {
      if (!/^[a-z.]+\/[a-z/-]+:\d+\.\d+\S*$/.test(image)) faults.push(`${path}: ${image}`);
      if (!resources?.requests?.cpu || !resources.requests.memory || !resources.limits?.memory) {
        faults.push(`${path}: ${name} has no requests or limit`);
      }
    }
  }
  assert.deepEqual(faults, []);
});

Deno.test("the driver and the chart's schema take every example of a values file, without a warning", async () => {
  const schema = JSON.parse(
    await Deno.readTextFile(`${ROOT}/deploy/helm/pure-csi/values.schema.json`),
  );
  const validate = new Ajv({ strict: false, allErrors: true }).compile(schema);
  for (const valuesFile of await valuesFiles()) {
    const text = await Deno.readTextFile(valuesFile);
    const isSimulated = (parse(text) as KubeObject).simulate?.enabled === true;
    assert.ok(validate(parse(text)), `${valuesFile}: ${JSON.stringify(validate.errors)}`);
    const { warnings } = await loadConfig({
      valuesFile,
      mode: "controller",
      strict: true,
      // The Secrets of the tokens are mounted in a cluster only.
      readTextFile: (path) =>
        Promise.resolve(path === valuesFile ? text : "a526a4c6-18b0-a8c9-1afa-3499293574bb"),
      env: () => undefined,
    });
    // The chart adds the arrays that it simulates.
    const told = warnings.filter(({ path }) => !isSimulated || path !== "arrays");
    assert.deepEqual(told.map(problemText), [], valuesFile);
  }
});

for (const which of HELMS) {
  Deno.test(`${which} renders the chart with every example of a values file`, async () => {
    for (const file of await valuesFiles()) {
      const { code, stderr } = await render(which, { file });
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" }, file);
    }
  });

  Deno.test(`${which} renders the values of the HelmRelease for Flux`, async () => {
    const file = await fluxValues();
    const { code, stdout, stderr } = await render(which, { file });
    await Deno.remove(file);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.match(stdout, /path: tokens\/fa1-token\/token/);
  });
}

Deno.test("each folder of the examples has a page, and the list names each", async () => {
  const list = await Deno.readTextFile(`${EXAMPLES}/README.md`);
  for (const folder of folders()) {
    assert.ok(list.includes(`](${folder}/README.md)`), `the list does not name ${folder}`);
    const page = await Deno.readTextFile(`${EXAMPLES}/${folder}/README.md`);
    if (folder !== VALUES) {
      assert.ok(page.includes(`kubectl apply -f deploy/examples/${folder}`), folder);
    }
  }
});
