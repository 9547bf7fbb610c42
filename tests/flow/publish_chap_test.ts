import { deepEqual, equal, rejects } from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { Controller } from "../../src/csi/generated/csi_pb.ts";
import { encodeNodeId, type NodeIdentity } from "../../src/handoff.ts";
import { WRITER } from "../support/rpc_rows.ts";
import { N1, ProvisionerBed } from "./provisioner_bed.ts";
import { rowsOf } from "./service_rows.ts";

const SECRETS = {
  "node.session.auth.username": "node-user",
  "node.session.auth.password": "node-secret-1",
};

Deno.test("ControllerPublishVolume sets the CHAP credentials of its secrets for iSCSI alone, answers none of them, and refuses wrong ones", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const rows = rowsOf(bed);
    const volumeId = await bed.create("pvc-1");
    const iscsi: NodeIdentity = { ...N1, protocols: ["iscsi"] };
    const publish = (node: NodeIdentity, secrets: Record<string, string>) =>
      rows.call(Controller.method.controllerPublishVolume, {
        volumeId,
        nodeId: encodeNodeId(node),
        volumeCapability: WRITER,
        secrets,
      });
    await rejects(publish(iscsi, { ...SECRETS, "node.session.auth.password": "node-secret" }), {
      code: status.INVALID_ARGUMENT,
      message: /node\.session\.auth\.password has 11 characters/,
    });
    deepEqual(await bed.publishedTo(volumeId), []);

    const patches = (calls: string[]) => calls.filter((call) => call === "PATCH /hosts").length;
    equal(
      patches(await bed.calls(() => publish(N1, SECRETS))),
      0,
      "the local plane knows no CHAP",
    );
    const calls = await bed.calls(async () => {
      const { publishContext } = await publish(iscsi, SECRETS);
      equal(publishContext.protocol, "iscsi");
      equal(/node-user|node-secret/.test(JSON.stringify(publishContext)), false);
    });
    equal(patches(calls), 1);
    equal(/node-user|node-secret/.test(JSON.stringify(rows.lines)), false);
  });
});
