import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import {
  type Attachment,
  decodeAttachment,
  decodeNodeId,
  encodeAttachment,
  encodeNodeId,
  type NodeIdentity,
  shapedAttachment,
} from "./handoff.ts";

// Every field is here, so that none is left out of a node_id.
const node: Required<NodeIdentity> = {
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

/** So many addresses of a network that no other text abbreviates. */
const many = (count: number) =>
  Array.from({ length: count }, (_, at) => `10.${128 + at % 7}.${100 + at}.${200 + at % 50}`);

Deno.test("encodeNodeId() has room for 20 addresses beside all names of a node, and decodeNodeId() gives them back", () => {
  const six = Array.from({ length: 10 }, (_, at) => `2001:db8:0:${at + 1}::1234`);
  for (
    const addresses of [many(20), [...many(10), ...six], [
      ...six,
      ...six.map((one) => one.replace("1234", "5:6")),
    ]]
  ) {
    const nodeId = encodeNodeId({ ...node, addresses });
    ok(nodeId.length <= 256, nodeId);
    deepEqual(decodeNodeId(nodeId), { ...node, addresses });
  }
  const spelled = [...many(16), "2001:DB8::0:1", "::ffff:10.0.0.1"];
  const again = decodeNodeId(encodeNodeId({ ...node, addresses: spelled }))?.addresses ?? [];
  deepEqual(again.toSorted(), [...many(16), "2001:db8::1", "10.0.0.1"].toSorted());
});

Deno.test("encodeNodeId() writes addresses as text while they fit: an older controller reads those alone", () => {
  const few = { ...node, addresses: many(8) };
  match(encodeNodeId(few), new RegExp(`;a=${many(8).join(",")}$`));
  const nodeId = encodeNodeId({ ...node, addresses: many(16) });
  const [, text = ""] = /;a=([^;]*);4=[\w-]+$/.exec(nodeId) ?? [];
  const shown = text.split(",");
  deepEqual(shown, many(shown.length));
  ok(shown.length > 1 && shown.length < 16, text);
});

/** So many zero bytes and one more. */
const packed = (zeros: number, last: number) =>
  Uint8Array.from([...Array(zeros).fill(0), last]).toBase64({ alphabet: "base64url" });

Deno.test("decodeNodeId() refuses packed addresses that no node made", () => {
  for (
    const key of [
      "4=AAAA",
      "4=***",
      "6=AAAA",
      `6=${packed(16, 0xff)}`,
      `6=${packed(16, 0x0f)}`,
      "4=",
      "6=",
    ]
  ) {
    equal(decodeNodeId(`1;n1;n;${key}`), undefined, key);
  }
});

Deno.test("encodeNodeId() refuses what CSI could not carry, and says what to do", () => {
  throws(
    () => encodeNodeId({ ...node, addresses: many(60) }),
    /identity takes [3-9]\d\d bytes and CSI allows 256 .*--data-address/,
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

const TARGET = { iqn: "iqn.2010-06.com.purestorage:flasharray.1", portal: "10.0.0.1:3260" };
const ISCSI = { protocol: "iscsi", lun: 1, targets: [TARGET], ...block };
const NVME = {
  protocol: "nvme-tcp",
  nqn: "nqn.2010-06.com.purestorage:flasharray.1",
  portals: ["10.0.0.1:4420"],
  ...block,
};
const NFS = { protocol: "nfs", address: "10.0.0.9", path: "/k8s-pvc-1" };

for (
  const { value, fault } of [
    {
      value: { ...ISCSI, targets: [{ ...TARGET, iqn: "../../../../etc/cron.d/x" }] },
      fault: /its iSCSI target "\.\.\/.*cron\.d\/x" is not an IQN/,
    },
    { value: { ...ISCSI, targets: [{ ...TARGET, iqn: "-x" }] }, fault: /"-x" is not an IQN/ },
    {
      value: { ...ISCSI, targets: [{ ...TARGET, portal: "10.0.0.1:3260\n-x" }] },
      fault: /its portal "10\.0\.0\.1:3260\\n-x" is not an address with a port/,
    },
    { value: { ...ISCSI, targets: [null] }, fault: /its iSCSI target undefined is not an IQN/ },
    {
      value: { ...ISCSI, targets: Array(257).fill(TARGET) },
      fault: /its 257 paths are more than 256/,
    },
    {
      value: { ...ISCSI, serial: "../x" },
      fault: /its serial "\.\.\/x" is not that of a FlashArray/,
    },
    { value: { ...ISCSI, lun: 16_384 }, fault: /its LUN 16384 is no whole number from 0 to 16383/ },
    { value: { ...ISCSI, lun: 0.5 }, fault: /its LUN 0\.5 is no whole number/ },
    { value: { ...ISCSI, sizeBytes: -1 }, fault: /its size -1 is no whole number/ },
    {
      value: { ...NVME, nqn: "nqn.2010-06.com.purestorage:a,hostnqn=x" },
      fault: /its NVMe subsystem "nqn.*" is not an NQN/,
    },
    { value: { ...NVME, portals: ["-x"] }, fault: /its portal "-x" is not an address/ },
    {
      value: { ...NVME, protocol: "nvme-fc", wwpns: ["0x52"] },
      fault: /its FC port "0x52" is not a WWPN/,
    },
    { value: { ...NFS, address: "-o" }, fault: /its NFS server "-o" is not an IP address/ },
    { value: { ...NFS, path: "/a/../b" }, fault: /its NFS export "\/a\/\.\.\/b" is not a path/ },
    {
      value: { protocol: "local", type: "tape", array: "a" },
      fault: /names the type "tape" of a local volume/,
    },
  ]
) {
  Deno.test(`decodeAttachment() lets nothing through that a tool would take otherwise: ${fault.source.slice(0, 60)}`, () =>
    throws(
      () => decodeAttachment({ attachment: JSON.stringify(value) }),
      { code: "invalid", message: fault },
    ));
}

Deno.test("decodeAttachment() leaves out what the protocol does not have: a file system is no block volume", () => {
  const mixed = { attachment: JSON.stringify({ ...NFS, ...block, lun: 1, later: true }) };
  deepEqual(decodeAttachment(mixed), NFS);
});

Deno.test("decodeNodeId() takes no address or name that would become another export rule or host", () => {
  for (
    const part of [
      "a=*",
      "a=10.0.0.0/8",
      "a=10.0.0.1(rw) *",
      "i=iqn.x y",
      "i=-x",
      "n=nqn.x,y",
    ]
  ) equal(decodeNodeId(`1;n1;i;${part}`), undefined, part);
});

Deno.test("15.11: a volume of two arrays has the targets of both, each with its LUN", () => {
  const second = { ...TARGET, iqn: "iqn.2010-06.com.purestorage:flasharray.2" };
  const context = encodeAttachment(
    { ...ISCSI, protocol: "iscsi" },
    [{ ...ISCSI, protocol: "iscsi", lun: 7, targets: [second] }],
  );
  deepEqual(decodeAttachment(context), { ...ISCSI, targets: [TARGET, { ...second, lun: 7 }] });
  // A node of a version that knows one array reads this key alone.
  deepEqual(JSON.parse(context.attachment ?? ""), ISCSI);
  const shaped = shapedAttachment(JSON.parse(JSON.stringify(decodeAttachment(context))));
  deepEqual(shaped, decodeAttachment(context));
});

Deno.test("15.11: a volume of two arrays has the ports of both, each with its LUN", () => {
  const [mine, theirs] = ["524a9371af4e8200", "524a9372af4e8200"];
  const fc = { protocol: "fc", ...block } as const;
  const [one, other] = [{ ...fc, lun: 1, wwpns: [mine] }, { ...fc, lun: 7, wwpns: [theirs] }];
  const whole = { ...one, wwpns: [mine, theirs], luns: [1, 7] };
  const context = encodeAttachment(one, [other]);
  deepEqual(decodeAttachment(context), whole);
  deepEqual(shapedAttachment(JSON.parse(JSON.stringify(whole))), whole);
});

Deno.test("15.11: a volume of two arrays has both places of the local plane", () => {
  const local = { protocol: "local", type: "block", ...block } as const;
  const [one, other] = [{ array: "fa-1", host: "n1", lun: 1 }, {
    array: "fa-2",
    host: "n",
    lun: 2,
  }];
  const context = encodeAttachment({ ...local, ...one }, [{ ...local, ...other }]);
  deepEqual(decodeAttachment(context), { ...local, ...one, also: [other] });
});

Deno.test("15.11: a volume that one of two arrays has seen written counts as written", () => {
  const attachments: Attachment[] = [
    { ...ISCSI, protocol: "iscsi" },
    { protocol: "fc", ...block, lun: 1, wwpns: ["524a9371af4e8200"] },
    { protocol: "local", type: "block", ...block, array: "fa-1", host: "n1", lun: 1 },
  ];
  for (const attachment of attachments) {
    for (const [one, other] of [[false, false], [true, false], [false, true]] as const) {
      const seen = (everWritten: boolean) => ({ ...attachment, everWritten });
      const context = encodeAttachment(seen(one), [seen(other)]);
      const decoded = decodeAttachment(context);
      equal("everWritten" in decoded && decoded.everWritten, one || other, attachment.protocol);
    }
  }
});

for (
  const [others, message] of [
    ["{", /holds a broken attachment/],
    ["{}", /holds a broken attachment/],
    [
      JSON.stringify([{ ...ISCSI, serial: "6C1B16CE1C034D1C00013919" }]),
      /attachments of two volumes/,
    ],
    [
      JSON.stringify([{ ...ISCSI, targets: [{ ...TARGET, lun: -1 }] }]),
      /LUN -1 is no whole number/,
    ],
    [JSON.stringify([{ ...ISCSI, protocol: "fc", wwpns: ["524a9371af4e8200"] }]), /of two volumes/],
  ] as const
) {
  Deno.test(`15.11: decodeAttachment() refuses a second array with ${message.source}`, () =>
    throws(() => decodeAttachment({ attachment: JSON.stringify(ISCSI), others }), message));
}
