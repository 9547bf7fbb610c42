/**
 * The program itself while no path of an NVMe array answers: its calls end by their deadlines, and
 * it ends when it is told to.
 */
import assert from "node:assert/strict";
import {
  attachClaim,
  type Claim,
  claimNameOf,
  createClaim,
  detachClaim,
  type NodeHandle,
  type Paths,
  unmountClaim,
} from "../../scripts/claim.ts";
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import { type Stand, startStand } from "../../scripts/stand.ts";
import { MiB } from "../../src/size.ts";
import { array, PORTALS } from "./array.ts";
import { hostState, sh, SLOW_MS } from "./bed.ts";

const SIZE = 384 * MiB;
const CALL_MS = 20_000;
/** The gRPC code of a call that finds another one at work on its volume. */
const ABORTED = 10;
const LIVE = "cat /sys/class/nvme/nvme*/state | grep -c live";

/** The gRPC code with which a call ends, 0 when it succeeds. */
async function codeOf(work: Promise<unknown>): Promise<number> {
  try {
    await work;
    return 0;
  } catch (error) {
    const { code } = Object(error);
    assert.equal(typeof code, "number", `${error}`);
    return code;
  }
}

async function cut(): Promise<void> {
  for (const portal of PORTALS) await array("path", portal, "down");
  await sh(`for i in $(seq 600); do [ "$(${LIVE})" = 0 ] && exit 0; sleep 0.1; done; exit 1`);
}

async function mend(): Promise<void> {
  for (const portal of PORTALS) await array("path", portal, "up");
  await sh(`for i in $(seq 900); do [ "$(${LIVE})" = 2 ] && exit 0; sleep 0.1; done; exit 1`);
  await sh("for i in $(seq 300); do pgrep -x umount >/dev/null || exit 0; sleep 0.1; done; exit 1");
}

/**
 * One client for one piece of work: a GOAWAY of the server that meets calls which were given up can
 * end a process with this runtime's HTTP/2 client.
 */
async function withCsi<T>(endpoint: string, work: (csi: CsiClient) => Promise<T>): Promise<T> {
  const csi = connectCsi(endpoint, { timeoutMs: SLOW_MS });
  try {
    return await work(csi);
  } finally {
    csi.close();
  }
}

/** A volume over NVMe/TCP, and where a CO would have it on the node. */
interface Used {
  claim: Claim;
  paths: Paths;
}

async function makeVolume(stand: Stand, name: string): Promise<Used> {
  const paths = {
    staging: `${stand.dir}/staging/${name}`,
    target: `${stand.dir}/pods/${name}/volume`,
  };
  for (const folder of [paths.staging, `${stand.dir}/pods/${name}`]) {
    await Deno.mkdir(folder, { recursive: true });
  }
  const parameters = { backend: "block", protocol: "nvme-tcp" };
  const claim = await withCsi(
    stand.facts.controller,
    (csi) => createClaim(csi, claimNameOf(name), { sizeBytes: SIZE, parameters }),
  );
  return { claim, paths };
}

/** The calls of a node that meet the outage, each with a deadline. */
function callsOf(
  endpoint: string,
  { old, young, publishContext }: {
    old: Used;
    young: Used;
    publishContext: Record<string, string>;
  },
) {
  const { claim: { volumeId, capability: volumeCapability }, paths } = old;
  const timeout = { timeoutMs: CALL_MS };
  const call = (work: (csi: CsiClient["node"]) => Promise<unknown>) => () =>
    codeOf(withCsi(endpoint, ({ node }) => work(node)));
  return {
    stage: call((node) =>
      node.nodeStageVolume({
        ...{ volumeId: young.claim.volumeId, volumeCapability, publishContext },
        ...{ stagingTargetPath: young.paths.staging, volumeContext: young.claim.context },
      }, timeout)
    ),
    expand: call((node) =>
      node.nodeExpandVolume({
        ...{ volumeId, volumeCapability, volumePath: paths.target },
        stagingTargetPath: paths.staging,
      }, timeout)
    ),
    unpublish: call((node) =>
      node.nodeUnpublishVolume({ volumeId, targetPath: paths.target }, timeout)
    ),
    unstage: call((node) =>
      node.nodeUnstageVolume({ volumeId, stagingTargetPath: paths.staging }, timeout)
    ),
  };
}

async function outage(stand: Stand): Promise<void> {
  const [facts] = stand.facts.nodes;
  assert.ok(facts);
  const { endpoint, name } = facts;
  const nodeId = await withCsi(endpoint, async ({ node }) => (await node.nodeGetInfo({})).nodeId);
  const [old, young] = [await makeVolume(stand, "old"), await makeVolume(stand, "young")];
  const asCo = (work: (controller: CsiClient, node: NodeHandle) => Promise<void>) =>
    withCsi(
      stand.facts.controller,
      (controller) => withCsi(endpoint, (csi) => work(controller, { name, csi, nodeId })),
    );
  let publishContext: Record<string, string> = {};
  await asCo(async (controller, node) => {
    await attachClaim(controller, node, old.claim, old.paths);
    const { volumeId, capability: volumeCapability, context: volumeContext } = young.claim;
    const wanted = { volumeId, nodeId, volumeCapability, volumeContext };
    ({ publishContext } = await controller.controller.controllerPublishVolume(wanted));
  });
  await sh(`echo kept >${old.paths.target}/file; sync ${old.paths.target}/file`);
  await cut();
  const calls = callsOf(endpoint, { old, young, publishContext });
  for (const [what, call] of Object.entries(calls)) {
    await call();
    await sh("sleep 5"); // what ends at the caller's deadline has let go by then
    assert.notEqual(await call(), ABORTED, `${what}: the first call still holds its lock`);
  }
  const term = await stand.kill(name, "SIGTERM");
  assert.deepEqual([term?.signal, term?.code], [null, 0], "SIGTERM ends the program in order");
  await stand.start(name);
  const hanging = calls.stage();
  await sh("sleep 3");
  assert.equal((await stand.kill(name, "SIGKILL"))?.signal, "SIGKILL");
  await hanging;
  await mend();
  await stand.start(name);
  await asCo(async (controller, node) => {
    await unmountClaim(node, old.claim, old.paths);
    await attachClaim(controller, node, old.claim, old.paths);
    assert.equal(await sh(`cat ${old.paths.target}/file`), "kept");
    for (const { claim, paths } of [old, young]) {
      await detachClaim(controller, node, claim, paths);
      await controller.controller.deleteVolume({ volumeId: claim.volumeId });
    }
  });
}

Deno.test("NVMe/TCP, both portals dropped: each call of the program ends, no lock stays, SIGTERM and SIGKILL end it, and all goes on when they are back", async () => {
  const before = hostState();
  const stand = await startStand({
    ...{ dir: "/var/lib/stand", dataPlane: "kernel", flasharrays: 1, flashblades: 0, nodes: 1 },
    interpreted: Deno.env.has("PSO_INTERPRETED"),
  });
  try {
    await outage(stand);
  } catch (error) {
    Deno.stderr.writeSync(await Deno.readFile(stand.logOf("node-1")));
    throw error;
  } finally {
    for (const portal of PORTALS) await array("path", portal, "up");
    await stand.stop();
  }
  assert.deepEqual(hostState(), before);
});
