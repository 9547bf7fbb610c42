import { deepEqual, equal, ok, throws } from "node:assert/strict";
import {
  type Attachment,
  decodeAttachment,
  decodeNodeId,
  encodeAttachment,
  encodeNodeId,
  type NodeIdentity,
} from "./handoff.ts";

const node: NodeIdentity = {
  name: "worker-1.example.com",
  protocols: ["iscsi", "fc", "nvme-tcp", "nfs"],
  iqn: "iqn.1993-08.org.debian:01:abcdef012345",
  nqn: "nqn.2014-08.org.nvmexpress:uuid:0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11",
  wwpns: ["2100f4c7aa002706", "2100f4c7aa002707"],
  addresses: ["10.1.2.3", "fd00::12"],
};

Deno.test("decodeNodeId() gives back what encodeNodeId() took, within 256 bytes", () => {
  const nodeId = encodeNodeId(node);
  ok(nodeId.length < 200, nodeId);
  deepEqual(decodeNodeId(nodeId), node);
});

Deno.test("decodeNodeId() keeps an NQN that is not made of a UUID", () => {
  const nqn = "nqn.2014-08.com.example:nvme:host-1";
  equal(decodeNodeId(encodeNodeId({ ...node, nqn }))?.nqn, nqn);
});

Deno.test("decodeNodeId() reads past keys of a newer version and refuses what is not ours", () => {
  equal(decodeNodeId("1;n1;i;z=later;i=iqn.x")?.iqn, "iqn.x");
  for (const foreign of ["", "some-fake-node-id", "2;n1;i", "1;;i", "1;n1", "1;n1;i;w=***"]) {
    equal(decodeNodeId(foreign), undefined, foreign);
  }
});

Deno.test("encodeNodeId() refuses what CSI could not carry, and says what to do", () => {
  throws(
    () => encodeNodeId({ ...node, addresses: Array(20).fill("2001:db8:1234:5678::1") }),
    /identity takes 5\d\d bytes and CSI allows 256 .*--data-address/,
  );
});

const block = { serial: "6C1B16CE1C034D1C00013918", sizeBytes: 1 << 30, everWritten: false };
const attachments: Attachment[] = [
  {
    protocol: "iscsi",
    lun: 256,
    targets: [{ iqn: "iqn.2010-06.com.purestorage:flasharray.1", portal: "[fd00::1]:3260" }],
    ...block,
  },
  { protocol: "fc", lun: 1, wwpns: ["524a9371af4e8200"], ...block },
  {
    protocol: "nvme-tcp",
    nqn: "nqn.2010-06.com.purestorage:flasharray.1",
    portals: ["10.0.0.1:4420"],
    ...block,
  },
  { protocol: "local", type: "block", array: "fa-1", host: "n1", lun: 1, ...block },
  { protocol: "local", type: "file", array: "fb-1", fileSystem: "k8s-pvc-1" },
  { protocol: "nfs", address: "10.0.0.9", path: "/k8s-pvc-1" },
];
for (const attachment of attachments) {
  Deno.test(`decodeAttachment() gives back what encodeAttachment() took: ${attachment.protocol}`, () =>
    deepEqual(decodeAttachment(encodeAttachment(attachment)), attachment));
}

for (
  const [context, message] of [
    [{ device: "/dev/mock" }, /holds no attachment/],
    [{ attachment: "{" }, /holds a broken attachment/],
    [{ attachment: "null" }, /names the protocol undefined/],
    [{ attachment: '{"protocol":"smb"}' }, /names the protocol "smb", and this node knows iscsi/],
    [{ attachment: '{"protocol":"iscsi","lun":1}' }, /lacks serial \(string\)/],
  ] as [Record<string, string>, RegExp][]
) {
  Deno.test(`decodeAttachment() refuses ${JSON.stringify(context)}`, () =>
    throws(() => decodeAttachment(context), message));
}
