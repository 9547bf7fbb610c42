import assert from "node:assert/strict";
import { parse } from "@std/yaml";
import { CLASS_PARAMETERS, parseParameters } from "../../src/controller/parameters.ts";
import { classParametersPage } from "./class_parameters_page.ts";
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

for (const { name, example } of CLASS_PARAMETERS) {
  Deno.test(`the example of class parameter ${name} is accepted`, () => {
    assert.notDeepEqual(parseParameters({ [name]: example }), parseParameters({}));
  });
}

Deno.test("the StorageClass at the head of docs/class-parameters.md is accepted", () => {
  const [, yaml = ""] = /^```yaml\n([\s\S]*?)^```/m.exec(classParametersPage()) ?? [];
  const { parameters } = parse(yaml) as { parameters: Record<string, string> };
  assert.equal(parameters.backend, "block");
  assert.equal(parseParameters(parameters).kind, "block");
});
