import { deepEqual, equal } from "node:assert/strict";
import { attachmentFact, nodeFact, volumeFact } from "./facts.ts";

const DRIVER = "pure-csi";
const metadata = { name: "x" };

Deno.test("nodeFact() takes the driver's node_id, if the driver is registered", () => {
  const drivers = [{ name: "other", nodeID: "o" }, { name: DRIVER, nodeID: "1;x;i" }];
  deepEqual(nodeFact({ metadata, spec: { drivers } }, DRIVER), { name: "x", nodeId: "1;x;i" });
  for (
    const spec of [undefined, {}, { drivers: null }, { drivers: [{ name: "other", nodeID: "o" }] }]
  ) {
    equal(nodeFact({ metadata, spec }, DRIVER), undefined);
  }
  equal(nodeFact({ spec: { drivers } }, DRIVER), undefined);
});

Deno.test("volumeFact() takes what an attachment means, of this driver alone", () => {
  const csi = { driver: DRIVER, volumeHandle: "2dcf29ad/k8s-pvc-1" };
  deepEqual(volumeFact({ metadata, spec: { csi, accessModes: ["ReadWriteMany", 7] } }, DRIVER), {
    name: "x",
    handle: "2dcf29ad/k8s-pvc-1",
    readOnly: false,
    modes: ["ReadWriteMany"],
    isBlock: false,
  });
  const raw = { csi: { ...csi, readOnly: true }, volumeMode: "Block" };
  deepEqual(volumeFact({ metadata, spec: raw }, DRIVER), {
    name: "x",
    handle: "2dcf29ad/k8s-pvc-1",
    readOnly: true,
    modes: [],
    isBlock: true,
  });
  equal(volumeFact({ metadata, spec: { csi: { ...csi, driver: "other" } } }, DRIVER), undefined);
  equal(volumeFact({ metadata, spec: { nfs: {} } }, DRIVER), undefined);
});

Deno.test("attachmentFact() tells what is ended, and by which node_id it was made", () => {
  const spec = { attacher: DRIVER, nodeName: "n1", source: { persistentVolumeName: "pv" } };
  deepEqual(attachmentFact({ metadata, spec }, DRIVER), {
    name: "x",
    volume: "pv",
    node: "n1",
    isDeleting: false,
    isAttached: false,
  });
  const ended = {
    ...metadata,
    deletionTimestamp: "2026-01-01T00:00:00Z",
    annotations: { "csi.alpha.kubernetes.io/node-id": "1;n1;i" },
  };
  deepEqual(attachmentFact({ metadata: ended, spec, status: { attached: true } }, DRIVER), {
    name: "x",
    volume: "pv",
    node: "n1",
    isDeleting: true,
    isAttached: true,
    nodeId: "1;n1;i",
  });
  equal(attachmentFact({ metadata, spec: { ...spec, attacher: "other" } }, DRIVER), undefined);
  equal(attachmentFact({ metadata, spec: { ...spec, source: {} } }, DRIVER), undefined);
});
