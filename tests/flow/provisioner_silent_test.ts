// What a call answers while an array is silent that may hold the volume.
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { create, type DescMessage, type DescMethodUnary, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { controllerService } from "../../src/csi/controller_service.ts";
import { startEndpoint } from "../../src/csi/endpoint.ts";
import { Controller } from "../../src/csi/generated/csi_pb.ts";
import { isPsoError } from "../../src/errors.ts";
import { encodeNodeId } from "../../src/handoff.ts";
import { silentLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { GiB } from "../../src/size.ts";
import { arrayOf, homeAndOther, makeNamesake, NAME } from "./namesakes.ts";
import { N1, ProvisionerBed } from "./provisioner_bed.ts";

const nodeId = encodeNodeId(N1);
const BARE = "k8s/pvc-1";
const BY_HAND = { protocol: "local", exclusive: true, preempt: true, readOnly: false } as const;

/** `unavailable`, and the message names the array. */
function isSilent(label: string): (error: unknown) => boolean {
  return (error) => isPsoError(error, "unavailable") && error.message.includes(label);
}

for (const id of [nodeId, N1.name, ""]) {
  const whom = id === "" ? "all nodes" : id === nodeId ? "the node" : "a node known by its name";
  Deno.test(`unpublishVolume() by a bare handle from ${whom} waits for an array that was never listed`, async () => {
    await ProvisionerBed.run({ cold: true }, async (bed) => {
      const [here, there] = bed.fleet.members.map(({ array }) => array);
      if (!here || !there) throw new Error("no arrays");
      for (const array of [here, there]) await makeNamesake(array);
      await there.connect(NAME, N1, BY_HAND);
      bed.link(there.label, "unreachable");
      await bed.restart();
      const unpublished = () =>
        bed.provisioner.unpublishVolume({ volumeId: BARE, nodeId: id }, bed.signal);
      await rejects(unpublished(), isSilent(there.label));
      bed.link(there.label, "whole");
      if (id === "") await rejects(unpublished(), (error) => isPsoError(error, "ambiguous"));
      else await unpublished();
      equal(await arrayOf(bed, there).holds(NAME, N1), id === "");
    });
  });
}

Deno.test("unpublishVolume() by a bare handle goes on once the silent array was listed without the name", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const [here, there] = bed.fleet.members.map(({ array }) => array);
    if (!here || !there) throw new Error("no arrays");
    await makeNamesake(here);
    await here.connect(NAME, N1, BY_HAND);
    bed.link(there.label, "unreachable");
    await bed.provisioner.unpublishVolume({ volumeId: BARE, nodeId }, bed.signal);
    equal(await here.holds(NAME, N1), false);
  });
});

Deno.test("expandVolume() by a bare handle passes over no array that showed the volume to this process", async () => {
  await ProvisionerBed.run({ cold: true }, async (bed) => {
    const [here, there] = bed.fleet.members.map(({ array }) => array);
    if (!here || !there) throw new Error("no arrays");
    await makeNamesake(there);
    await bed.fault({
      array: there.label,
      match: { method: "GET", path: "/volume-snapshots" },
      action: "status",
      value: 400,
      times: 1_000,
    });
    await bed.publish(BARE, N1);
    equal(bed.fleet.members[1]?.warm, false, "it could not be listed");
    await makeNamesake(here);
    bed.link(there.label, "unreachable");
    const request = { volumeId: BARE, capacityRange: { requiredBytes: 2 * GiB, limitBytes: 0 } };
    await rejects(bed.provisioner.expandVolume(request, bed.signal), isSilent(there.label));
    equal((await here.findVolume(NAME))?.sizeBytes, GiB);
  });
});

