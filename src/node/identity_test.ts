import assert from "node:assert/strict";
import { readIqn, readNqn, readWwpns } from "../host/check/initiator_names.ts";
import { decodeNodeId, encodeNodeId } from "../handoff.ts";
import { parseCidr } from "../net/cidr.ts";
import { equipmentReasons, parseAddresses, readIdentity } from "./identity.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { DEBIANS, Transcripts, withHostRoot } from "../../tests/support/test_host.ts";

const ISCSI = "/etc/iscsi/initiatorname.iscsi";
const NVME = "/etc/nvme/hostnqn";
const NQN = "nqn.2014-08.org.nvmexpress:uuid:0a1b2c3d-0000-4000-8000-00000000000f";

for (
  const { name, text, found } of [
    {
      name: "an IQN",
      text: "## made by iscsi-iname\nInitiatorName=iqn.1993-08.org.debian:01:AbC\n",
      found: { value: "iqn.1993-08.org.debian:01:abc" },
    },
    {
      name: "the tool that should have made one",
      text: "InitiatorName=/sbin/iscsi-iname\n",
      found: {
        missing:
          `${ISCSI} holds "/sbin/iscsi-iname", which is no IQN: write InitiatorName=$(iscsi-iname)`,
      },
    },
    {
      name: "no name",
      text: "GenerateName=yes\n",
      found: { missing: `${ISCSI} names no initiator: write InitiatorName=$(iscsi-iname) into it` },
    },
  ]
) {
  Deno.test(`readIqn() with ${name} in the file`, () =>
    withHostRoot({ [ISCSI]: text }, async (host) => assert.deepEqual(await readIqn(host), found)));
}

Deno.test("readNqn() takes a valid NQN only", async () => {
  await withHostRoot(
    { [NVME]: `${NQN}\n` },
    async (host) => assert.deepEqual(await readNqn(host), { value: NQN }),
  );
  const placeholder = "nqn.2014-08.org.nvmexpress:uuid:03000200-0400-0500-0006-000700080009";
  await withHostRoot(
    { [NVME]: placeholder },
    async (host) => assert.match(JSON.stringify(await readNqn(host)), /which many machines have/),
  );
  await withHostRoot(
    { [NVME]: "localhost\n" },
    async (host) => assert.match(JSON.stringify(await readNqn(host)), /which is no NQN/),
  );
  await withHostRoot(
    {},
    async (host) =>
      assert.match(
        JSON.stringify(await readNqn(host)),
        /does not exist: write it with nvme gen-hostnqn/,
      ),
  );
});

Deno.test("readWwpns() takes port names of 16 hex digits and no empty ones", async () => {
  const port = (number: number) => `/sys/class/fc_host/host${number}/port_name`;
  const files = {
    [port(3)]: "0x2100001B32AABBCC\n",
    [port(4)]: "0xffffffffffffffff\n",
    [port(5)]: "0x0\n",
  };
  await withHostRoot(
    files,
    async (host) => assert.deepEqual(await readWwpns(host), { value: ["2100001b32aabbcc"] }),
  );
});

Deno.test("readIdentity() names only the protocols that work here, with the names they need", () =>
  withHostRoot(
    {
      [ISCSI]: "InitiatorName=iqn.1993-08.org.debian:01:a\n",
      [NVME]: NQN,
      "/usr/sbin/iscsiadm": "",
      "/usr/sbin/losetup": "",
    },
    async (host) => {
      const addresses = () => Promise.resolve(["10.0.0.1"]);
      const options = {
        name: "n1",
        host,
        attachable: ["iscsi", "nvme-tcp", "fc", "local"] as const,
        localPlane: "/plane",
        addresses,
      };
      const attachable = [...options.attachable];
      assert.deepEqual(await readIdentity({ ...options, attachable }), {
        name: "n1",
        protocols: ["iscsi", "local"],
        iqn: "iqn.1993-08.org.debian:01:a",
        wwpns: [],
        addresses: ["10.0.0.1"],
      });
      const reasons = await equipmentReasons({ ...options, attachable, localPlane: undefined });
      assert.equal(
        reasons["nvme-roce"],
        "this version of the node plugin cannot attach it: update it",
      );
      const { iscsi, "nvme-tcp": tcp, fc, local } = reasons;
      assert.deepEqual({ iscsi, "nvme-tcp": tcp, fc, local }, {
        iscsi: undefined,
        "nvme-tcp": "tool nvme is not installed; install the package nvme-cli on this node",
        fc: "no FC port in /sys/class/fc_host",
        local: "it was started without --local-plane: start it with that flag",
      });
    },
  ));

