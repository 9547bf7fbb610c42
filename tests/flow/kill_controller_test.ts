// The controller is killed with SIGKILL at each REST call of each operation, before the call's
// effect and after it; a new controller gets the same request again, as the sidecars repeat it.
// Nothing may be doubled, lost or left.
import { deepEqual, equal, ok } from "node:assert/strict";
import { type Claim, claimNameOf, createClaim, mountCapability } from "../../scripts/claim.ts";
import { GiB } from "../../src/size.ts";
import { skip } from "../skips.ts";
import { Flow, whyNoFlow } from "./flow.ts";

interface Step {
  name: string;
  /** What must be there before; its answer goes to `run` and `holds`. */
  prepare(flow: Flow, tag: string): Promise<Claim | undefined>;
  run(flow: Flow, tag: string, claim: Claim | undefined): Promise<unknown>;
  /** What must be true after the repeat, whatever was killed. */
  holds(flow: Flow, tag: string, claim: Claim | undefined): Promise<void>;
}

const volume = claimNameOf;

async function bound(flow: Flow, tag: string, sizeBytes = GiB): Promise<Claim> {
  return await createClaim(flow.controller, volume(tag), { sizeBytes });
}

async function idsNamed(flow: Flow, tag: string): Promise<string[]> {
  return (await flow.volumeIds()).filter((id) => id.endsWith(`-${volume(tag)}`));
}

async function snapshotsOf(flow: Flow, claim: Claim): Promise<string[]> {
  const { entries } = await flow.controller.controller.listSnapshots({
    sourceVolumeId: claim.volumeId,
  });
  return entries.map((entry) => entry.snapshot?.snapshotId ?? "");
}

async function publishedTo(flow: Flow, claim: Claim): Promise<string[]> {
  const { status } = await flow.controller.controller.controllerGetVolume({
    volumeId: claim.volumeId,
  });
  return status?.publishedNodeIds ?? [];
}

function publish(flow: Flow, claim: Claim | undefined, node = 0) {
  return flow.controller.controller.controllerPublishVolume({
    volumeId: claim?.volumeId,
    nodeId: flow.node(node).nodeId,
    volumeCapability: mountCapability(),
  });
}

/** The claim that `prepare` made. */
function given(claim: Claim | undefined): Claim {
  if (!claim) throw new Error("the step prepared no claim");
  return claim;
}

