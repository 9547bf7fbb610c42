// What the compiled program does with many CSI calls: calls per second and latency, 100 creates at
// once, memory, start-up time.
import { claimNameOf, createClaim } from "../../scripts/claim.ts";
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import { launchOf } from "../../scripts/program.ts";
import { say } from "../../scripts/shell.ts";
import type { Stand } from "../../scripts/stand.ts";
import { GiB } from "../../src/size.ts";
import { pause } from "../../src/async/wait.ts";
import {
  cpuMs,
  flags,
  median,
  note,
  pidOf,
  quantile,
  rssMiB,
  runMany,
  table,
  withStand,
} from "./bench.ts";

interface Rate {
  concurrency: number;
  latency_ms: number;
  per_second: number;
  p50_ms: number;
  p99_ms: number;
  cpu_us: number;
}

interface Memory {
  idle: number;
  after_100k: number;
  after_200k: number;
}

const STORM_CREATES = 100;
const STORMS = 5;
/** Each create is a volume, so the number of calls is what a simulated array holds easily. */
const RATE_CALLS = 300;
const SETTLE_MS = flags.has("--quick") ? 5_000 : 60_000;
const HALF_CALLS = flags.has("--quick") ? 10_000 : 100_000;

async function rate(
  stand: Stand,
  controller: CsiClient,
  at: { concurrency: number; latencyMs: number },
): Promise<Rate> {
  const { concurrency, latencyMs } = at;
  const pid = pidOf(stand, "controller");
  const cpuBefore = await cpuMs(pid);
  const started = performance.now();
  const took = await runMany(
    RATE_CALLS,
    concurrency,
    (index) =>
      createClaim(controller, claimNameOf(`rate-${concurrency}-${latencyMs}-${index}`), {
        sizeBytes: GiB,
      }),
  );
  const seconds = (performance.now() - started) / 1000;
  return {
    concurrency,
    latency_ms: latencyMs,
    per_second: RATE_CALLS / seconds,
    p50_ms: quantile(took, 0.5),
    p99_ms: quantile(took, 0.99),
    cpu_us: (await cpuMs(pid) - cpuBefore) * 1000 / RATE_CALLS,
  };
}

/** Seconds until 100 creates that arrive at once are all done, for each of some storms. */
async function storms(controller: CsiClient): Promise<number[]> {
  const seconds: number[] = [];
  for (let storm = 0; storm < STORMS; storm++) {
    const started = performance.now();
    await runMany(
      STORM_CREATES,
      STORM_CREATES,
      (index) =>
        createClaim(controller, claimNameOf(`storm-${storm}-${index}`), { sizeBytes: GiB }),
    );
    seconds.push((performance.now() - started) / 1000);
  }
  return seconds;
}

/**
 * Calls that a quiet cluster makes all day, in turn, on a new connection for every thousandth, as
 * kubelet connects anew.
 */
async function manyCalls(
  endpoint: string,
  count: number,
  call: (client: CsiClient, index: number) => Promise<unknown>,
): Promise<void> {
  for (let done = 0; done < count; done += 1000) {
    const client = connectCsi(endpoint);
    await runMany(1000, 16, (index) => call(client, index));
    client.close();
  }
}

async function memory(stand: Stand): Promise<Record<"controller" | "node", Memory>> {
  const node = stand.facts.nodes[0];
  const volume = await (async () => {
    const controller = connectCsi(stand.facts.controller);
    const claim = await createClaim(controller, claimNameOf("memory"), { sizeBytes: GiB });
    controller.close();
    return claim;
  })();
  const controllerCall = ({ controller, identity }: CsiClient, index: number) =>
    index % 2 === 0 ? identity.probe({}) : controller.validateVolumeCapabilities({
      volumeId: volume.volumeId,
      volumeCapabilities: [volume.capability],
    });
  const nodeCall = ({ node, identity }: CsiClient, index: number) =>
    index % 2 === 0 ? identity.probe({}) : node.nodeGetCapabilities({});
  const of = {
    controller: { endpoint: stand.facts.controller, call: controllerCall, process: "controller" },
    node: { endpoint: node?.endpoint ?? "", call: nodeCall, process: "node-1" },
  };
  const result: Partial<Record<"controller" | "node", Memory>> = {};
  for (
    const [name, { endpoint, call, process }] of Object.entries(of) as [
      "controller" | "node",
      typeof of.controller,
    ][]
  ) {
    const pid = pidOf(stand, process);
    await manyCalls(endpoint, 1000, call);
    await pause(SETTLE_MS);
    const idle = await rssMiB(pid);
    await manyCalls(endpoint, HALF_CALLS - 1000, call);
    const after_100k = await rssMiB(pid);
    await manyCalls(endpoint, HALF_CALLS, call);
    result[name] = { idle, after_100k, after_200k: await rssMiB(pid) };
    note(`memory of the ${name} measured`);
  }
  return result as Record<"controller" | "node", Memory>;
}