Deno.test("parseAddresses() takes global addresses of the host's own interfaces, IPv4 first", () => {
  const info = (family: string, local: string, scope = "global") => ({ family, local, scope });
  const rows = [
    { ifname: "lo", addr_info: [info("inet", "127.0.0.1", "host")] },
    {
      ifname: "ens3",
      addr_info: [
        info("inet6", "fd00::5"),
        info("inet", "10.0.0.5"),
        info("inet6", "fe80::1", "link"),
      ],
    },
    { ifname: "cni0", addr_info: [info("inet", "10.244.0.1")] },
  ];
  assert.deepEqual(parseAddresses(JSON.stringify(rows)), ["10.0.0.5", "fd00::5"]);
  assert.throws(() => parseAddresses("Object not found"), { code: "unavailable" });
});

for (const debian of DEBIANS) {
  Deno.test(`${debian}: parseAddresses() finds no address of a host that has only its own`, async () => {
    const { stdout } = (await Transcripts.of(debian)).result("ip shows addresses");
    assert.deepEqual(parseAddresses(stdout), []);
  });
}

Deno.test("NodeGetInfo three times gives one identity when the names are absolute links of the host", () =>
  FakeHost.use(async (fake) => {
    fake.write("/usr/sbin/nvme", "");
    fake.write("/sys/module/nvme_tcp/refcnt", "1");
    fake.write("/persist/hostnqn", NQN);
    fake.write("/persist/hostid", "0a1b2c3d-0000-4000-8000-00000000000f");
    fake.link("/etc/nvme", "/persist");
    const node = fake.plugin();
    const seen = [await node.identity(), await node.identity(), await node.identity()];
    assert.deepEqual(seen.map(({ nqn }) => nqn), [NQN, NQN, NQN]);
    assert.deepEqual(fake.ran("tee"), []);
  }));

Deno.test("NodeGetInfo three times gives one identity on a host that had no NVMe name", () =>
  FakeHost.use(async (fake) => {
    fake.write("/usr/sbin/nvme", "");
    fake.write("/sys/module/nvme_tcp/refcnt", "1");
    const node = fake.plugin();
    const seen = [await node.identity(), await node.identity(), await node.identity()];
    assert.match(seen[0]?.nqn ?? "", /^nqn\.2014-08\.org\.nvmexpress:uuid:/);
    assert.equal(new Set(seen.map(({ nqn }) => nqn)).size, 1);
    assert.equal(fake.said("host name written, because the host had none").length, 2);
  }));

const UNUSABLE =
  "this host has no initiator name that can be used, and registers without its protocols";

for (
  const { what, tool, file, put, reason } of [
    {
      what: "is a link that leads nowhere",
      tool: "iscsiadm",
      file: ISCSI,
      put: (fake: FakeHost) => fake.link(ISCSI, "/persist/initiatorname"),
      reason: /initiatorname\.iscsi on this host is a link to \/persist\/initiatorname/,
    },
    {
      what: "holds no IQN",
      tool: "iscsiadm",
      file: ISCSI,
      put: (fake: FakeHost) => fake.write(ISCSI, "InitiatorName=/sbin/iscsi-iname\n"),
      reason: /which is no IQN: write InitiatorName/,
    },
    {
      what: "is not there",
      tool: "iscsiadm",
      file: ISCSI,
      put: () => {},
      reason: /initiatorname\.iscsi does not exist/,
    },
    {
      what: "holds no NQN",
      tool: "nvme",
      file: NVME,
      put: (fake: FakeHost) => fake.write(NVME, "localhost\n"),
      reason: /which is no NQN: write it with nvme gen-hostnqn/,
    },
  ]
) {
  Deno.test(`NodeGetInfo says why the host has no name where ${file} ${what}, once, and only where ${tool} is installed`, () =>
    FakeHost.use(async (fake) => {
      for (const path of [file, `/usr/sbin/${tool}`]) if (fake.has(path)) fake.remove(path);
      put(fake);
      await fake.plugin().identity();
      assert.deepEqual(fake.said(UNUSABLE), []);
      fake.write(`/usr/sbin/${tool}`, "");
      await fake.plugin().identity();
      const lines = fake.said(UNUSABLE);
      assert.equal(lines.length, 1, lines.join());
      assert.match(lines[0] ?? "", reason);
    }));
}

/** A host with so many interfaces, each with an address of each family. */
function manyAddresses(fake: FakeHost, count: number): string[] {
  const rows = Array.from({ length: count }, (_, at) => ({
    ifname: `bond0.${at}`,
    addr_info: [
      { family: "inet", local: `10.128.${100 + at}.254`, scope: "global" },
      { family: "inet6", local: `2001:db8:0:${at + 1}::1234`, scope: "global" },
    ],
  }));
  fake.onTool.set("ip", () => ({ stdout: JSON.stringify(rows) }));
  return rows.flatMap(({ addr_info }) => addr_info.map(({ local }) => local));
}