for (const how of ["answers 503", "gives no answer"]) {
  Deno.test(`a home array that ${how} makes delete, unpublish and the rest UNAVAILABLE, and its name is said`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      const volumeId = await bed.create("pvc-1");
      const [home, other] = await homeAndOther(bed);
      await makeNamesake(other);
      const { snapshotId } = await bed.provisioner.createSnapshot(
        { name: "snapshot-1", sourceVolumeId: volumeId },
        bed.signal,
      );
      await bed.publish(volumeId, N1);
      if (how === "answers 503") await bed.silence(home.label);
      else bed.link(home.label, "silent");
      const { provisioner } = bed;
      const capacityRange = { requiredBytes: 2 * GiB, limitBytes: 0 };
      const calls: Record<string, () => Promise<unknown>> = {
        deleteVolume: () => provisioner.deleteVolume(volumeId, bed.soon()),
        unpublishVolume: () => provisioner.unpublishVolume({ volumeId, nodeId }, bed.soon()),
        publishVolume: () =>
          provisioner.publishVolume(bed.publishRequest(volumeId, N1), bed.soon()),
        expandVolume: () => provisioner.expandVolume({ volumeId, capacityRange }, bed.soon()),
        createSnapshot: () =>
          provisioner.createSnapshot({ name: "s-2", sourceVolumeId: volumeId }, bed.soon()),
        deleteSnapshot: () => provisioner.deleteSnapshot(snapshotId, bed.soon()),
        getSnapshot: () => provisioner.getSnapshot(snapshotId, bed.soon()),
        getVolume: () => provisioner.getVolume(volumeId, bed.soon()),
      };
      const codes = Object.entries(calls).map(async ([name, call]) => {
        const error = await call().then(() => undefined, (error) => error);
        return [name, isSilent(home.label)(error) ? "unavailable" : String(error?.message)];
      });
      deepEqual(await Promise.all(codes), Object.keys(calls).map((name) => [name, "unavailable"]));
      equal((await other.findVolume(NAME))?.name, NAME);
    });
  });
}

type Rpc = <Request extends DescMessage>(
  desc: DescMethodUnary<Request, DescMessage>,
  request: MessageInitShape<Request>,
) => Promise<string>;

/** Runs `work` with a sidecar that waits two seconds; it answers the code and the text of a status. */
async function withSidecar(bed: ProvisionerBed, work: (rpc: Rpc) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const endpoint = await startEndpoint({
    endpoint: `unix://${folder}/csi.sock`,
    driverName: "pure-csi",
    methods: controllerService({ provisioner: () => bed.provisioner, topology: () => true }),
    log: silentLogger,
    metrics: new Metrics(),
  });
  const client = new Client(`unix:${folder}/csi.sock`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const rpc: Rpc = (desc, request) =>
    new Promise((resolve) => {
      const bytes = Buffer.from(toBinary(desc.input, create(desc.input, request)));
      const same = (bytes: Buffer) => bytes;
      const path = `/${desc.parent.typeName}/${desc.name}`;
      const deadline = Date.now() + 2_000;
      const tell = (error: ServiceError | null) =>
        resolve(error ? `${status[error.code]}: ${error.details}` : "OK");
      client.makeUnaryRequest(path, same, same, bytes, { deadline }, tell);
    });
  try {
    await work(rpc);
  } finally {
    client.close();
    await endpoint.stop();
    Deno.removeSync(folder, { recursive: true });
  }
}

for (const how of ["answers 503", "gives no answer"]) {
  Deno.test(`a sidecar gets UNAVAILABLE with the array's name before its deadline, from a home array that ${how}`, async () => {
    await ProvisionerBed.run({}, async (bed) => {
      const volumeId = await bed.create("pvc-1");
      const [home] = await homeAndOther(bed);
      await bed.publish(volumeId, N1);
      if (how === "answers 503") await bed.silence(home.label);
      else bed.link(home.label, "silent");
      await withSidecar(bed, async (rpc) => {
        const { controllerUnpublishVolume, deleteVolume } = Controller.method;
        for (
          const told of [
            await rpc(controllerUnpublishVolume, { volumeId, nodeId }),
            await rpc(deleteVolume, { volumeId: `${volumeId}9` }),
          ]
        ) match(told, new RegExp(`^UNAVAILABLE: .*\\b${home.label}\\b`));
      });
    });
  });
}