/**
 * RSS of the controller before, at the peak of and after listing 10,000 volumes in pages of 500.
 */
async function listing(
  stand: Stand,
  controller: CsiClient,
): Promise<{ volumes: number; extra_mib: number; seconds: number }> {
  const volumes = flags.has("--quick") ? 1_000 : 10_000;
  await runMany(
    volumes,
    32,
    (index) => createClaim(controller, claimNameOf(`list-${index}`), { sizeBytes: GiB }),
  );
  const pid = pidOf(stand, "controller");
  await pause(SETTLE_MS / 6);
  const before = await rssMiB(pid);
  let peak = before;
  let seen = 0;
  const started = performance.now();
  for (let startingToken = "", first = true; first || startingToken !== ""; first = false) {
    const page = await controller.controller.listVolumes({ maxEntries: 500, startingToken });
    seen += page.entries.length;
    startingToken = page.nextToken;
    peak = Math.max(peak, await rssMiB(pid));
  }
  if (seen < volumes) throw new Error(`listed ${seen} of ${volumes} volumes`);
  return { volumes: seen, extra_mib: peak - before, seconds: (performance.now() - started) / 1000 };
}

/** Median milliseconds until `--version` is printed. */
async function startMs(): Promise<number> {
  const { command, args } = launchOf({ interpreted: flags.has("--interpreted") });
  const took: number[] = [];
  for (let run = 0; run < 11; run++) {
    const started = performance.now();
    await new Deno.Command(command, { args: [...args, "--version"], stdout: "null" }).output();
    took.push(performance.now() - started);
  }
  return median(took);
}

const rpc: Rate[] = [];
for (const latencyMs of [0, 20]) {
  await withStand(
    { flasharrays: 2, flashblades: 0, nodes: 1, latencyMs },
    async (stand, controller) => {
      for (const concurrency of [1, 16, 64]) {
        note(`creating volumes, ${concurrency} at once, ${latencyMs} ms a REST call …`);
        rpc.push(await rate(stand, controller, { concurrency, latencyMs }));
      }
    },
  );
}
note("storms of 100 creates …");
const stormSeconds = await withStand(
  { flasharrays: 2, flashblades: 0, nodes: 1, latencyMs: 20, concurrency: 16 },
  (_, controller) => storms(controller),
);
note("memory (some minutes) …");
const rss = await withStand({ flasharrays: 1, flashblades: 0, nodes: 1 }, (stand) => memory(stand));
note("listing …");
const list = await withStand({ flasharrays: 2, flashblades: 0, nodes: 1 }, listing);
const result = {
  rpc,
  storm_s: { median: median(stormSeconds), all: stormSeconds },
  rss_mib: rss,
  list,
  start_ms: await startMs(),
};

if (flags.has("--json")) say(JSON.stringify(result));
else {
  say("CreateVolume\n");
  table(
    ["at once", "REST latency ms", "per second", "p50 ms", "p99 ms", "CPU µs per call"],
    rpc.map((
      row,
    ) => [
      `${row.concurrency}`,
      row.latency_ms,
      row.per_second,
      row.p50_ms,
      row.p99_ms,
      row.cpu_us,
    ]),
  );
  say(
    `\n${STORM_CREATES} creates at once, 20 ms a REST call, 16 at once per array: median ${
      result.storm_s.median.toFixed(2)
    } s of ${stormSeconds.map((s) => s.toFixed(2)).join(", ")}\n`,
  );
  table(
    ["RSS in MiB", "idle after 1,000 calls", "after 100,000", "after 200,000"],
    Object.entries(rss).map(([name, row]) => [name, row.idle, row.after_100k, row.after_200k]),
  );
  say(
    `\nListing ${list.volumes} volumes in pages of 500: ${list.seconds.toFixed(2)} s, ${
      list.extra_mib.toFixed(1)
    } MiB more at the peak`,
  );
  say(`Start-up: ${result.start_ms.toFixed(0)} ms`);
}
