import assert from "node:assert/strict";
import { readOptions } from "./up.ts";

Deno.test("up: readOptions() reads every option, and leaves out what was not given", () => {
  const all = [
    "--state",
    "/tmp/s",
    "--flasharrays",
    "3",
    "--flashblades=2",
    "--nodes",
    "1",
    "--latency",
    "20",
    "--concurrency",
    "16",
    "--interpreted",
  ];
  assert.deepEqual(readOptions(all), {
    dir: "/tmp/s",
    flasharrays: 3,
    flashblades: 2,
    nodes: 1,
    latencyMs: 20,
    concurrency: 16,
    interpreted: true,
  });
  const { dir, nodes, interpreted } = Object(readOptions(["--state=/tmp/s"]));
  assert.deepEqual([dir, nodes, interpreted], ["/tmp/s", undefined, false]);
});

Deno.test("up: readOptions() names all that is wrong at once", () => {
  assert.deepEqual(readOptions(["--nodes", "two", "--colour", "now"]), [
    "now is not an option",
    "colour is not an option",
    "--nodes is two; it must be a whole number",
    "--state DIR is missing: the folder that keeps the stand",
  ]);
});

Deno.test("up: --help says how it is used, and starts nothing", async () => {
  const { code, stdout } = await new Deno.Command(new URL("up", import.meta.url), {
    args: ["--help"],
  }).output();
  assert.equal(code, 0);
  assert.match(
    new TextDecoder().decode(stdout),
    /^Starts a whole stand: .*--state DIR[^]*Exit codes: /,
  );
});