const STEPS: Step[] = [
  {
    name: "CreateVolume",
    prepare: () => Promise.resolve(undefined),
    run: (flow, tag) => bound(flow, tag),
    holds: async (flow, tag) =>
      equal((await idsNamed(flow, tag)).length, 1, "exactly one volume on all arrays"),
  },
  {
    name: "CreateVolume, a clone that grows",
    prepare: (flow, tag) => bound(flow, `${tag}-source`),
    run: (flow, tag, claim) =>
      createClaim(flow.controller, volume(tag), {
        sizeBytes: 2 * GiB,
        source: { case: "volume", value: { volumeId: given(claim).volumeId } },
      }),
    holds: async (flow, tag) => {
      const [id, ...more] = await idsNamed(flow, tag);
      deepEqual(more, [], "exactly one clone");
      const { volume: clone } = await flow.controller.controller.controllerGetVolume({
        volumeId: id,
      });
      equal(Number(clone?.capacityBytes), 2 * GiB, "the clone has its full size");
    },
  },
  {
    name: "ControllerPublishVolume",
    prepare: bound,
    run: (flow, _, claim) => publish(flow, claim),
    holds: async (flow, _, claim) =>
      deepEqual(
        await publishedTo(flow, given(claim)),
        [flow.node(0).nodeId],
        "published to that node alone",
      ),
  },
  {
    name: "ControllerPublishVolume, taken over from another node",
    prepare: async (flow, tag) => {
      const claim = await bound(flow, tag);
      await publish(flow, claim, 1);
      return claim;
    },
    run: (flow, _, claim) => publish(flow, claim),
    holds: async (flow, _, claim) =>
      deepEqual(
        await publishedTo(flow, given(claim)),
        [flow.node(0).nodeId],
        "the other node was cut off",
      ),
  },
  {
    name: "ControllerUnpublishVolume",
    prepare: async (flow, tag) => {
      const claim = await bound(flow, tag);
      await publish(flow, claim);
      return claim;
    },
    run: (flow, _, claim) =>
      flow.controller.controller.controllerUnpublishVolume({
        volumeId: claim?.volumeId,
        nodeId: flow.node(0).nodeId,
      }),
    holds: async (flow, _, claim) => deepEqual(await publishedTo(flow, given(claim)), []),
  },
  {
    name: "ControllerExpandVolume",
    prepare: bound,
    run: (flow, _, claim) =>
      flow.controller.controller.controllerExpandVolume({
        volumeId: claim?.volumeId,
        capacityRange: { requiredBytes: BigInt(2 * GiB) },
      }),
    holds: async (flow, _, claim) => {
      const { volume: grown } = await flow.controller.controller.controllerGetVolume({
        volumeId: claim?.volumeId,
      });
      equal(Number(grown?.capacityBytes), 2 * GiB);
    },
  },
  {
    name: "CreateSnapshot",
    prepare: bound,
    run: (flow, tag, claim) =>
      flow.controller.controller.createSnapshot({
        sourceVolumeId: claim?.volumeId,
        name: `snapshot-${tag}`,
      }),
    holds: async (flow, _, claim) =>
      equal((await snapshotsOf(flow, given(claim))).length, 1, "exactly one snapshot"),
  },
  {
    name: "DeleteSnapshot",
    prepare: async (flow, tag) => {
      const claim = await bound(flow, tag);
      await flow.controller.controller.createSnapshot({
        sourceVolumeId: claim.volumeId,
        name: `snapshot-${tag}`,
      });
      return claim;
    },
    run: async (flow, _, claim) => {
      for (const snapshotId of await snapshotsOf(flow, given(claim))) {
        await flow.controller.controller.deleteSnapshot({ snapshotId });
      }
    },
    holds: async (flow, _, claim) => deepEqual(await snapshotsOf(flow, given(claim)), []),
  },
  {
    name: "DeleteVolume",
    prepare: bound,
    run: (flow, _, claim) => flow.controller.controller.deleteVolume({ volumeId: claim?.volumeId }),
    holds: async (flow, tag) => deepEqual(await idsNamed(flow, tag), []),
  },
];

/**
 * Calls of an operation; what the controller asks beside (status, login, first listing) has other
 * paths or is over by then.
 */
const OF_OPERATIONS = [{ path: "/volumes*" }, { path: "/volume-snapshots*" }, {
  path: "/connections*",
}, { path: "/hosts*" }];

/**
 * Runs the step with a kill at matching call `after`+1; false when the operation ended before it
 * made so many calls.
 */
async function killedAt(
  flow: Flow,
  step: Step,
  kill: { action: string; path: string; after: number },
): Promise<boolean> {
  const tag = crypto.randomUUID();
  const claim = await step.prepare(flow, tag);
  const pid = flow.stand.pid("controller");
  ok(pid, "the controller runs");
  const ended = flow.stand.expectEnd("controller");
  await flow.fault({
    match: { path: kill.path },
    after: kill.after,
    action: kill.action,
    value: pid,
  });
  const killed = await step.run(flow, tag, claim).then(() => false, () => true);
  await flow.clearFaults();
  if (killed) {
    equal(
      (await ended).signal,
      "SIGKILL",
      "the controller ended by the planted kill and nothing else",
    );
    await flow.restart("controller");
    await step.run(flow, tag, claim);
  }
  await step.holds(flow, tag, claim);
  return killed;
}

const reason = whyNoFlow();
Deno.test({
  name: "controller: killed at each REST call of each operation and repeated, nothing is " +
    "doubled or lost",
  ignore: reason !== undefined && skip("controller killed at each REST call", reason),
  fn: (test) =>
    Flow.run({ flasharrays: 2, flashblades: 0, nodes: 2 }, async (flow) => {
      for (const step of STEPS) {
        await test.step(step.name, async () => {
          let kills = 0;
          for (const action of ["kill-before", "kill-after"]) {
            for (const { path } of OF_OPERATIONS) {
              for (
                let after = 0;
                await killedAt(flow, step, { action, path, after });
                after++
              ) kills++;
            }
          }
          ok(kills >= 2, `${step.name} was killed ${kills} times`);
        });
      }
    }),
});
