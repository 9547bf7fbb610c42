import { deepEqual, match, rejects } from "node:assert/strict";
import { Fleet } from "../arrays/fleet.ts";
import type { Capability } from "../capability.ts";
import { isPsoError } from "../errors.ts";
import { encodeNodeId } from "../handoff.ts";
import { silentLogger } from "../log.ts";
import { GiB } from "../size.ts";
import { loadValues } from "../../tests/support/test_values.ts";
import { Provisioner } from "./provisioner.ts";

const NODE = encodeNodeId({ name: "n1", protocols: ["local"], wwpns: [], addresses: [] });
const CAPABILITY: Capability = {
  access: { type: "mount", fsType: "", mountFlags: [] },
  mode: "single-node-writer",
};
const PARAMETERS = { backend: "block" };
const signal = new AbortController().signal;
/** By our handle, by one of PSO 5, and by one that looks like either. */
const HANDLES = ["2dcf29ad/k8s-pvc-1", "k8s-pvc-1", "k8s/pvc-1", "abcdef01/pvc-1"];

Deno.test("without arrays every call is UNAVAILABLE and says why: nothing counts as gone", async () => {
  const { config } = await loadValues("");
  const provisioner = new Provisioner({
    fleet: new Fleet([], { log: silentLogger, cluster: config.clusterId }),
    options: () => config,
    log: silentLogger,
  });
  const calls: [string, () => Promise<unknown>][] = [
    ["create", () =>
      provisioner.createVolume({
        name: "pvc-1",
        capacityRange: { requiredBytes: GiB, limitBytes: 0 },
        capabilities: [CAPABILITY],
        parameters: PARAMETERS,
      }, signal)],
    ["list volumes", () => provisioner.listVolumes({ maxEntries: 0, startingToken: "" }, signal)],
    ["list snapshots", () =>
      provisioner.listSnapshots({
        maxEntries: 0,
        startingToken: "",
        snapshotId: "",
        sourceVolumeId: "",
      }, signal)],
  ];
  for (const volumeId of HANDLES) {
    calls.push(
      [`delete ${volumeId}`, () => provisioner.deleteVolume(volumeId, signal)],
      [
        `unpublish ${volumeId}`,
        () => provisioner.unpublishVolume({ volumeId, nodeId: NODE }, signal),
      ],
      [
        `unpublish ${volumeId} from all`,
        () => provisioner.unpublishVolume({ volumeId, nodeId: "" }, signal),
      ],
      [
        `unpublish ${volumeId} of a strange node`,
        () => provisioner.unpublishVolume({ volumeId, nodeId: "strange" }, signal),
      ],
      [`get ${volumeId}`, () => provisioner.getVolume(volumeId, signal)],
      [
        `delete snapshot ${volumeId}.s1`,
        () => provisioner.deleteSnapshot(`${volumeId}.s1`, signal),
      ],
    );
  }
  for (const [name, call] of calls) {
    await rejects(call(), (error: Error) => {
      match(error.message, /no arrays are configured: add|not among the configured arrays/, name);
      return isPsoError(error, "unavailable");
    }, name);
  }
  const [create] = calls;
  await rejects(async () => await create?.[1](), /^PsoError: no arrays are configured: add/);
  deepEqual(
    provisioner.getCapacity({ capabilities: [CAPABILITY], parameters: PARAMETERS })
      .availableBytes,
    0,
  );
});
