/**
 * The test suites, in the order in which they run. The test files of one process run one after the
 * other: with --parallel they are threads of it, and a process that one of them starts holds the
 * file locks of the others for a moment.
 */
import { ROOT } from "./program.ts";

export interface Suite {
  name: string;
  what: string;
  /**
   * What `deno test` is given, the longest first; `tests/*` at the end means the test files
   * directly in that folder. None: see `checks`.
   */
  paths?: string[];
  /**
   * A script that tests by other means than `deno test`, instead of test files. The last line that
   * it writes is like that of `deno test`: see readCounts().
   */
  script?: string;
  /** Takes long: a run of every suite leaves it out, and it runs when somebody names it. */
  onlyNamed?: boolean;
  /** Command lines of the project's Deno that must each end with 0, instead of tests. */
  checks?: { name: string; args: string[] }[];
  /**
   * Each test file in a process of its own: one of these opens many connections, and a fault of the
   * runtime can end such a process.
   */
  eachAlone?: boolean;
  /**
   * So many processes at once, each in a mount namespace of its own (Surroundings.lanes), so that
   * what one has mounted keeps no device of another busy. Loop devices and ports are common to all.
   * None: one process, in the machine's own namespace.
   */
  lanes?: number;
  /**
   * Each test file in a guest of its own, with a kernel and an array of its own
   * (tests/lab/README.md).
   */
  inGuest?: boolean;
  /** The test file that knows how to run its part that hangs on chance so often: `--repeat`. */
  repeats?: string;
  /** Runs the program: it is built first, unless interpreted. */
  needsProgram?: boolean;
  timeoutMs: number;
}

const MINUTE = 60_000;

/** How Deno runs test files, on this machine and in a guest: what a test begins, it ends. */
export const TEST_COMMAND = ["test", "-A", "--sanitize-ops", "--sanitize-resources"];

export const SUITES: Suite[] = [
  {
    name: "ok",
    what: "format, lint with the layer rules, types",
    checks: [
      { name: "deno fmt --check", args: ["fmt", "--check", "--quiet"] },
      { name: "deno lint", args: ["lint", "--quiet"] },
      { name: "deno check", args: ["check", "--quiet", "."] },
    ],
    timeoutMs: 5 * MINUTE,
  },
  {
    name: "unit",
    what: "rules, tables and parsers, beside their source",
    paths: [
      "src/node/crash_test.ts",
      "scripts/protocols_test.ts",
      "src/node/hostile_options_test.ts",
      "src/node/node_plugin_test.ts",
      "src/node/calls/format_test.ts",
      "src/node/block_protocols_test.ts",
      "src",
      "scripts",
    ],
    lanes: 2,
    timeoutMs: 10 * MINUTE,
  },
  {
    name: "links",
    what: "what documents name: links, paths, functions, messages; the stand-ins of deno.json",
    paths: ["tests/links_test.ts", "tests/claim_page_test.ts", "tests/troubleshooting_test.ts"],
    timeoutMs: MINUTE,
  },
  {
    name: "fuzz",
    what: "hostile inputs by a fixed seed for some seconds; each fuzzer also runs on and on",
    paths: ["tests/fuzz"],
    lanes: 4, // each fuzzer runs for a fixed time, and waits for others in a part of it
    timeoutMs: 5 * MINUTE,
  },
  {
    name: "contract",
    what:
      "one suite over both kinds of array; the OpenAPI files; the vendor's SDK, ansible, Cinder",
    paths: ["tests/contract"],
    lanes: 2,
    timeoutMs: 15 * MINUTE,
  },
  {
    name: "wire",
    what: "gRPC on a unix socket with real clients",
    paths: ["tests/floods_test.ts", "tests/goaway_test.ts", "tests/*"],
    lanes: 2,
    needsProgram: true,
    timeoutMs: 15 * MINUTE,
  },
  {
    name: "flow",
    what: "controller and nodes over real sockets with real devices; each step killed once",
    paths: [
      "tests/flow/kill_node_test.ts",
      "tests/flow/shutdown_test.ts",
      "tests/flow/kill_controller_test.ts",
      "tests/flow",
    ],
    eachAlone: true,
    lanes: 2,
    needsProgram: true,
    timeoutMs: 40 * MINUTE,
  },
  {
    name: "conformance",
    what: "upstream csi-sanity, mount and block",
    paths: ["tests/conformance"],
    needsProgram: true,
    timeoutMs: 30 * MINUTE,
  },
  {
    name: "lab",
    what: "real iSCSI, NVMe/TCP, multipath and NFS in a guest with an array inside",
    // the longest first: the others go on beside them
    paths: [
      "tests/lab/sanity_test.ts",
      "tests/lab/iscsi_faults_test.ts",
      "tests/lab/iscsi_safety_test.ts",
      "tests/lab/iscsi_test.ts",
      "tests/lab/kernel_plane_test.ts",
      "tests/lab/dead_mount_test.ts",
      "tests/lab/healer_test.ts",
      "tests/lab",
    ],
    inGuest: true,
    needsProgram: true,
    timeoutMs: 30 * MINUTE, // csi-sanity alone takes several minutes of an idle machine
  },
  {
    name: "chart",
    what: "the Helm chart by Helm 3 and 4: renders, bad values, installs, a real API server",
    paths: ["tests/chart/server_test.ts", "tests/chart"],
    lanes: 2,
    timeoutMs: 40 * MINUTE, // the first run builds Kubernetes
  },
  {
    name: "install",
    what:
      "taking a cluster over from PSO 5 and 6 and back, by Helm 3 and 4; the operator; on a real API server",
    // the only one with nodes, and the longest with images to build
    paths: ["tests/install/operator_image_test.ts", "tests/install"],
    lanes: 2,
    timeoutMs: 40 * MINUTE, // the first run builds Kubernetes
  },
  {
    name: "kubernetes",
    what:
      "a real control plane, two kubelets, upstream's sidecars; the chart by Helm; on the local plane",
    paths: ["tests/kubernetes"],
    repeats: "tests/kubernetes/chart_test.ts",
    needsProgram: true,
    timeoutMs: 60 * MINUTE, // the first run builds Kubernetes
  },
  {
    name: "services",
    what:
      "what goes beyond claims, in a cluster: attributes, groups, imports, inline, room, blocks, admin",
    paths: ["tests/services"],
    needsProgram: true,
    timeoutMs: 60 * MINUTE, // the first run builds Kubernetes
  },
  {
    name: "container-steps",
    what: "the Containerfile, what its RUN lines call, and the image itself, built and run",
    paths: ["tests/containerfile_test.ts", "tests/image_test.ts"],
    timeoutMs: 30 * MINUTE, // the first run makes a Debian to build on
  },
  {
    name: "e2e",
    what: "upstream's External Storage suite against the chart's driver; only when named",
    script: "tests/e2e/run.ts",
    onlyNamed: true,
    needsProgram: true,
    timeoutMs: 90 * MINUTE, // the first run builds Kubernetes, its tests and the image
  },
  {
    name: "e2e-services",
    what: "the same for attributes, group snapshots and inline volumes; only when named",
    script: "tests/e2e/services.ts",
    onlyNamed: true,
    needsProgram: true,
    timeoutMs: 60 * MINUTE, // as that of e2e
  },
];

