import { deepEqual, equal, match, ok } from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { controllerService } from "../../src/csi/controller_service.ts";
import {
  ControllerPublishVolumeRequestSchema,
  ControllerPublishVolumeResponseSchema,
  VolumeCapability_AccessMode_Mode as Mode,
} from "../../src/csi/generated/csi_pb.ts";
import { answer, callSamples, type UnaryAnswer } from "../../src/csi/unary.ts";
import { encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { KeyedLock } from "../../src/async/keyed_lock.ts";
import { createLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics.ts";
import { N1, ProvisionerBed } from "./provisioner_bed.ts";

const SECRETS = {
  "node.session.auth.username": "node-user",
  "node.session.auth.password": "node-secret-1",
};

/** ControllerPublishVolume as csi-attacher sends it, and every log line that it made. */
async function publish(
  bed: ProvisionerBed,
  { volumeId, node, secrets }: {
    volumeId: string;
    node: NodeIdentity;
    secrets: Record<string, string>;
  },
): Promise<{ outcome: UnaryAnswer; log: string }> {
  const lines: string[] = [];
  const log = createLogger({ level: "debug", write: (line) => lines.push(line) });
  const row = controllerService(() => bed.provisioner).find(({ name }) =>
    name === "ControllerPublishVolume"
  );
  ok(row);
  const request = create(ControllerPublishVolumeRequestSchema, {
    volumeId,
    nodeId: encodeNodeId(node),
    volumeCapability: {
      accessType: { case: "mount", value: {} },
      accessMode: { mode: Mode.SINGLE_NODE_WRITER },
    },
    secrets,
  });
  const environment = {
    log,
    locks: new KeyedLock(),
    samples: callSamples(new Metrics()),
    driverName: "pure-csi",
  };
  const outcome = await answer(
    row,
    { bytes: toBinary(ControllerPublishVolumeRequestSchema, request), signal: bed.signal },
    environment,
  );
  return { outcome, log: lines.join("\n") };
}

Deno.test("ControllerPublishVolume sets the CHAP credentials of its secrets for iSCSI alone, answers none of them, and refuses wrong ones", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const volumeId = await bed.create("pvc-1");
    const iscsi: NodeIdentity = { ...N1, protocols: ["iscsi"] };
    const wrong = await publish(bed, {
      volumeId,
      node: iscsi,
      secrets: { ...SECRETS, "node.session.auth.password": "node-secret" },
    });
    ok("status" in wrong.outcome);
    equal(wrong.outcome.status.code, status.INVALID_ARGUMENT);
    match(wrong.outcome.status.message, /node\.session\.auth\.password has 11 characters/);
    deepEqual(await bed.publishedTo(volumeId), []);

    const patches = (calls: string[]) => calls.filter((call) => call === "PATCH /hosts").length;
    equal(
      patches(await bed.calls(() => publish(bed, { volumeId, node: N1, secrets: SECRETS }))),
      0,
      "the local plane knows no CHAP",
    );
    const calls = await bed.calls(async () => {
      const { outcome, log } = await publish(bed, { volumeId, node: iscsi, secrets: SECRETS });
      ok("bytes" in outcome, JSON.stringify(outcome));
      const { publishContext } = fromBinary(ControllerPublishVolumeResponseSchema, outcome.bytes);
      equal(publishContext.protocol, "iscsi");
      equal(/node-user|node-secret/.test(JSON.stringify(publishContext) + log), false);
    });
    equal(patches(calls), 1);
  });
});
