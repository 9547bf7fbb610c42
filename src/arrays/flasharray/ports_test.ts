import assert from "node:assert/strict";
import { type Cidr, parseCidr } from "../../net/cidr.ts";
import { isPsoError } from "../../errors.ts";
import { PROTOCOLS } from "../../protocols.ts";
import {
  attachmentOf,
  downControllersOf,
  portFactsOf,
  portFaultsOf,
  servedProtocols,
} from "./ports.ts";
import { everWritten, isOwnSnapshot } from "./wire.ts";

const IQN = "iqn.2010-06.com.purestorage:flasharray.3aabb";
const NQN = "nqn.2010-06.com.purestorage:flasharray.3aabb";

function cidr(text: string): Cidr {
  return parseCidr(text) ?? assert.fail(text);
}

// Forms of a recorded //X70: ports upper case, interfaces lower case.
const PORTS = [
  { name: "CT0.ETH4", iqn: IQN, nqn: null, portal: "10.0.0.4:3260", wwn: null },
  { name: "CT1.ETH4", iqn: IQN, nqn: null, portal: "[fd00::4]:3260", wwn: null },
  { name: "CT0.ETH5", iqn: IQN, nqn: null, portal: "10.0.0.5:3260", wwn: null },
  { name: "CT0.ETH6", iqn: null, nqn: NQN, portal: "10.0.1.6:4420", wwn: null },
  { name: "CT0.ETH7", iqn: null, nqn: NQN, portal: "10.0.1.7:4420", wwn: null },
  { name: "CT0.FC0", iqn: null, nqn: null, portal: null, wwn: "52:4A:93:71:AF:4E:82:00" },
  { name: "CT0.FC1", iqn: null, nqn: NQN, portal: null, wwn: "52:4A:93:71:AF:4E:82:01" },
  { name: "CT2.FC0", iqn: null, nqn: null, portal: null, wwn: "52:4A:93:71:AF:4E:82:20" },
];
const INTERFACES = [
  { name: "ct0.eth4", enabled: true, services: ["iscsi"] },
  { name: "ct1.eth4", enabled: true, services: ["iscsi"] },
  { name: "ct0.eth5", enabled: false, services: ["iscsi"] },
  { name: "ct0.eth6", enabled: true, services: ["nvme-tcp"] },
  { name: "ct0.eth7", enabled: true, services: ["nvme-roce"] },
];
const CONTROLLERS = [
  { name: "CT0", status: "ready", type: "array_controller" },
  { name: "CT1", status: "ready", type: "array_controller" },
  { name: "CT2", status: "not ready", type: "array_controller" },
  { name: "SH0.CT0", status: "unknown", type: "shelf_controller" },
];
const FACTS = {
  arrayName: "fa-1",
  ports: portFactsOf(PORTS, INTERFACES, CONTROLLERS),
};
const NO_PORTS = { arrayName: "fa-1", ports: portFactsOf([], [], []) };
const VOLUME = {
  label: "fa-1",
  host: "node-1",
  lun: 7,
  serial: "6C1B16CE1C034D1C00013918",
  sizeBytes: 512,
  everWritten: true,
};
const BLOCK = { serial: VOLUME.serial, sizeBytes: 512, everWritten: true };

Deno.test("portFactsOf() sorts ports by protocol and leaves out what is disabled or not ready", () => {
  assert.deepEqual(FACTS.ports, {
    iscsi: [{ iqn: IQN, portal: "10.0.0.4:3260" }, { iqn: IQN, portal: "[fd00::4]:3260" }],
    fc: ["524a9371af4e8200"],
    nvme: {
      "nvme-tcp": [{ nqn: NQN, portal: "10.0.1.6:4420" }],
      "nvme-roce": [{ nqn: NQN, portal: "10.0.1.7:4420" }],
    },
    nvmeFc: [{ nqn: NQN, wwpn: "524a9371af4e8201" }],
  });
  assert.deepEqual([...servedProtocols(FACTS)], [
    "iscsi",
    "fc",
    "nvme-roce",
    "nvme-tcp",
    "nvme-fc",
  ]);
  assert.deepEqual([...servedProtocols({ ...NO_PORTS, localArray: "fa-1" })], ["local"]);
});

Deno.test("portFactsOf() keeps portals on bonds and VLANs, which are no physical ports", () => {
  const ports = [
    { name: "CT0.LACP1", iqn: IQN, nqn: null, portal: "10.0.2.1:3260", wwn: null },
    { name: "CT0.ETH4.100", iqn: null, nqn: NQN, portal: "10.0.3.1:4420", wwn: null },
  ];
  const interfaces = [
    { name: "ct0.lacp1", enabled: true, services: ["iscsi"], eth: { subtype: "lacp_bond" } },
    { name: "ct0.eth4.100", enabled: true, services: ["nvme-tcp"], eth: { subtype: "vif" } },
  ];
  const facts = portFactsOf(ports, interfaces, CONTROLLERS);
  assert.deepEqual(facts.iscsi, [{ iqn: IQN, portal: "10.0.2.1:3260" }]);
  assert.deepEqual(facts.nvme["nvme-tcp"], [{ nqn: NQN, portal: "10.0.3.1:4420" }]);
});