/** The suites that these words name; none named: all but those that want to be. */
export function chosenSuites(names: string[]): Suite[] {
  return SUITES.filter(({ name, onlyNamed }) =>
    names.length === 0 ? !onlyNamed : names.includes(name)
  );
}

/** The test files of a suite; `tests/*` leaves out the files that a suite of their own names. */
export function filesOf(suite: Suite, namesInTests: string[]): string[] {
  const named = SUITES.flatMap(({ paths = [] }) => paths);
  return (suite.paths ?? []).flatMap((path) => {
    if (path !== "tests/*") return [path];
    return namesInTests.filter((name) => name.endsWith("_test.ts")).map((name) => `tests/${name}`)
      .filter((file) => !named.includes(file))
      .sort();
  });
}

/** All test files below the paths, each once. */
export function testFiles(paths: string[]): string[] {
  const found = paths.flatMap((path) => {
    if (path.endsWith("_test.ts")) return [path];
    return [...Deno.readDirSync(`${ROOT}/${path}`)].flatMap(({ name, isDirectory }) =>
      isDirectory
        ? testFiles([`${path}/${name}`])
        : name.endsWith("_test.ts")
        ? [`${path}/${name}`]
        : []
    ).sort();
  });
  return [...new Set(found)];
}

/** A process starts in seconds, and the last one to end should not go on alone for long. */
const GROUPS = 6;

/** The files that one process runs, process by process, in the order in which these begin. */
export function groupsOf(suite: Suite, paths: string[]): string[][] {
  if (suite.eachAlone) return testFiles(paths).map((file) => [file]);
  if (suite.lanes === undefined) return [paths];
  const groups: string[][] = Array.from({ length: GROUPS }, () => []);
  testFiles(paths).forEach((file, index) => groups[index % GROUPS]?.push(file));
  return groups.filter((group) => group.length > 0);
}

/** What `deno test` says in its last line. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Reads `ok | 2 passed (3 steps) | 0 failed | 1 ignored (7ms)`. A run that ended badly with no
 * failure in that line, or without that line, counts as one more failure: an error outside of any
 * test is in no count.
 */
export function readCounts(output: string, code: number): Counts {
  // deno-lint-ignore no-control-regex -- colours
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  const last = plain.split("\n").findLast((line) => /^(ok|FAILED) \| \d+ passed/.test(line));
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(last ?? "")?.[1] ?? 0);
  const failed = count("failed");
  const isUncounted = last === undefined || (code !== 0 && failed === 0);
  return {
    passed: count("passed"),
    failed: failed + (isUncounted ? 1 : 0),
    skipped: count("ignored"),
  };
}

/** The names of the tests that a JUnit report of `deno test` marks as skipped. */
export function skippedIn(junit: string): string[] {
  const cases = junit.matchAll(/<testcase name="([^"]*)"[^>]*>\s*<skipped\/>/g);
  return [...cases].map(([, name = ""]) =>
    name.replace(/&(lt|gt|quot|apos|amp);/g, (_, code: string) => ENTITIES[code] ?? "")
  );
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
