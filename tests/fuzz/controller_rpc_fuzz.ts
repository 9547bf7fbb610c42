/**
 * A fuzzer for the messages of the CSI controller service, over simulated arrays and real HTTP: every
 * call ends with a code of its own, tells no secret, leaves no lock, and touches no volume that is not
 * of this cluster. Open-ended, until it is stopped or finds a fault:
 *
 *     ./scripts/deno run -A tests/fuzz/controller_rpc_fuzz.ts --seed 1 [--seconds 600]
 */
import { equal, ok } from "node:assert/strict";
import { pause } from "../../src/async/wait.ts";
import { controllerService } from "../../src/csi/controller_service.ts";
import { Controller, GroupController } from "../../src/csi/generated/csi_pb.ts";
import { groupControllerService } from "../../src/csi/group_controller_service.ts";
import { isPsoError } from "../../src/errors.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { groupSuffixFor } from "../../src/names.ts";
import { N1, N2, ProvisionerBed } from "../flow/provisioner_bed.ts";
import { BLOCK, WRITER } from "../support/rpc_rows.ts";
import { type FuzzOptions, runFuzzer } from "./fuzz_main.ts";
import { Random } from "./random.ts";
import { openFiles, RpcCaller } from "./rpc_caller.ts";
import { CANARY, RpcMessages, type Vocabulary } from "./rpc_messages.ts";

const CALLS_PER_ROUND = 150;
const DEADLINE_MS = 5_000;
const FOREIGN = "oracle-data";
const NAMES = ["pvc-1", "pvc-2", "snapshot-1"];
const GROUP = "groupsnapshot-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";
const METHODS = [...Object.values(Controller.method), ...Object.values(GroupController.method)];

/** A create that is repeated, as by csi-provisioner, while a starved machine answers no check in time. */
async function make(bed: ProvisionerBed, name: string): Promise<string> {
  for (;;) {
    try {
      return await bed.create(name);
    } catch (error) {
      if (!isPsoError(error, "unavailable")) throw error;
      await pause(1_000, bed.signal);
    }
  }
}

/** Ids of what the arrays hold at the beginning of a round, whole and in the old forms. */
async function idsOf(bed: ProvisionerBed): Promise<string[]> {
  const made = [await make(bed, "pvc-1"), await make(bed, "pvc-2")];
  const names = made.flatMap((id) => id.split("/").at(-1) ?? []);
  const foreign = made.map((id) => `${id.split("/")[0]}/${FOREIGN}`);
  return [...made, ...made, ...names, "k8s/pvc-1", ...foreign, FOREIGN, `${made[0]}.snapshot-1`];
}

/** What a group of some of these volumes would be called, and its snapshots. */
function groupIdsOf(ids: string[]): { groups: string[]; members: string[] } {
  const hinted = ids.filter((id) => id.includes("/k8s-"));
  const volumes = hinted.map((id) => id.slice(id.indexOf("/") + 1));
  const suffixes = [volumes.slice(0, 1), volumes].map((some) => groupSuffixFor(GROUP, some));
  const groups = hinted.flatMap((id) => suffixes.map((suffix) => `${id.split("/")[0]}/${suffix}`));
  const members = hinted.flatMap((id) => suffixes.map((suffix) => `${id}.${suffix}`));
  return { groups: [...groups, "0badcafe/pg.1"], members: [...members, "0badcafe/pg.1.v"] };
}

function vocabularyOf(ids: string[]): Vocabulary {
  const nodes = [encodeNodeId(N1), encodeNodeId(N2), "node-1"];
  const { groups, members } = groupIdsOf(ids);
  return {
    texts: {
      name: [...NAMES, GROUP],
      volume_id: ids,
      source_volume_id: ids,
      source_volume_ids: ids,
      snapshot_id: [...ids, ...members],
      snapshot_ids: members,
      group_snapshot_id: groups,
      node_id: nodes,
      starting_token: ["", "0", "a"],
      fs_type: ["xfs", "ext4", ""],
      mount_flags: ["ro", "noatime"],
    },
    maps: {
      parameters: [{}, { backend: "block" }, { backend: "file" }, { createoptions: "-q" }],
      volume_context: [{}, { backend: "block" }],
      secrets: [{}, {
        "node.session.auth.username": "us",
        "node.session.auth.password": CANARY,
      }],
      segments: [{ "topology.purestorage.com/zone": "a" }],
    },
    messages: {
      "csi.v1.VolumeCapability": [WRITER, BLOCK],
      "csi.v1.CapacityRange": [{ requiredBytes: 1n << 30n }, { requiredBytes: 1n << 31n }],
      "csi.v1.TopologyRequirement": [{ requisite: [{ segments: {} }] }],
    },
  };
}

/** A volume that another machine works with. */
async function addForeign(bed: ProvisionerBed, array: string): Promise<void> {
  const iqns = ["iqn.2024-01.org.example:oracle"];
  const calls = [
    { path: "volumes", query: { names: FOREIGN }, body: { provisioned: 1 << 30 } },
    { path: "hosts", query: { names: "oracle" }, body: { iqns } },
    { path: "connections", query: { host_names: "oracle", volume_names: FOREIGN }, body: {} },
  ];
  for (const call of calls) await bed.admin(array, { method: "POST", ...call });
}

/** One fleet, with a volume on each FlashArray that is nobody's of this cluster. */
async function round(
  bed: ProvisionerBed,
  { random, caller }: { random: Random; caller: RpcCaller },
): Promise<void> {
  const arrays = bed.fleet.members.filter(({ array }) => array.kind === "block").map(({ array }) =>
    array.label
  );
  for (const array of arrays) await addForeign(bed, array);
  const messages = new RpcMessages(random, vocabularyOf(await idsOf(bed)));
  const provisioner = () => bed.provisioner;
  const rows = [
    ...controllerService({ provisioner, topology: () => true }),
    ...groupControllerService(provisioner),
  ];
  for (let left = CALLS_PER_ROUND; left > 0; left--) {
    const row = random.pick(rows);
    const desc = METHODS.find(({ name }) => name === row.name)?.input;
    ok(desc);
    const deadlineMs = random.oneIn(8) ? random.below(20) : DEADLINE_MS;
    await caller.call(row, messages.bytes(desc), deadlineMs);
    equal(caller.locks.size, 0, `${row.name} left a lock`);
  }
  for (const array of arrays) {
    const query = { volume_names: FOREIGN };
    const rows = await bed.admin<{ host?: { name?: string } }>(array, {
      method: "GET",
      path: "connections",
      query,
    });
    const hosts = rows.map(({ host }) => host?.name);
    ok(hosts.includes("oracle"), `${FOREIGN} of ${array} was taken from its machine: ${hosts}`);
  }
}

/** Runs until the time is over; throws at the first fault, which names the seed of its round. */
export async function fuzzControllerRpc(
  { seed, seconds }: FuzzOptions,
): Promise<Record<string, number>> {
  const caller = new RpcCaller();
  const end = seconds === undefined ? Infinity : performance.now() + seconds * 1000;
  let files: number | undefined;
  for (let number = seed; performance.now() < end; number++) {
    const random = new Random(number);
    try {
      await ProvisionerBed.run(
        { flasharrays: 2, flashblades: 1 },
        (bed) => round(bed, { random, caller }),
      );
    } catch (error) {
      throw new Error(`seed ${number}: ${(error as Error).message}`, { cause: error });
    }
    const now = openFiles();
    ok(now <= (files ??= now) + 8, `${now} files are open, and ${files} were`);
  }
  return Object.fromEntries(caller.counts);
}

if (import.meta.main) await runFuzzer(fuzzControllerRpc);
