// The outputs in docs/admin.md are what the program prints. With PSO_WRITE_DOCS=1 they are written
// anew.
import assert from "node:assert/strict";
import { ROOT } from "../scripts/program.ts";
import { testFleet } from "../src/simulator/fixture_test.ts";
import { runAdminVerb } from "../src/admin/commands/commands.ts";
import { isPsoError, UsageError } from "../src/errors.ts";
import { adminBed } from "./support/admin_bed.ts";
import { brokenScenes } from "./support/admin_page/broken_scenes.ts";
import {
  control,
  type PageBed,
  type PageScenes,
  type Scene,
  steady,
} from "./support/admin_page/page_bed.ts";
import { makeRight, rightScenes } from "./support/admin_page/right_scenes.ts";
import { safeScenes } from "./support/admin_page/safe_scenes.ts";
import { takeoverScenes } from "./support/admin_page/takeover_scenes.ts";
import { troubleScenes } from "./support/admin_page/trouble_scenes.ts";
import { fakeCluster } from "./support/fake_cluster.ts";

const PAGE = `${ROOT}/docs/admin.md`;
/** How long an array is waited for here, and how long by the program. */
const WAIT_MS = 2_000;

/** How the command of a scene ended, with what the program says of a fault that ends it. */
async function outcomeOf(
  { line, files, laterMs = 0, answers, folders = {} }: Scene,
): Promise<{ code: number; text: string }> {
  const typed = answers?.values();
  const { context, said } = adminBed({
    files,
    real: true,
    env: { PATH: Deno.env.get("PATH") ?? "" },
    now: () => Date.now() + laterMs,
    answerMs: WAIT_MS,
    confirm: typed && ((question, print) => {
      const answer = typed.next().value ?? "";
      print(`${question} [y/N] ${answer}\n`);
      return Promise.resolve(answer === "y");
    }),
  });
  const [verb = "", ...args] = line.split(" ").slice(2).map((word) => folders[word] ?? word);
  let [code, fault] = [0, ""];
  try {
    code = await runAdminVerb(verb, args, context);
  } catch (error) {
    if (!isPsoError(error)) throw error;
    [code, fault] = [error instanceof UsageError ? 2 : 1, `pso-bin: ${error.message}\n`];
  }
  const shown = Object.entries(folders).reduce(
    (text, [name, here]) => text.replaceAll(new RegExp(`${RegExp.escape(here)}(?!\\w)`, "g"), name),
    said() + fault,
  );
  return { code, text: shown };
}

/** The block of a scene as the page has it. */
async function blockOf(scene: Scene, { fleet }: PageBed): Promise<string> {
  await scene.before?.();
  const { code, text } = await outcomeOf(scene);
  for (const what of ["faults", "alerts", "controllers"]) await control({ fleet }, what);
  const shown = steady(scene.drop ? text.replace(scene.drop, "") : text, fleet).trimEnd();
  return `\`\`\`\n$ ${scene.line}\n${shown}\n$ echo $?\n${code}\n\`\`\``;
}

/** Every scene's block as the page has it. */
async function blocks(): Promise<Map<string, string>> {
  const fleet = await testFleet({ flasharrays: 2, flashblades: 1, http: false });
  const cluster = fakeCluster();
  const bed = { fleet, cluster };
  const others: PageScenes[] = [];
  const printed = new Map<string, string>();
  try {
    await makeRight(bed);
    others.push(await troubleScenes(bed), await takeoverScenes(bed), await safeScenes());
    const scenes = [
      ...rightScenes(bed),
      ...others.flatMap(({ scenes }) => scenes),
      ...brokenScenes(bed),
    ];
    for (const scene of scenes) printed.set(scene.name, await blockOf(scene, bed));
    return printed;
  } finally {
    for (const { stop } of others) await stop();
    await cluster.stop();
    await fleet.stop();
  }
}

Deno.test("docs/admin.md shows what the program prints", async () => {
  let page = await Deno.readTextFile(PAGE);
  const names = [...page.matchAll(/<!-- printed: (.+) -->/g)].map(([, name]) => name);
  const printed = await blocks();
  assert.deepEqual(names.toSorted(), [...printed.keys()].toSorted());
  for (const [name, block] of printed) {
    const marked = new RegExp(`(<!-- printed: ${name} -->\n)(\`\`\`\n[^]*?\n\`\`\`)?`);
    if (Deno.env.get("PSO_WRITE_DOCS")) page = page.replace(marked, (_, mark) => mark + block);
    else assert.equal(marked.exec(page)?.[2], block, name);
  }
  if (Deno.env.get("PSO_WRITE_DOCS")) await Deno.writeTextFile(PAGE, page);
});
