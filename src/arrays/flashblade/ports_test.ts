import { deepEqual, throws } from "node:assert/strict";
import { fileAttachmentOf, type FlashBladeFacts } from "./ports.ts";

const REAL: FlashBladeFacts = { arrayName: "fb-1", dataAddress: "192.0.2.1" };
const SIMULATED: FlashBladeFacts = { ...REAL, localArray: "fb-1" };

Deno.test("fileAttachmentOf() tells where NFS exports a file system", () =>
  deepEqual(fileAttachmentOf("nfs", REAL, { label: "fb-1", fileSystem: "k8s-pvc-1" }), {
    protocol: "nfs",
    address: "192.0.2.1",
    path: "/k8s-pvc-1",
  }));

Deno.test("fileAttachmentOf() refuses a name that no node mounts by NFS", () =>
  throws(() => fileAttachmentOf("nfs", REAL, { label: "fb-1", fileSystem: "a b" }), {
    code: "unsupported",
    message: /^array fb-1: NFS export "\/a b" is not .*; rename the file system there$/,
  }));

Deno.test("fileAttachmentOf() gives a simulated array's name as it is", () =>
  deepEqual(fileAttachmentOf("local", SIMULATED, { label: "fb-1", fileSystem: "a b" }), {
    protocol: "local",
    type: "file",
    array: "fb-1",
    fileSystem: "a b",
  }));

Deno.test("fileAttachmentOf() says why a protocol is not served", () => {
  throws(() => fileAttachmentOf("nfs", { arrayName: "fb-1" }, { label: "fb-1", fileSystem: "v" }), {
    code: "unsupported",
    message: /^array fb-1 has no data interface that is up: /,
  });
  throws(() => fileAttachmentOf("iscsi", REAL, { label: "fb-1", fileSystem: "v" }), {
    code: "unsupported",
    message: /^array fb-1 serves file systems by nfs only, and iscsi was asked for: /,
  });
});
