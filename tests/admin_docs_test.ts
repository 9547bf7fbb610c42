// The outputs in docs/admin.md are what the program prints. With PSO_WRITE_DOCS=1 they are written
// anew.
import assert from "node:assert/strict";
import { ROOT } from "../scripts/program.ts";
import { testFleet } from "../src/simulator/fixture_test.ts";
import { runAdmin } from "./support/admin_bed.ts";
import { brokenScenes } from "./support/admin_page/broken_scenes.ts";
import { control, type PageBed, type Scene, steady } from "./support/admin_page/page_bed.ts";
import { makeRight, rightScenes } from "./support/admin_page/right_scenes.ts";
import { psoCluster, takeoverScenes } from "./support/admin_page/takeover_scenes.ts";
import { fakeCluster } from "./support/fake_cluster.ts";

const PAGE = `${ROOT}/docs/admin.md`;
/** How long an array is waited for here, and how long by the program. */
const WAIT_MS = 2_000;

/** The block of a scene as the page has it. */
async function blockOf(
  { line, files, drop, laterMs = 0, before }: Scene,
  { fleet }: PageBed,
): Promise<string> {
  await before?.();
  const { code, said } = await runAdmin(line.split(" ").slice(2), {
    files,
    real: true,
    env: { PATH: Deno.env.get("PATH") ?? "" },
    now: () => Date.now() + laterMs,
    answerMs: WAIT_MS,
  });
  for (const what of ["faults", "alerts", "controllers"]) await control({ fleet }, what);
  const shown = steady(drop ? said.replace(drop, "") : said, fleet).trimEnd();
  return `\`\`\`\n$ ${line}\n${shown}\n$ echo $?\n${code}\n\`\`\``;
}

/** Every scene's block as the page has it. */
async function blocks(): Promise<Map<string, string>> {
  const fleet = await testFleet({ flasharrays: 2, flashblades: 1, http: false });
  const cluster = fakeCluster();
  const pso = psoCluster();
  const bed = { fleet, cluster };
  const printed = new Map<string, string>();
  try {
    await makeRight(bed);
    const scenes = [...rightScenes(bed), ...takeoverScenes(bed, pso), ...brokenScenes(bed)];
    for (const scene of scenes) printed.set(scene.name, await blockOf(scene, bed));
    return printed;
  } finally {
    await pso.stop();
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
