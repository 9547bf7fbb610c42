// The controller can start no process and write no file once it serves.
import { deepEqual, equal, match } from "node:assert/strict";
import { exists } from "../scripts/paths.ts";
import { DENO, PERMISSIONS, ROOT } from "../scripts/program.ts";
import { Flow, whyNoFlow } from "./flow/flow.ts";
import { skip } from "./skips.ts";

const ALLOWED = {
  command: "0",
  spawnSync: "status 0",
  write: "done",
  writeByNode: "done",
  remove: "done",
  cache: "done",
  localStorage: "done",
  sessionStorage: "done",
  worker: "done",
  askAgain: "granted",
};

/** There are none any more: Deno asks for no permission here. */
const NO_STORES = {
  cache: "TypeError",
  localStorage: "TypeError",
  sessionStorage: "TypeError",
  worker: "TypeError",
};

/** What a program can do before and after it gave up what `mode` gives up, in a folder of its own. */
async function attempts(mode: string, look: (folder: string) => Promise<void> = async () => {}) {
  const folder = await Deno.makeTempDir({ prefix: "pso-permissions-" });
  for (const tag of ["before", "after"]) await Deno.writeTextFile(`${folder}/there-${tag}`, "");
  const { stdout, stderr } = await new Deno.Command(DENO, {
    args: [
      "run",
      "--quiet",
      "--config",
      `${ROOT}/deno.json`,
      ...PERMISSIONS,
      `${ROOT}/tests/permissions/confined.ts`,
      folder,
      mode,
    ],
    // The stores of a browser's page are files there.
    env: { DENO_DIR: `${folder}/deno` },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout);
  if (said === "") throw new Error(new TextDecoder().decode(stderr));
  await look(folder);
  await Deno.remove(folder, { recursive: true });
  return JSON.parse(said);
}

Deno.test("giveUp() takes run, write and sys away for good, from Deno's calls, Node's and a browser's stores", async () => {
  const { before, after, held } = await attempts("controller", async (folder) => {
    for (
      const [path, there] of [["deno-after", false], ["node-after", false], ["there-after", true], [
        "node-before",
        true,
      ]] as const
    ) {
      equal(await exists(`${folder}/${path}`), there, path);
    }
  });
  deepEqual(before, ALLOWED);
  deepEqual({ ...after, writeByNode: "" }, {
    command: "NotCapable",
    spawnSync: "status undefined", // denied in silence, deno issue: nothing was started
    write: "NotCapable",
    writeByNode: "",
    remove: "NotCapable",
    ...NO_STORES,
    askAgain: "denied",
  });
  deepEqual([held.run, held.write, held.sys], [false, false, false]);
});

Deno.test("giveUp() closes a browser's stores to a node too, which goes on to write files", async () => {
  const { before, after, held } = await attempts("node");
  deepEqual(before, ALLOWED);
  deepEqual(after, { ...ALLOWED, ...NO_STORES });
  deepEqual([held.run, held.write, held.sys], [true, true, false]);
});

const reason = whyNoFlow();
Deno.test({
  name: "the controller holds no permission to start processes or to write files while it serves",
  ignore: reason !== undefined && skip("the controller's permissions", reason),
  fn: () =>
    Flow.run({ flasharrays: 1, flashblades: 0, nodes: 0 }, async ({ stand }) => {
      const { permissions } = await (await fetch(`${stand.facts.admin}/healthz`)).json();
      deepEqual(permissions, {
        run: false,
        write: false,
        sys: false,
        env: true,
        read: true,
        net: true,
      });
      const limits = await Deno.readTextFile(`/proc/${stand.pid("controller")}/limits`);
      match(limits, /^Max core file size +0 +0 /m);
      await stand.kill("controller", "SIGTERM");
      equal(
        await exists(stand.facts.controller.replace("unix://", "")),
        false,
        "the socket is gone all the same",
      );
    }),
});
