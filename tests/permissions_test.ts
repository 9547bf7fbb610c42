// The controller can start no process and write no file once it serves.
import { deepEqual, equal, match } from "node:assert/strict";
import { exists } from "../scripts/paths.ts";
import { DENO, PERMISSIONS, ROOT } from "../scripts/program.ts";
import { Flow, whyNoFlow } from "./flow/flow.ts";
import { skip } from "./skips.ts";

Deno.test("giveUp() takes run, write and sys away for good, from Deno's calls, Node's and a browser's stores", async () => {
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
    ],
    // The stores of a browser's page are files there.
    env: { DENO_DIR: `${folder}/deno` },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout);
  if (said === "") throw new Error(new TextDecoder().decode(stderr));
  const { before, after, held } = JSON.parse(said);
  deepEqual(before, {
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
  });
  deepEqual({ ...after, writeByNode: "" }, {
    command: "NotCapable",
    spawnSync: "status undefined", // denied in silence, deno issue: nothing was started
    write: "NotCapable",
    writeByNode: "",
    remove: "NotCapable",
    cache: "TypeError", // there is none any more; Deno asks for no permission here
    localStorage: "TypeError",
    sessionStorage: "TypeError",
    worker: "TypeError",
    askAgain: "denied",
  });
  deepEqual([held.run, held.write, held.sys], [false, false, false]);
  for (
    const [path, there] of [["deno-after", false], ["node-after", false], ["there-after", true], [
      "node-before",
      true,
    ]] as const
  ) {
    equal(await exists(`${folder}/${path}`), there, path);
  }
  await Deno.remove(folder, { recursive: true });
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