Deno.test("attachmentOf() says per protocol what a node needs", () => {
  assert.deepEqual(
    attachmentOf("iscsi", FACTS, { ...VOLUME, iscsiAllowedCidrs: [cidr("fd00::4/128")] }),
    {
      protocol: "iscsi",
      lun: 7,
      targets: [{ iqn: IQN, portal: "[fd00::4]:3260" }],
      ...BLOCK,
    },
  );
  assert.deepEqual(attachmentOf("fc", FACTS, VOLUME), {
    protocol: "fc",
    lun: 7,
    wwpns: ["524a9371af4e8200"],
    ...BLOCK,
  });
  assert.deepEqual(attachmentOf("nvme-tcp", FACTS, VOLUME), {
    protocol: "nvme-tcp",
    nqn: NQN,
    portals: ["10.0.1.6:4420"],
    ...BLOCK,
  });
  assert.deepEqual(attachmentOf("nvme-roce", FACTS, VOLUME), {
    protocol: "nvme-roce",
    nqn: NQN,
    portals: ["10.0.1.7:4420"],
    ...BLOCK,
  });
  assert.deepEqual(attachmentOf("nvme-fc", FACTS, VOLUME), {
    protocol: "nvme-fc",
    nqn: NQN,
    wwpns: ["524a9371af4e8201"],
    ...BLOCK,
  });
});

Deno.test("attachmentOf() refuses a protocol that the array does not serve", () => {
  for (const protocol of PROTOCOLS) {
    assert.throws(
      () => attachmentOf(protocol, NO_PORTS, VOLUME),
      (error) => isPsoError(error, "unsupported"),
    );
  }
  const messages = [
    [
      "local",
      "it is a real one, and only simulated arrays have it: name another protocol in the class",
    ],
    ["fc", "it has no port for it that is up: check its network settings"],
    ["nfs", "it serves block volumes only: use a class for file systems"],
  ] as const;
  for (const [protocol, reason] of messages) {
    assert.throws(() => attachmentOf(protocol, NO_PORTS, VOLUME), {
      message: `array fa-1 does not serve ${protocol}: ${reason}`,
    });
  }
});

Deno.test("attachmentOf() names the portals when none of them is allowed", () => {
  assert.throws(
    () => attachmentOf("nvme-tcp", FACTS, { ...VOLUME, iscsiAllowedCidrs: [cidr("192.0.2.0/24")] }),
    {
      message:
        "array fa-1 does not serve nvme-tcp to this node: none of its portals is inside the " +
        "allowed CIDRs (it has 10.0.1.6:4420); check flasharray.iSCSIAllowedCIDR",
    },
  );
});

Deno.test("everWritten() is true for a source, stored bytes or snapshots, and false for empty references", () => {
  assert.equal(
    everWritten({ source: { name: null, id: null }, space: { virtual: 0, snapshots: null } }),
    false,
  );
  assert.equal(everWritten({ source: { name: "v" } }), true);
  assert.equal(everWritten({ space: { virtual: 512 } }), true);
  assert.equal(everWritten({ space: { snapshots: 1 } }), true);
});

Deno.test("isOwnSnapshot() tells a volume's snapshots from those of a protection group", () => {
  assert.equal(isOwnSnapshot({ name: "v.a", source: { name: "v" } }), true);
  assert.equal(isOwnSnapshot({ name: "pg.12.v", source: { name: "v" } }), false);
  assert.equal(isOwnSnapshot({ name: "w.a", source: { name: "v" } }), false);
});

Deno.test("a port whose names are none is not used, whatever else it has, and the refusal names it", () => {
  const bad = [
    { name: "CT0.ETH4", iqn: "../../../../etc/cron.d/x", portal: "10.0.0.4:3260" },
    { name: "CT0.ETH5", iqn: IQN, portal: "10.0.0.5:3260 -x" },
    { name: "CT0.ETH6", nqn: `${NQN},hostnqn=x`, portal: "10.0.1.6:4420" },
    { name: "CT0.FC0", wwn: "52:4A:93:71:AF:4E:82:00:00" },
  ];
  assert.deepEqual(portFactsOf(bad, INTERFACES, CONTROLLERS), portFactsOf([], [], []));
  assert.equal(portFaultsOf(bad).length, bad.length);
  assert.deepEqual(portFaultsOf(PORTS), []);
  const one = PORTS.slice(1, 2);
  assert.deepEqual(portFactsOf([...bad, ...one], INTERFACES, CONTROLLERS).iscsi, [
    { iqn: IQN, portal: "[fd00::4]:3260" },
  ]);
  const facts = { ...NO_PORTS, portFaults: portFaultsOf(bad) };
  assert.throws(
    () => attachmentOf("iscsi", facts, VOLUME),
    /fa-1 does not serve iscsi: .* \(not used: port "CT0\.ETH4": iSCSI target "\.\..*" is not an IQN/,
  );
});

Deno.test("a volume without the serial of a FlashArray is not published: no node could know it again", () => {
  for (const serial of ["", "../x", "6C1B16CE1C034D1C0001391"]) {
    assert.throws(
      () => attachmentOf("iscsi", FACTS, { ...VOLUME, serial }),
      (error) =>
        isPsoError(error, "unavailable") && /serial ".*" is not that of/.test(error.message),
    );
  }
});

Deno.test("downControllersOf() names controllers that are not ready, and no shelf", () => {
  assert.deepEqual(
    downControllersOf([
      { name: "CT0", status: "ready", type: "array_controller" },
      { name: "CT1", status: "not ready", type: "array_controller" },
      { name: "CT2", type: "array_controller" },
      { name: "SH1.SC0", status: "not ready", type: "shelf_controller" },
    ]),
    ["CT1 (not ready)"],
  );
});
