// Upstream csi-sanity against a stand of the compiled program: a fixed seed, no skip and no focus,
// every spec's fate by name.
import { deepEqual, equal } from "node:assert/strict";
import { exists } from "../../scripts/paths.ts";
import { ROOT } from "../../scripts/program.ts";
import { runTool, say, tryTool } from "../../scripts/shell.ts";
import type { Stand } from "../../scripts/stand.ts";

export const SANITY = "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@v5.6.0";
const PROGRAM = `${ROOT}/.tools/bin/csi-sanity`;

/**
 * Why csi-sanity cannot run here, or undefined: it needs Go 1.25 or newer once, to be built, and
 * root for mounts.
 */
export async function whyNoSanity(): Promise<string | undefined> {
  if (Deno.env.get("CI") === "true") return undefined; // there a reason is a failure, not a skip
  if (Deno.uid() !== 0) return "mounts need root";
  if (await exists(PROGRAM)) return undefined;
  const { code, stdout } = await tryTool("go", ["env", "GOVERSION"]);
  if (code !== 0) return "csi-sanity is built with Go 1.25 or newer, and there is no go here";
  const [major, minor] = stdout.trim().replace(/^go/, "").split(".").map(Number);
  if ((major ?? 0) < 1 || (major === 1 && (minor ?? 0) < 25)) {
    return `csi-sanity is built with Go 1.25 or newer, this is ${stdout.trim()}`;
  }
  return undefined;
}

/** The program, built when it is not there yet. */
export async function sanityProgram(): Promise<string> {
  if (!await exists(PROGRAM)) {
    await runTool("go", ["install", SANITY], { env: { GOBIN: `${ROOT}/.tools/bin` } });
  }
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
  const fates: Record<string, Spec["fate"]> = {
    passed: "passed",
    skipped: "skipped",
    pending: "pending",
  };
  return [
    ...junit.matchAll(
      /<testcase name="([^"]*)"[^>]*status="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g,
    ),
  ]
    .filter(([, name]) => name?.startsWith("[It] "))
    .map(([, name = "", status = "", body = ""]) => ({
      name: unescapeXml(name).slice("[It] ".length),
      fate: fates[status] ?? "failed",
      message: unescapeXml(
        /<(?:skipped|failure|error)[^>]*message="([^"]*)"/.exec(body)?.[1] ?? "",
      ),
    }));
}

/** What the specs of a VolumeAttributesClass ask for; without any they send what CSI forbids. */
const MUTABLE = {
  block: 'iops_limit: "5000"\ntags: tier=gold\n',
  file: "exportrules: 198.51.100.0/24(ro)\n",
};

export interface SanityRun {
  accessType: "mount" | "block";
  backend: "block" | "file";
  /** Ends csi-sanity. */
  timeoutMs: number;
}

/**
 * Runs the whole suite against a stand with one node whose values smallNodeLimit() made, and gives
 * back every spec.
 */
export async function runSanity(
  { facts, dir }: Stand,
  { accessType, backend, timeoutMs }: SanityRun,
): Promise<Spec[]> {
  const program = await sanityProgram();
  const run = `${dir}/sanity-${accessType}-${backend}`;
  await Deno.mkdir(run);
  await Deno.writeTextFile(`${run}/parameters.yaml`, `backend: ${backend}\n`);
  await Deno.writeTextFile(`${run}/mutable.yaml`, MUTABLE[backend]);
  const { stdout, stderr } = await tryTool(program, [
    `--csi.endpoint=${facts.nodes[0]?.endpoint}`,
    `--csi.controllerendpoint=${facts.controller}`,
    `--csi.mountdir=${run}/mount`,
    `--csi.stagingdir=${run}/staging`,
    `--csi.testvolumeparameters=${run}/parameters.yaml`,
    `--csi.testvolumemutableparameters=${run}/mutable.yaml`,
    `--csi.testvolumesize=${1 << 30}`,
    `--csi.testvolumeexpandsize=${2 ** 31}`,
    `--csi.testvolumeaccesstype=${accessType}`,
    "--csi.testnodevolumeattachlimit",
    "--ginkgo.seed=1",
    "--ginkgo.no-color",
    `--ginkgo.junit-report=${run}/junit.xml`,
  ], { timeoutMs });
  if (!await exists(`${run}/junit.xml`)) {
    throw new Error(`csi-sanity wrote no report:\n${(stdout + stderr).slice(-4000)}`);
  }
  return specsOf(await Deno.readTextFile(`${run}/junit.xml`));
}

/**
 * csi-sanity publishes one volume more than a node takes, so the limit must be a number that it
 * reaches soon.
 */
export function smallNodeLimit(values: string): string {
  return `${values}\nmaxVolumesPerNode: 8\n`;
}

/** How many specs csi-sanity 5.6.0 has: 102, and one that upstream has switched off. */
const SPECS = 103;

/** A spec that does not run. */
interface Unrun {
  name: RegExp;
  fate: "skipped" | "pending";
  why: string;
}

/** All of them: every other one must pass. */
const NOT_RUN: Unrun[] = [
  {
    name: /should succeed when creating a snapshot with accessibility requirements$/,
    fate: "skipped",
    why: "SNAPSHOT_ACCESSIBILITY_CONSTRAINTS is not offered: a snapshot is on its volume's array",
  },
  {
    name: /pagination should detect volumes added between pages and accept tokens/,
    fate: "pending",
    why: "upstream has switched it off (XIt)",
  },
];

/**
 * Says what became of the specs, and fails when one failed, is missing, or did not run and is not
 * named as one that does not.
 */
export async function judge(test: Deno.TestContext, name: string, specs: Spec[]): Promise<void> {
  const of = (fate: Spec["fate"]) => specs.filter((spec) => spec.fate === fate);
  const whyNot = (spec: Spec) =>
    NOT_RUN.find((one) => one.fate === spec.fate && one.name.test(spec.name))?.why;
  const unrun = [...of("skipped"), ...of("pending")];
  say(
    `csi-sanity ${name}: ${of("passed").length} passed, ${of("failed").length} failed, ${
      of("skipped").length
    } skipped, ${of("pending").length} pending upstream`,
  );
  for (const spec of unrun) say(`  ${spec.fate}: ${spec.name}: ${whyNot(spec) ?? spec.message}`);
  await test.step("no spec failed", () =>
    deepEqual(of("failed").map(({ name, message }) => `${name}: ${message}`), []));
  await test.step("every spec of the suite is there", () => equal(specs.length, SPECS));
  await test.step("what did not run is named, with its reason, and all else passed", () => {
    deepEqual(unrun.filter((spec) => whyNot(spec) === undefined), []);
    equal(unrun.length, NOT_RUN.length);
    equal(of("passed").length, SPECS - NOT_RUN.length);
  });
}
