// REST calls that one operation costs, counted by the simulator. Warm: every array was listed since
// the controller's start (design 4.9) and has seen the node before. Cold: the first operation of a
// controller that was just started and has listed nothing yet.
import { status } from "@grpc/grpc-js";
import { claimNameOf, createClaim, mountCapability } from "../../scripts/claim.ts";
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import { say } from "../../scripts/shell.ts";
import type { Stand } from "../../scripts/stand.ts";
import { GiB } from "../../src/size.ts";
import { pause } from "../../src/async/wait.ts";
import { flags, isReady, median, note, table, withStand } from "./bench.ts";

const OPERATIONS = ["create", "delete", "publish", "unpublish", "expand", "snapshot"] as const;
type Operation = (typeof OPERATIONS)[number];
type Counts = Record<Operation, number>;

const ROUNDS = 5;
/**
 * Slows arrays down so far that a just started controller cannot have listed them before our call
 * arrives.
 */
const COLD_LATENCY_MS = 150;
/**
 * A controller that was just started is done with its listing when nothing was asked for this long.
 */
const QUIET_MS = 1_500;

async function requests(stand: Stand): Promise<number> {
  const answer = await (await fetch(`${stand.facts.simulator}/requests`)).json() as {
    total: number;
  };
  return answer.total;
}

class Life {
  readonly capability = mountCapability();

  constructor(readonly controller: CsiClient, readonly nodeId: string) {}

  /** Does what must be there before `operation`, and gives back the operation itself. */
  async prepare(operation: Operation, name: string): Promise<() => Promise<unknown>> {
    const { controller } = this.controller;
    if (operation === "create") return () => createClaim(this.controller, name, { sizeBytes: GiB });
    const { volumeId } = await createClaim(this.controller, name, { sizeBytes: GiB });
    const publish = () =>
      controller.controllerPublishVolume({
        volumeId,
        nodeId: this.nodeId,
        volumeCapability: this.capability,
      });
    if (operation === "unpublish") await publish();
    return {
      delete: () => controller.deleteVolume({ volumeId }),
      publish,
      unpublish: () => controller.controllerUnpublishVolume({ volumeId, nodeId: this.nodeId }),
      expand: () =>
        controller.controllerExpandVolume({
          volumeId,
          capacityRange: { requiredBytes: BigInt(2 * GiB) },
        }),
      snapshot: () =>
        controller.createSnapshot({ sourceVolumeId: volumeId, name: `snapshot-${name}` }),
    }[operation];
  }
}

/**
 * Publishes volumes until each array has seen the node: its host object is made once per array, and
 * is no part of a warm publish.
 */
async function showNodeToAll(stand: Stand, life: Life): Promise<void> {
  const { controller } = life.controller;
  const seen = new Set<string>();
  for (let number = 0; seen.size < stand.facts.arrays.length; number++) {
    const { volumeId, capability: volumeCapability } = await createClaim(
      life.controller,
      claimNameOf(`seen-${number}`),
      { sizeBytes: GiB },
    );
    await controller.controllerPublishVolume({ volumeId, nodeId: life.nodeId, volumeCapability });
    seen.add(volumeId.split("/")[0] ?? "");
  }
}

async function warmCounts(stand: Stand, life: Life): Promise<Counts> {
  await showNodeToAll(stand, life);
  const counts: Partial<Counts> = {};
  for (const operation of OPERATIONS) {
    const rounds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const run = await life.prepare(operation, claimNameOf(`warm-${operation}-${round}`));
      const before = await requests(stand);
      await run();
      rounds.push(await requests(stand) - before);
    }
    // the status check that runs beside now and then must not count
    counts[operation] = median(rounds);
  }
  return counts as Counts;
}

/**
 * All calls from the controller's start until it is quiet, with `run` as its first request if there
 * is one.
 */