const LEFT_OUT = "addresses of this node left out, because CSI has no room for them";

Deno.test("NodeGetInfo of a host with 20 addresses registers all of them", () =>
  FakeHost.use(async (fake) => {
    const all = manyAddresses(fake, 10);
    const identity = await fake.plugin({ dataAddresses: [] }).identity();
    const registered = decodeNodeId(encodeNodeId(identity))?.addresses ?? [];
    assert.deepEqual(registered.toSorted(), all.toSorted());
    assert.deepEqual(fake.said(LEFT_OUT), []);
  }));

for (
  const { name, cidrs, first } of [
    { name: "", cidrs: [], first: "10.128.100.254" },
    {
      name: ", those in the array's networks first",
      cidrs: ["2001:db8:0:7::/64", "10.128.139.0/24"],
      first: "10.128.139.254",
    },
  ]
) {
  Deno.test(`NodeGetInfo of a host with 80 addresses gives the same as many as fit${name}, and says which not`, () =>
    FakeHost.use(async (fake) => {
      manyAddresses(fake, 40);
      const iscsiAllowedCidrs = cidrs.flatMap((text) => parseCidr(text) ?? []);
      const node = fake.plugin({ dataAddresses: [], flasharray: { iscsiAllowedCidrs } });
      const [one, again] = [await node.identity(), await node.identity()];
      assert.deepEqual(one, again);
      assert.ok(new TextEncoder().encode(encodeNodeId(one)).length <= 256);
      assert.ok(one.addresses.includes(first), one.addresses.join());
      if (cidrs.length > 0) assert.ok(one.addresses.includes("2001:db8:0:7::1234"));
      const [line = ""] = fake.said(LEFT_OUT);
      assert.match(line, /2001:db8:0:40::1234.*--data-address/);
    }));
}

Deno.test("NodeGetInfo ends soon on a host with thousands of addresses", () =>
  FakeHost.use(async (fake) => {
    manyAddresses(fake, 3_000);
    const { addresses } = await fake.plugin({ dataAddresses: [] }).identity();
    assert.equal(addresses[0], "10.128.100.254");
  }));

Deno.test("NodeGetInfo leaves out no address that an administrator named, and says that they are too many", () =>
  FakeHost.use(async (fake) => {
    const dataAddresses = Array.from({ length: 60 }, (_, at) => `10.128.100.${100 + at}`);
    const identity = await fake.plugin({ dataAddresses }).identity();
    assert.equal(identity.addresses.length, 60);
    assert.throws(() => encodeNodeId(identity), {
      code: "invalid",
      message: /name fewer data addresses/,
    });
  }));

Deno.test("parseAddresses() takes the address of an administrator's bridge, and not of docker's", () => {
  const row = (ifname: string, local: string) => ({
    ifname,
    addr_info: [{ family: "inet", local, scope: "global" }],
  });
  const rows = [row("br-ex", "10.0.0.5"), row("br-0123456789ab", "172.18.0.1")];
  assert.deepEqual(parseAddresses(JSON.stringify(rows)), ["10.0.0.5"]);
});

Deno.test("parseAddresses() puts last what the kernel sends nothing from: second addresses of a subnet and old ones", () => {
  const info = (family: string, local: string, flags = {}) => ({
    family,
    local,
    scope: "global",
    ...flags,
  });
  const addr_info = [
    info("inet", "10.0.0.9", { secondary: true }),
    info("inet", "10.0.0.5"),
    info("inet6", "fd00::9", { deprecated: true }),
    info("inet6", "fd00::8", { dadfailed: true }),
    info("inet6", "fd00::5"),
  ];
  assert.deepEqual(parseAddresses(JSON.stringify([{ ifname: "eth0", addr_info }])), [
    "10.0.0.5",
    "fd00::5",
    "10.0.0.9",
    "fd00::9",
  ]);
});

Deno.test("parseAddresses() takes no row that is none, and no address that would become an export rule", () => {
  for (
    const text of ["{}", "null", "7", "[null, 7, []]", '[{"ifname":"eth0","addr_info":[null]}]']
  ) {
    assert.deepEqual(parseAddresses(text), [], text);
  }
  const local = ["*", "10.0.0.1(rw) *", "192.0.2.1"].map((one) => ({
    family: "inet",
    scope: "global",
    local: one,
  }));
  const text = JSON.stringify([{ ifname: "eth0", addr_info: local }]);
  assert.deepEqual(parseAddresses(text), ["192.0.2.1"]);
});
