import assert from "node:assert/strict";
import { parse } from "@std/yaml";
import { CLASS_PARAMETERS, parseParameters } from "../../src/controller/parameters.ts";
import { classParametersPage } from "./class_parameters_page.ts";
import { allMetrics, metricsPage } from "./metrics_page.ts";
import { PAGES } from "./pages.ts";

for (const [path, text] of Object.entries(PAGES)) {
  Deno.test(`${path} is what scripts/reference/generate.ts writes`, async () => {
    assert.equal(
      await Deno.readTextFile(new URL(`../../${path}`, import.meta.url)),
      text(),
      "run scripts/generate and commit the result",
    );
  });
}

/** What a parameter says nothing without. */
const BESIDE: Record<string, Record<string, string>> = {
  volumeGroupIopsLimit: { volumeGroup: "databases" },
  volumeGroupBandwidthLimit: { volumeGroup: "databases" },
};
for (const { name, example } of CLASS_PARAMETERS) {
  Deno.test(`the example of class parameter ${name} is accepted`, () => {
    const beside = BESIDE[name] ?? {};
    assert.notDeepEqual(parseParameters({ ...beside, [name]: example }), parseParameters(beside));
  });
}

Deno.test("the StorageClass at the head of docs/class-parameters.md is accepted", () => {
  const [, yaml = ""] = /^```yaml\n([\s\S]*?)^```/m.exec(classParametersPage()) ?? [];
  const { parameters } = parse(yaml) as { parameters: Record<string, string> };
  assert.equal(parameters.backend, "block");
  assert.equal(parseParameters(parameters).kind, "block");
});

/** Names that are given to `counter`, `gauge` or `histogram` in a product file. */
function registeredIn(source: string): string[] {
  return [...source.matchAll(/\.(?:counter|gauge|histogram)\(\s*"(\w+)"/g)]
    .map(([, name = ""]) => name);
}

async function* productFiles(folder: URL): AsyncGenerator<URL> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* productFiles(new URL(`${name}/`, folder));
    else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) yield new URL(name, folder);
  }
}

Deno.test("docs/metrics.md has every metric that a file of the program registers", async () => {
  const files = [new URL("../../main.ts", import.meta.url)];
  for await (const file of productFiles(new URL("../../src/", import.meta.url))) files.push(file);
  const examples = "src/metrics/metrics.ts"; // its head shows how to register
  const sources = await Promise.all(
    files.filter(({ pathname }) => !pathname.endsWith(examples)).map((file) =>
      Deno.readTextFile(file)
    ),
  );
  const registered = [...new Set(sources.flatMap(registeredIn))].sort();
  assert.deepEqual(registered, [...new Set(allMetrics().map(({ name }) => name))].sort());
  const page = metricsPage();
  for (const name of registered) assert.equal(page.split(`| \`${name}\` |`).length, 2, name);
});

Deno.test("every metric says what it means and when it moves", () => {
  for (const { name, help, moves } of allMetrics()) {
    assert.ok(help !== "" && !help.endsWith("."), `${name}: help is a text without a full stop`);
    assert.match(moves ?? "", /^[A-Z].*\.$/, `${name}: moves is a sentence`);
  }
});
