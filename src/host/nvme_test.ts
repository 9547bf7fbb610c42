import assert from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import type { Host } from "./host.ts";
import {
  connect,
  disconnect,
  findNamespace,
  ipRoute,
  isSameRoute,
  listControllers,
  namespacesOf,
  namespaceWwid,
  nvmeWwidOfSerial,
  parseAddress,
  routeKey,
} from "./nvme.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { nguidOf, NQN as FLASHARRAY_NQN } from "../../tests/support/fake_nvme.ts";
import { withHostRoot } from "../../tests/support/test_host.ts";

const NQN = "nqn.2010-06.com.purestorage:flasharray.1234567890abcdef";

/** A host whose files are these; tools are only written down, with what they are given to read. */
async function withHost(
  files: Record<string, string>,
  work: (host: Host, commands: string[]) => Promise<void>,
): Promise<void> {
  const commands: string[] = [];
  const run: Host["run"] = (tool, args, { stdin } = {}) => {
    const line = [tool, ...args].join(" ");
    commands.push(stdin === undefined ? line : `${line} < ${stdin.trim()}`);
    return Promise.resolve({ code: 0, stdout: "", stderr: "" });
  };
  await withHostRoot(files, (host) => work(host, commands), { run });
}

Deno.test("nvmeWwidOfSerial() makes the identity that the kernel shows of a namespace", () => {
  assert.equal(
    nvmeWwidOfSerial("1234567890ABCDEF00022010"),
    "eui.001234567890abcd24a937ef00022010",
  );
  assert.throws(() => nvmeWwidOfSerial("0123"), (error) => isPsoError(error, "invalid"));
});

Deno.test("parseAddress() reads what the kernel shows of a controller over TCP and over FC", () => {
  assert.deepEqual(parseAddress("traddr=127.0.0.1,trsvcid=4420,src_addr=127.0.0.1"), {
    traddr: "127.0.0.1",
    trsvcid: "4420",
    hostTraddr: undefined,
  });
  assert.deepEqual(parseAddress("traddr=nn-0x1:pn-0x2,host_traddr=nn-0x3:pn-0x4"), {
    traddr: "nn-0x1:pn-0x2",
    trsvcid: undefined,
    hostTraddr: "nn-0x3:pn-0x4",
  });
  assert.equal(parseAddress(""), undefined);
});

Deno.test("ipRoute() takes IPv4, IPv6 in brackets, and the default port", () => {
  assert.deepEqual(ipRoute("tcp", NQN, "10.0.0.1:4421"), {
    transport: "tcp",
    nqn: NQN,
    traddr: "10.0.0.1",
    trsvcid: "4421",
  });
  assert.deepEqual(ipRoute("rdma", NQN, "[fd00::1]"), {
    transport: "rdma",
    nqn: NQN,
    traddr: "fd00::1",
    trsvcid: "4420",
  });
  assert.throws(() => ipRoute("tcp", NQN, "fd00::1"), (error) => isPsoError(error, "invalid"));
});

const FC_ROUTE = {
  transport: "fc",
  nqn: NQN,
  traddr: "nn-0x1:pn-0x2",
  hostTraddr: "nn-0x3:pn-0x4",
} as const;

Deno.test.each([
  {
    name: "RoCE",
    route: ipRoute("rdma", NQN, "192.0.2.1:4420"),
    words: "-t rdma",
    address: "-a 192.0.2.1 -s 4420",
  },
  { name: "FC", route: FC_ROUTE, words: "-t fc", address: "-a nn-0x1:pn-0x2 -w nn-0x3:pn-0x4" },
])(
  "connect() over $name asks for a connection that the kernel never gives up, and is no success without one",
  ({ route, words, address }) =>
    withHost({}, async (host, commands) => {
      await assert.rejects(connect(host, route), (error) => isPsoError(error, "unavailable"));
      assert.deepEqual(commands.map((line) => line.replace(/ --reconnect-delay=\d+$/, "")), [
        `nvme connect ${words} -n ${NQN} ${address} --ctrl-loss-tmo=-1`,
      ]);
    }),
);

Deno.test("listControllers() lists fabrics controllers and leaves the machine's own disks out", () =>
  withHost({
    "/sys/class/nvme/nvme0/transport": "pcie",
    "/sys/class/nvme/nvme1/transport": "tcp",
    "/sys/class/nvme/nvme1/subsysnqn": NQN,
    "/sys/class/nvme/nvme1/address": "traddr=127.0.0.1,trsvcid=4420,src_addr=127.0.0.1",
    "/sys/class/nvme/nvme1/state": "live",
  }, async (host) => {
    const [controller, ...more] = await listControllers(host);
    assert.deepEqual(more, []);
    assert.equal(controller?.name, "nvme1");
    assert.equal(
      controller && isSameRoute(controller, ipRoute("tcp", NQN, "127.0.0.1:4420")),
      true,
    );
    assert.equal(
      controller && isSameRoute(controller, ipRoute("tcp", NQN, "127.0.0.2:4420")),
      false,
    );
  }));

