// Upstream csi-sanity against a stand of the compiled program: a fixed seed, no skip and no focus, every spec's fate by name.
import { exists } from "../../scripts/paths.ts";
import { ROOT } from "../../scripts/program.ts";
import { runTool, tryTool } from "../../scripts/shell.ts";
import { startStand } from "../../scripts/stand.ts";

export const SANITY = "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@v5.6.0";
const PROGRAM = `${ROOT}/.tools/bin/csi-sanity`;

/** Why csi-sanity cannot run here, or undefined: it needs Go 1.25 or newer once, to be built, and root for mounts. */
export async function whyNoSanity(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "mounts need root";
  if (await exists(PROGRAM)) return undefined;
  const { code, stdout } = await tryTool("go", ["env", "GOVERSION"]);
  if (code !== 0) return "csi-sanity is built with Go 1.25 or newer, and there is no go here";
  const [major, minor] = stdout.trim().replace(/^go/, "").split(".").map(Number);
  if ((major ?? 0) < 1 || (major === 1 && (minor ?? 0) < 25)) return `csi-sanity is built with Go 1.25 or newer, this is ${stdout.trim()}`;
  return undefined;
}

async function sanityProgram(): Promise<string> {
  if (!await exists(PROGRAM)) await runTool("go", ["install", SANITY], { env: { GOBIN: `${ROOT}/.tools/bin` } });
  return PROGRAM;
}

/** What became of one spec. */
export interface Spec {
  name: string;
  fate: "passed" | "failed" | "skipped" | "pending";
  /** Why it was skipped, or how it failed. */
  message: string;
}

function unescapeXml(text: string): string {
  const named: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replaceAll(/&(#x?[0-9a-fA-F]+|\w+);/g, (whole, name: string) => {
    if (name.startsWith("#x")) return String.fromCodePoint(parseInt(name.slice(2), 16));
    if (name.startsWith("#")) return String.fromCodePoint(Number(name.slice(1)));
    return named[name] ?? whole;
  });
}

/** The specs of ginkgo's JUnit report; its own steps before and after the suite are left out. */
export function specsOf(junit: string): Spec[] {
  const fates: Record<string, Spec["fate"]> = { passed: "passed", skipped: "skipped", pending: "pending" };
  return [...junit.matchAll(/<testcase name="([^"]*)"[^>]*status="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)]
    .filter(([, name]) => name?.startsWith("[It] "))
    .map(([, name = "", status = "", body = ""]) => ({
      name: unescapeXml(name).slice("[It] ".length),
      fate: fates[status] ?? "failed",
      message: unescapeXml(/<(?:skipped|failure|error)[^>]*message="([^"]*)"/.exec(body)?.[1] ?? ""),
    }));
}

export interface SanityRun {
  accessType: "mount" | "block";
  backend: "block" | "file";
}

/** Runs the whole suite against a fresh stand with one node and gives back every spec. The stand is gone afterwards. */
export async function runSanity(run: SanityRun): Promise<Spec[]> {
  const program = await sanityProgram();
  const dir = await Deno.makeTempDir({ prefix: "pso-sanity-" });
  const stand = await startStand({
    dir,
    flasharrays: 2,
    flashblades: 1,
    nodes: 1,
    interpreted: Deno.env.has("PSO_INTERPRETED"),
    editValues: smallNodeLimit,
  });
  try {
    const { controller, nodes } = stand.facts;
    await Deno.writeTextFile(`${dir}/parameters.yaml`, `backend: ${run.backend}\n`);
    const { stdout, stderr } = await tryTool(program, [
      `--csi.endpoint=${nodes[0]?.endpoint}`,
      `--csi.controllerendpoint=${controller}`,
      `--csi.mountdir=${dir}/mount`,
      `--csi.stagingdir=${dir}/staging`,
      `--csi.testvolumeparameters=${dir}/parameters.yaml`,
      `--csi.testvolumesize=${1 << 30}`,
      `--csi.testvolumeexpandsize=${2 ** 31}`,
      `--csi.testvolumeaccesstype=${run.accessType}`,
      "--csi.testnodevolumeattachlimit",
      "--ginkgo.seed=1",
      "--ginkgo.no-color",
      `--ginkgo.junit-report=${dir}/junit.xml`,
    ], { timeoutMs: 300_000 });
    if (!await exists(`${dir}/junit.xml`)) throw new Error(`csi-sanity wrote no report:\n${(stdout + stderr).slice(-4000)}`);
    return specsOf(await Deno.readTextFile(`${dir}/junit.xml`));
  } finally {
    await stand.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

/** csi-sanity publishes one volume more than a node takes, so the limit must be a number that it reaches soon. */
function smallNodeLimit(values: string): string {
  return `${values}\nmaxVolumesPerNode: 8\n`;
}
