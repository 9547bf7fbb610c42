// Started by ../permissions_test.ts with the permissions of the compiled program: gives up what a
// mode gives up once it serves, then tries to get out, by Deno's own calls and by Node's. Prints a
// JSON object: what each attempt came to.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { giveUp, heldPermissions } from "../../src/permissions.ts";

/** What the modes of main.ts give up. */
const GIVEN_UP = { controller: ["run", "write", "sys"], node: ["sys"] } as const;

const [folder = "", mode] = Deno.args;

async function attempt(work: () => unknown): Promise<string> {
  try {
    const result = await work();
    return result === undefined ? "done" : String(result);
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

async function attempts(tag: string): Promise<Record<string, string>> {
  return {
    command: await attempt(async () => (await new Deno.Command("true").output()).code),
    spawnSync: await attempt(() => `status ${spawnSync("true").status}`),
    write: await attempt(() => Deno.writeTextFile(`${folder}/deno-${tag}`, "x")),
    writeByNode: await attempt(() => writeFileSync(`${folder}/node-${tag}`, "x")),
    remove: await attempt(() => Deno.remove(`${folder}/there-${tag}`)),
    cache: await attempt(async () => {
      const cache = await caches.open("pso");
      await cache.put("https://pso.invalid/", new Response(tag));
    }),
    localStorage: await attempt(() => void localStorage.setItem("pso", tag)),
    sessionStorage: await attempt(() => void sessionStorage.setItem("pso", tag)),
    worker: await attempt(() =>
      new Worker("data:text/javascript,", { type: "module" }).terminate()
    ),
    askAgain: await attempt(async () => (await Deno.permissions.request({ name: "write" })).state),
  };
}

const before = await attempts("before");
giveUp(GIVEN_UP[mode === "node" ? "node" : "controller"]);
const after = await attempts("after");
Deno.stdout.writeSync(
  new TextEncoder().encode(JSON.stringify({ before, after, held: heldPermissions() })),
);