async function callsOfStart(
  stand: Stand,
  run?: (controller: CsiClient) => Promise<unknown>,
): Promise<number> {
  await stand.kill("controller", "SIGTERM");
  const before = await requests(stand);
  await stand.start("controller");
  const client = connectCsi(stand.facts.controller, { timeoutMs: 60_000 });
  await run?.(client);
  client.close();
  await isReady(stand.facts.admin);
  for (let seen = -1;;) {
    const now = await requests(stand);
    if (now === seen) return now - before;
    seen = now;
    await pause(QUIET_MS);
  }
}

async function coldCounts(stand: Stand, life: Life): Promise<Counts> {
  const prepared = await Promise.all(OPERATIONS.map(async (operation) => {
    const name = claimNameOf(`cold-${operation}`);
    if (operation !== "create") await life.prepare(operation, name);
    return [operation, name] as const;
  }));
  const { entries } = await life.controller.controller.listVolumes({});
  const alone = await callsOfStart(stand);
  const counts: Partial<Counts> = {};
  for (const [operation, name] of prepared) {
    const volumeId = entries.map((entry) =>
      entry.volume?.volumeId ?? ""
    ).find((id) => id.endsWith(name)) ?? "";
    counts[operation] = await callsOfStart(stand, (client) =>
      untilServed(() =>
        coldCall(client, { operation, name, volumeId, nodeId: life.nodeId })
      )) - alone;
  }
  return counts as Counts;
}

/**
 * Repeats a call that is refused because an array has not answered yet, as the sidecars do; a
 * refusal costs no REST call.
 */
async function untilServed(call: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === status.UNAVAILABLE)) {
        throw error;
      }
      await pause(20);
    }
  }
}

function coldCall(
  { controller }: CsiClient,
  call: { operation: Operation; name: string; volumeId: string; nodeId: string },
): Promise<unknown> {
  const { volumeId, nodeId, name } = call;
  const capability = mountCapability();
  switch (call.operation) {
    case "create":
      return controller.createVolume({
        name,
        capacityRange: { requiredBytes: BigInt(GiB) },
        volumeCapabilities: [capability],
      });
    case "delete":
      return controller.deleteVolume({ volumeId });
    case "publish":
      return controller.controllerPublishVolume({ volumeId, nodeId, volumeCapability: capability });
    case "unpublish":
      return controller.controllerUnpublishVolume({ volumeId, nodeId });
    case "expand":
      return controller.controllerExpandVolume({
        volumeId,
        capacityRange: { requiredBytes: BigInt(2 * GiB) },
      });
    case "snapshot":
      return controller.createSnapshot({ sourceVolumeId: volumeId, name: `snapshot-${name}` });
  }
}

async function nodeIdOf(stand: Stand): Promise<string> {
  const node = connectCsi(stand.facts.nodes[0]?.endpoint ?? "");
  const { nodeId } = await node.node.nodeGetInfo({});
  node.close();
  return nodeId;
}

const result: { warm: Record<string, Counts>; cold: Record<string, Counts> } = {
  warm: {},
  cold: {},
};
for (const arrays of [1, 8]) {
  note(`counting with ${arrays} array${arrays > 1 ? "s" : ""}: warm …`);
  const options = { flasharrays: arrays, flashblades: 0, nodes: 1 };
  result.warm[arrays] = await withStand(
    options,
    async (stand, controller) =>
      await warmCounts(stand, new Life(controller, await nodeIdOf(stand))),
  );
  note(`counting with ${arrays} array${arrays > 1 ? "s" : ""}: cold …`);
  result.cold[arrays] = await withStand(
    { ...options, latencyMs: COLD_LATENCY_MS },
    async (stand, controller) =>
      await coldCounts(stand, new Life(controller, await nodeIdOf(stand))),
  );
}

if (flags.has("--json")) say(JSON.stringify(result));
else {
  say("REST calls per operation\n");
  const rows = OPERATIONS.map((operation) => [
    operation,
    ...(["warm", "cold"] as const).flatMap((state) =>
      [1, 8].map((arrays) => result[state][arrays]?.[operation] ?? NaN)
    ),
  ]);
  table(["operation", "warm, 1 array", "warm, 8 arrays", "cold, 1 array", "cold, 8 arrays"], rows);
}
