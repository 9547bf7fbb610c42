import assert from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import type { Host } from "./host.ts";
import {
  connect,
  ensureHostNames,
  findNamespace,
  ipRoute,
  isSameRoute,
  listControllers,
  nvmeWwidOfSerial,
  parseAddress,
} from "./nvme.ts";
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

Deno.test("ensureHostNames() writes NQN and host ID from one UUID, and keeps what is there", async () => {
  await withHost({ "/usr/sbin/nvme": "" }, async (host, commands) => {
    await ensureHostNames(host);
    const uuid = /hostid < (.+)$/.exec(commands[1] ?? "")?.[1] ?? "";
    assert.match(uuid, /^[0-9a-f]{8}-/);
    assert.deepEqual(commands, [
      "mkdir -p /etc/nvme",
      `tee /etc/nvme/hostid < ${uuid}`,
      `tee /etc/nvme/hostnqn < nqn.2014-08.org.nvmexpress:uuid:${uuid}`,
    ]);
  });
  await withHost(
    { "/usr/sbin/nvme": "", "/etc/nvme/hostnqn": "nqn.x", "/etc/nvme/hostid": "y" },
    async (host, commands) => {
      await ensureHostNames(host);
      assert.deepEqual(commands, []);
    },
  );
  await withHost({}, async (host, commands) => {
    await ensureHostNames(host);
    assert.deepEqual(commands, [], "a host without nvme-cli needs no name");
  });
});
