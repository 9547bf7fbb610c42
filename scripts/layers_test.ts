import assert from "node:assert/strict";
import layers from "./layers.ts";

const FIXTURES = new URL("./layers_fixtures/", import.meta.url);

/**
 * Each fixture says in its first line whose place it takes, and in its second how the complaint
 * begins or what it holds.
 */
function fixture(name: string): { path: string; complaint: string; source: string } {
  const source = Deno.readTextFileSync(new URL(name, FIXTURES));
  const [path = "", complaint = ""] = source.split("\n").map((line) => line.replace(/^\/\/ /, ""));
  return { path, complaint, source };
}

for (
  const { name } of [...Deno.readDirSync(FIXTURES)].sort((a, b) => a.name.localeCompare(b.name))
) {
  Deno.test(`layers: ${name} is refused for its one fault`, () => {
    const { path, complaint, source } = fixture(name);
    const messages = Deno.lint.runPlugin(layers, path, source).map((found) => found.message);
    assert.equal(messages.length, 1, `${name}: ${JSON.stringify(messages)}`);
    assert.ok(
      messages[0]?.includes(complaint),
      `${name}: found ${messages[0]}, wanted ${complaint}`,
    );
  });
}

const ALLOWED: Record<string, string> = {
  "main.ts": `
    import { listen } from "./src/csi/server.ts";
    import { FlashArray } from "./src/arrays/flasharray.ts";
    import { simulate } from "./src/simulator/fleet.ts";
    export const all = [listen, FlashArray, simulate, Deno.args];`,
  "src/config/load.ts": `
    import { parse } from "@std/yaml";
    import { PsoError } from "../errors.ts";
    import { inTurn } from "../async/keyed_queue.ts";
    export const all = [parse, PsoError, inTurn, Deno.env];`,
  "src/controller/provisioner.ts": `
    import type { Array } from "../arrays/array.ts";
    import { Fleet } from "../arrays/fleet.ts";
    import { PsoError } from "../errors.ts";
    import { score } from "./score.ts";
    export type Known = Array | import("../size.ts").Size;
    export const all = [Fleet, PsoError, score];`,
  "src/node/calls/staging.ts":
    `import { mount } from "../../host/mount.ts"; export const made = mount;`,
  "src/csi/server.ts": `
    import * as grpc from "@grpc/grpc-js";
    export { Provisioner } from "../controller/provisioner.ts";
    export const later = () => import("../node/staging.ts");
    export const server = grpc;`,
  "src/admin/commands/check.ts": `
    import { Hono } from "hono";
    import { FlashArray } from "../../arrays/flasharray.ts";
    import { run } from "../../host/command.ts";
    export const all = [Hono, FlashArray, run];`,
  "src/simulator/flasharray.ts":
    `import { streamText } from "hono/streaming"; export const made = streamText;`,
  "src/host/tools/command.ts": `export const made = new Deno.Command("true");`,
  "src/node/node_plugin_test.ts": `
    import { fakeHost } from "../../tests/support/fake_host.ts";
    import { FlashArray } from "../arrays/flasharray.ts";
    import { simulate } from "../simulator/fleet.ts";
    import * as grpc from "@grpc/grpc-js";
    export const all = [FlashArray, simulate, grpc, fakeHost];`,
  "tests/flow/life_test.ts": `
    import { FlashArray } from "../../src/arrays/flasharray.ts";
    import { simulate } from "../../src/simulator/fleet.ts";
    export const all = [FlashArray, simulate, new Deno.Command("true")];`,
};

for (const [path, source] of Object.entries(ALLOWED)) {
  Deno.test(`layers: ${path} may import what its folder is allowed`, () => {
    assert.deepEqual(Deno.lint.runPlugin(layers, path, source).map((found) => found.message), []);
  });
}

Deno.test("layers: a file is recognised by its absolute path, which is what deno lint passes", () => {
  const path = new URL("../src/errors.ts", import.meta.url).pathname;
  assert.equal(Deno.lint.runPlugin(layers, path, `import "./arrays/array.ts";`).length, 1);
});
