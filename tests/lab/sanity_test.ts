/**
 * Upstream csi-sanity over real iSCSI and NFS: the simulator's kernel data plane, controller and
 * node in one guest, started once.
 */
import assert from "node:assert/strict";
import { startStand } from "../../scripts/stand.ts";
import {
  judge,
  runSanity,
  type SanityRun,
  smallNodeLimit,
  whyNoSanity,
} from "../conformance/sanity.ts";
import { skip } from "../skips.ts";
import { array } from "./array.ts";
import { hostState } from "./bed.ts";

/** Three of them fit into the life of a guest, so that a slow one is told by its name. */
const TIMEOUT_MS = 540_000;
const RUNS: (SanityRun & { name: string })[] = [
  {
    name: "mount, FlashArray by iSCSI",
    accessType: "mount",
    backend: "block",
    timeoutMs: TIMEOUT_MS,
  },
  {
    name: "block, FlashArray by iSCSI",
    accessType: "block",
    backend: "block",
    timeoutMs: TIMEOUT_MS,
  },
  { name: "mount, FlashBlade by NFS", accessType: "mount", backend: "file", timeoutMs: TIMEOUT_MS },
];

const reason = await whyNoSanity();
Deno.test({
  name: "csi-sanity 5.6.0 passes over real protocols, and nothing is left",
  ignore: reason !== undefined && skip("csi-sanity over iSCSI and NFS", reason),
  fn: async (test) => {
    await array("start", "nfs");
    const before = hostState();
    const stand = await startStand({
      ...{ dir: "/var/lib/stand", dataPlane: "kernel", flasharrays: 1, flashblades: 1, nodes: 1 },
      interpreted: Deno.env.has("PSO_INTERPRETED"),
      editValues: smallNodeLimit,
    });
    try {
      for (const run of RUNS) {
        await test.step(
          run.name,
          async (step) => await judge(step, run.name, await runSanity(stand, run)),
        );
        // csi-sanity uses some names in every run, and an array keeps the names of what was
        // destroyed for a day.
        await (await fetch(`${stand.facts.simulator}/clock`, {
          method: "POST",
          body: JSON.stringify({ advance: 86_401 }),
        })).body?.cancel();
      }
    } finally {
      await stand.stop();
    }
    assert.deepEqual(hostState(), before);
  },
});