Deno.test("findNamespace() refuses a host whose kernel shows one device for each path", () => {
  const wwid = nvmeWwidOfSerial("1234567890ABCDEF00022010");
  return withHost(
    { "/sys/class/block/nvme0n1/wwid": wwid, "/sys/class/block/nvme1n1/wwid": wwid },
    async (host) => {
      await assert.rejects(
        findNamespace(host, wwid),
        (error) => isPsoError(error, "unavailable") && /nvme_core.multipath=Y/.test(error.message),
      );
    },
  );
});

Deno.test("isSameRoute() is by transport, subsystem, address, port, and host port where both name one", () => {
  const route = { ...ipRoute("tcp", NQN, "192.0.2.1:4420") };
  for (
    const [change, isSame] of [
      [{}, true],
      [{ transport: "rdma" as const }, false],
      [{ nqn: `${NQN}0` }, false],
      [{ traddr: "192.0.2.2" }, false],
      [{ trsvcid: "4421" }, false],
      [{ trsvcid: undefined }, false],
      [{ hostTraddr: "nn-0x1:pn-0x2" }, true],
    ] as const
  ) {
    assert.equal(isSameRoute(route, { ...route, ...change }), isSame, JSON.stringify(change));
  }
  assert.equal(isSameRoute(FC_ROUTE, { ...FC_ROUTE, hostTraddr: "nn-0x9:pn-0x9" }), false);
  assert.equal(isSameRoute(FC_ROUTE, { ...FC_ROUTE, traddr: "NN-0X1:PN-0X2" }), true);
});

const ROUTE = ipRoute("tcp", NQN, "192.0.2.1:4420");

Deno.test("connect() takes the connection that is there, but not one that is being deleted", () =>
  FakeHost.use(async ({ host, nvme, commands }) => {
    const name = nvme.addController({ ...ROUTE, state: "connecting" });
    assert.equal((await connect(host, ROUTE)).name, name);
    assert.deepEqual(commands, []);
    nvme.setState(name, "deleting");
    nvme.addController({ ...ROUTE, nqn: `${NQN}0` });
    await assert.rejects(connect(host, ROUTE), (error) => isPsoError(error, "unavailable"));
    nvme.removeController(name);
    assert.equal((await connect(host, ROUTE)).name, "nvme2");
  }));

Deno.test("connect() gives the kernel no subsystem whose name holds another option", () =>
  withHost({}, async (host, commands) => {
    for (const nqn of [`${NQN},hostnqn=x`, "-x", `${NQN}\n`, ""]) {
      await assert.rejects(connect(host, ipRoute("tcp", nqn, "10.0.0.1")), {
        code: "invalid",
        message: /^NVMe subsystem ".*" is not an NQN such as .*: correct it on the array$/,
      });
    }
    assert.deepEqual(commands, []);
  }));

Deno.test("disconnect() ends that connection only; gone already, or its name another's by now, is success", () =>
  FakeHost.use(async ({ host, nvme, commands }) => {
    const other = nvme.addController({ ...ROUTE, traddr: "192.0.2.2" });
    const name = nvme.addController(ROUTE);
    const controller = { name, state: "live", ...ROUTE };
    for (const _time of ["once", "twice"]) await disconnect(host, controller);
    await disconnect(host, { ...controller, name: other });
    assert.deepEqual(commands, [`nvme disconnect -d ${name}`]);
    assert.deepEqual(nvme.controllers, [other]);
  }));

Deno.test("namespacesOf() names the namespaces of one subsystem, without controllers and hidden devices", () =>
  FakeHost.use(async ({ host, nvme }) => {
    for (const volume of [7, 8]) nvme.publish(volume);
    nvme.publish(9, { nqn: `${NQN}0` });
    nvme.addController({ ...ROUTE, nqn: FLASHARRAY_NQN });
    nvme.addController({ ...ROUTE, nqn: `${NQN}0` });
    assert.deepEqual(await namespacesOf(host, FLASHARRAY_NQN), ["nvme0n1", "nvme0n2"]);
    assert.deepEqual(await namespacesOf(host, `${NQN}0`), ["nvme1n3"]);
    assert.deepEqual(await namespacesOf(host, `${NQN}1`), []);
  }));

Deno.test("namespaceWwid() knows namespaces, and not partitions, paths or disks", () =>
  FakeHost.use(async (fake) => {
    fake.nvme.publish(7);
    fake.nvme.addController({ ...ROUTE, nqn: FLASHARRAY_NQN });
    fake.write("/sys/class/block/nvme0n1p1/wwid", nguidOf(7));
    assert.equal(await namespaceWwid(fake.host, "nvme0n1"), nguidOf(7));
    for (const other of ["nvme0n1p1", "nvme0c0n1", "nvme5n5", "sda"]) {
      assert.equal(await namespaceWwid(fake.host, other), undefined, other);
    }
  }));

Deno.test("a route by IPv6 is one route, with one queue, however the address is spelled", () => {
  const route = { transport: "tcp", nqn: NQN, traddr: "2001:db8::1", trsvcid: "4420" } as const;
  const other = { ...route, traddr: "2001:DB8:0:0::1" };
  assert.equal(isSameRoute(route, other), true);
  assert.equal(routeKey(route), routeKey(other));
  assert.notEqual(routeKey(route), routeKey({ ...route, traddr: "2001:db8::2" }));
});
