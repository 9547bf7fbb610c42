// The node against its bars: staging beside a script that does the same by hand, and the loss of a
// path, in a lab guest; the cost of many staged volumes at rest, on this host. Ends with 1 when a
// bar is missed.
import { DENO, ROOT } from "../../scripts/program.ts";
import { complain, runTool, say } from "../../scripts/shell.ts";
import { flags, median, note, table } from "./bench.ts";
import type { GuestResult, Row } from "./node_guest.ts";
import { measureIdle, type NodeIdle } from "./node_idle.ts";

interface Bar {
  what: string;
  found: string;
  wanted: string;
  held: boolean;
}

const GUEST_SECONDS = 3_600;
const RATIO_MAX = 1.15;
const HEAL_MAX_MS = 30_000;
const IDLE_CPU_MAX_PERCENT = 1;
const IDLE_RSS_MAX_MIB = 20;
const IDLE = { volumes: 200, seconds: 60 };
const RESULT = "result.json";

/**
 * Runs node_guest.ts in a guest of its own, which has two processors as the smallest of nodes have. A guest has no network: what it imports is fetched
 * before.
 */
async function measureInGuest(): Promise<GuestResult> {
  const out = await Deno.makeTempDir({ prefix: "pso-bench-" });
  try {
    await runTool(DENO, [
      "cache",
      "--quiet",
      `${ROOT}/tests/bench/node_guest.ts`,
      `${ROOT}/main.ts`,
    ]);
    const passed = flags.has("--interpreted") ? " --interpreted" : "";
    const command =
      `deno run -A --no-check --cached-only tests/bench/node_guest.ts /out/${RESULT} ` +
      `/out/node.log${passed}`;
    const { code } = await new Deno.Command(`${ROOT}/tests/lab/lab`, {
      args: ["run", "-C", ROOT, "-o", out, "-t", `${GUEST_SECONDS}`, command],
      env: { DENO, PSO_LAB_CPUS: "2" },
      stdin: "null",
      stdout: "null",
      stderr: flags.has("--json") ? "null" : "inherit",
    }).output();
    if (code !== 0) {
      throw new Error(
        `the guest ended with code ${code}; the end of the node's log:\n${await lastLines(
          `${out}/node.log`,
        )}`,
      );
    }
    return JSON.parse(await Deno.readTextFile(`${out}/${RESULT}`));
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

async function lastLines(path: string): Promise<string> {
  const text = await Deno.readTextFile(path).catch(() => "it wrote none");
  return text.trimEnd().split("\n").slice(-15).join("\n");
}

function ratioOf({ nodeMs, scriptMs }: Row): number {
  return median(nodeMs) / median(scriptMs);
}

function barsOf({ rows, left, pathLoss }: GuestResult, idle: NodeIdle): Bar[] {
  const ratios = rows.filter((row) => !row.formats).map((row) => ({
    what: `stage and publish, ${row.what}, against the script`,
    found: `${ratioOf(row).toFixed(2)} ×`,
    wanted: `≤ ${RATIO_MAX} ×`,
    held: ratioOf(row) <= RATIO_MAX,
  }));
  const { devices, maps, sessions } = left;
  const moreMiB = idle.staged.rssMiB - idle.empty.rssMiB;
  return [
    ...ratios,
    {
      what: "left after unstage",
      found: `${devices} devices, ${maps} maps, ${sessions} sessions`,
      wanted: "0, 0, 0",
      held: devices + maps + sessions === 0,
    },
    {
      what: "I/O errors, one of two paths cut",
      found: `${pathLoss.errors}`,
      wanted: "0",
      held: pathLoss.errors === 0,
    },
    {
      what: "path restored until it is used again",
      found: `${(pathLoss.healedMs / 1000).toFixed(1)} s`,
      wanted: `≤ ${HEAL_MAX_MS / 1000} s`,
      held: pathLoss.healedMs <= HEAL_MAX_MS,
    },
    {
      what: `CPU at rest, ${idle.volumes} volumes staged`,
      found: `${idle.staged.cpuPercent.toFixed(2)} % of a core`,
      wanted: `< ${IDLE_CPU_MAX_PERCENT} %`,
      held: idle.staged.cpuPercent < IDLE_CPU_MAX_PERCENT,
    },
    {
      what: `RSS at rest, ${idle.volumes} volumes staged, over an empty node's`,
      found: `${moreMiB.toFixed(1)} MiB`,
      wanted: `≤ ${IDLE_RSS_MAX_MIB} MiB`,
      held: moreMiB <= IDLE_RSS_MAX_MIB,
    },
  ];
}

function show(guest: GuestResult, idle: NodeIdle): void {
  const seconds = (values: number[]) => median(values) / 1000;
  const all = (values: number[]) => values.map((value) => (value / 1000).toFixed(1)).join(" ");
  say(
    "Stage and publish over iSCSI with two paths, medians in seconds (all rounds), in an " +
      "emulated guest\n",
  );
  table(
    ["work", "node", "script", "ratio", "node, rounds", "script, rounds"],
    // The node looks at a hundred places before it formats, the script at two: what that costs is
    // shown, and is no bar.
    guest.rows.map((
      row,
    ) => [
      row.formats ? `${row.what} (no bar)` : row.what,
      seconds(row.nodeMs),
      seconds(row.scriptMs),
      ratioOf(row),
      all(row.nodeMs),
      all(row.scriptMs),
    ]),
  );
  const { places, readMs, startMs } = guest.proof;
  say(
    `\nOf the blank volume, the node reads ${places} places, by a process for each: ` +
      `${seconds(readMs).toFixed(2)} s here, where a process that reads nothing takes ` +
      `${(seconds(startMs) * 1000).toFixed(0)} ms`,
  );
  const { writes, errors, stallMs, healedMs } = guest.pathLoss;
  say(
    `\nOne of two paths cut under load: ${writes} writes, ${errors} errors, longest stall ${
      (stallMs / 1000).toFixed(1)
    } s; ` +
      `healed ${(healedMs / 1000).toFixed(1)} s after its return`,
  );
  say(`\nAt rest for ${idle.seconds} s, local plane\n`);
  table(
    ["node", "CPU % of a core", "RSS MiB"],
    [
      [`${idle.volumes} volumes`, idle.staged.cpuPercent, idle.staged.rssMiB],
      ["empty", idle.empty.cpuPercent, idle.empty.rssMiB],
    ],
  );
  say("");
}

note("the node at rest (some minutes) …");
const idle = await measureIdle(IDLE);
note("in a lab guest (some ten minutes) …");
const guest = await measureInGuest();
const bars = barsOf(guest, idle);
if (flags.has("--json")) {
  say(
    JSON.stringify({
      ...guest,
      rows: guest.rows.map((row) => ({ ...row, ratio: ratioOf(row) })),
      idle,
      bars,
    }),
  );
} else {
  show(guest, idle);
  table(
    ["bar", "found", "wanted", ""],
    bars.map(({ what, found, wanted, held }) => [what, found, wanted, held ? "held" : "MISSED"]),
  );
}
for (const { what, found, wanted } of bars.filter((bar) => !bar.held)) {
  complain(`bench: bar missed: ${what}: ${found}, wanted ${wanted}`);
}
if (bars.some((bar) => !bar.held)) Deno.exit(1);
