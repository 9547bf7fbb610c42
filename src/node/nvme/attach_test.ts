/** What is NVMe's own; what it shares with the other protocols is in block_protocols_test.ts. */
import assert from "node:assert/strict";
import { untilAborted } from "../../async/wait.ts";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { nguidOf, NQN, NVME_PORTALS } from "../../../tests/support/fake_nvme.ts";
import { SIZE_BYTES } from "../../../tests/support/fake_scsi.ts";
import type { BlockProtocol } from "../../../tests/support/protocol_beds.ts";
import { ProtocolNode } from "../../../tests/support/protocol_node.ts";
import { withTestClock } from "../../../tests/support/test_clock.ts";
import { failureOf } from "../../../tests/support/test_node.ts";

const OTHER_NQN = "nqn.2010-06.com.purestorage:flasharray.2";
const ROUTES = NVME_PORTALS.map((portal) => {
  const [traddr = "", trsvcid] = portal.split(":");
  return { transport: "tcp", nqn: NQN, traddr, trsvcid } as const;
});

/** A path to another array, which somebody else connected. */
const THEIRS = {
  transport: "tcp",
  nqn: OTHER_NQN,
  traddr: "192.0.2.9",
  trsvcid: "4420",
} as const;

function withNode(
  work: (node: ProtocolNode, fake: FakeHost) => Promise<void>,
  protocol: BlockProtocol = "nvme-tcp",
): Promise<void> {
  return withTestClock(() => FakeHost.use((fake) => work(new ProtocolNode(protocol, fake), fake)));
}

interface Note {
  traddr: string;
}

/** Addresses of the connections that this driver has noted as its own. */
function notesOf(fake: FakeHost): string[] {
  return JSON.parse(fake.read("/state/nvme-connections.json")).routes
    .map(({ traddr }: Note) => traddr).sort();
}

for (const [protocol, transport] of [["nvme-tcp", "tcp"], ["nvme-roce", "rdma"]] as const) {
  Deno.test(`attach() over ${protocol} connects every portal by ${transport}, and notes each first`, () =>
    withNode(async (node, fake) => {
      node.bed.publish(7);
      fake.onTool.set("nvme", (args) => {
        const address = args[args.indexOf("-a") + 1] ?? "";
        assert.ok(notesOf(fake).includes(address), `${address} is not noted`);
      });
      await node.attach(7);
      assert.deepEqual(
        fake.ran("nvme connect").map((line) => line.split(" --")[0]).sort(),
        ["192.0.2.1", "192.0.2.2"].map((address) =>
          `nvme connect -t ${transport} -n ${NQN} -a ${address} -s 4420`
        ),
      );
    }, protocol));
}

Deno.test("attach() over nvme-fc says which ports this host does not see", () =>
  withNode(async (node, fake) => {
    for (const port of fake.list("/sys/class/fc_remote_ports")) {
      fake.write(`/sys/class/fc_remote_ports/${port}/port_state`, "Not Present");
    }
    const { code, message } = await failureOf(node.attach(7));
    assert.equal(code, "unavailable");
    assert.match(message, /no FC port of this host sees .* 524a937000000001, 524a937000000011/);
    assert.deepEqual(fake.commands, []);
  }, "nvme-fc"));

Deno.test("attach() goes on by the path that is there, and says which one is not", () =>
  withNode(async (node, fake) => {
    node.bed.publish(7);
    fake.nvme.deadAddresses.add("192.0.2.2");
    await node.attach(7);
    const [line = ""] = fake.said("array has fewer NVMe paths than it offers");
    assert.match(line, /at 192\.0\.2\.2 port 4420: .*connection refused/);
    assert.doesNotMatch(line, /192\.0\.2\.1/);
  }));

Deno.test("attach() does not wait for a path that gives no answer when another one works", () =>
  withTestClock(({ move }) =>
    FakeHost.use(async (fake) => {
      const node = new ProtocolNode("nvme-tcp", fake);
      node.bed.publish(7);
      let isAttached = false;
      const tick = () => {
        move(1_000);
        if (!isAttached) setTimeout(tick, 0);
      };
      fake.onTool.set("nvme", (args, signal) => {
        if (!args.includes("192.0.2.2") || !signal) return;
        tick();
        return untilAborted(new Promise(() => {}), signal);
      });
      await node.attach(7);
      isAttached = true;
      const [line = ""] = fake.said("array has fewer NVMe paths than it offers");
      assert.match(line, /a path did not answer within 3000 ms after another one/);
      assert.deepEqual(node.bed.sessions(), ["nvme0"]);
    })
  ));

Deno.test("attach() says nothing of paths when all are there", () =>
  withNode(async (node, fake) => {
    node.bed.publish(7);
    await node.attach(7);
    assert.deepEqual(fake.log, []);
  }));

Deno.test("attach() without any path fails with the reason of each", () =>
  withNode(async (node, fake) => {
    for (const { traddr } of ROUTES) fake.nvme.deadAddresses.add(traddr);
    const { code, message } = await failureOf(node.attach(7));
    assert.equal(code, "unavailable");
    for (const { traddr } of ROUTES) assert.ok(message.includes(`at ${traddr} port 4420`), message);
  }));

Deno.test("attach() asks the live paths of the array for a namespace of which no event came", () =>
  withNode(async (node, fake) => {
    node.bed.publish(8);
    await node.attach(8);
    fake.nvme.addController(THEIRS);
    fake.nvme.setState("nvme1", "connecting");
    fake.nvme.hears = false;
    node.bed.publish(7);
    assert.equal((await node.attach(7)).sizeBytes, SIZE_BYTES);
    assert.deepEqual(fake.ran("tee"), ["tee /sys/class/nvme/nvme0/rescan_controller"]);
  }));

Deno.test("attach() waits when a path takes no rescan, and says so", () =>
  withNode(async (node, fake) => {
    fake.onTool.set("tee", () => ({ code: 1, stderr: "tee: Input/output error" }));
    assert.match((await failureOf(node.attach(7))).message, /did not appear/);
    assert.ok(fake.said("NVMe path not rescanned").length >= 2);
  }));

Deno.test("attach() whose caller goes away while it waits ends as the caller's, not as a missing volume", () =>
  withNode(async (node, fake) => {
    const caller = new AbortController();
    fake.onTool.set("tee", () => caller.abort());
    const { code, message } = await failureOf(node.attach(7, { signal: caller.signal }));
    assert.equal(code, "timeout");
    assert.doesNotMatch(message, /did not appear/);
  }));

Deno.test("attach() on a kernel without native multipath says that, and takes no device", () =>
  withNode(async (node, fake) => {
    node.bed.publish(7);
    await node.attach(7);
    node.records.clear();
    fake.blockDevice("/sys/class/block/nvme9n1", { number: "259:9", sizeBytes: SIZE_BYTES });
    fake.write("/sys/class/block/nvme9n1/wwid", nguidOf(7));
    const { code, message } = await failureOf(node.attach(7));
    assert.equal(code, "unavailable");
    assert.match(message, /2 devices \(nvme0n1, nvme9n1\).*nvme_core\.multipath=Y/);
    assert.equal(node.record(7).device, undefined);
  }));

Deno.test("attach() takes the head of all paths, never the hidden device of one path", () =>
  withNode(async (node, fake) => {
    node.bed.publish(7);
    assert.equal((await node.attach(7)).name, "nvme0n1");
    assert.ok(fake.has("/sys/class/block/nvme0c0n1"), "the fake host shows hidden devices");
    assert.equal(await node.connection.owns(node.context, "nvme0c0n1"), false);
  }));

Deno.test("grow() waits for the size that a rescan brings a moment later, from every path of the array", () =>
  withNode(async (node, fake) => {
    node.bed.publish(7);
    const { name } = await node.attach(7);
    fake.nvme.addController(THEIRS);
    fake.nvme.hears = false;
    node.bed.publish(7, 2 * SIZE_BYTES);
    fake.onTool.set("tee", () => {
      setTimeout(() => fake.nvme.rescan("nvme0"), 200);
      return {};
    });
    await node.connection.grow(node.context, name);
    assert.equal(fake.read(`/sys/class/block/${name}/size`), String(2 * SIZE_BYTES / 512));
    assert.deepEqual(fake.ran("tee").map((line) => line.split("/")[4]).sort(), ["nvme0", "nvme1"]);
  }));

Deno.test("devicesOf() knows no device of a volume that came by another protocol", () =>
  withNode(async (node, fake) => {
    const iscsi = new ProtocolNode("iscsi", fake);
    assert.deepEqual(await node.connection.devicesOf(node.context, iscsi.record(7)), []);
  }));

Deno.test("detach() writes back what is cached, and goes on when that fails, with the reason in the log", () =>
  withNode(async (node, fake) => {
    const name = await node.attachedBySomebody(7);
    fake.onTool.set("blockdev", () => ({ code: 1, stderr: "Input/output error" }));
    await node.connection.detach(node.context, name);
    assert.deepEqual(fake.ran("blockdev"), [`blockdev --flushbufs /dev/${name}`]);
    assert.match(fake.said("device not flushed before its removal")[0] ?? "", /Input\/output/);
  }));

Deno.test("detach() of a device that is gone is success; of one that has no identity it is refused", () =>
  withNode(async (node, fake) => {
    await node.connection.detach(node.context, "nvme0n1");
    fake.blockDevice("/sys/class/block/nvme0n1", { number: "259:0", sizeBytes: SIZE_BYTES });
    const { code, message } = await failureOf(node.connection.detach(node.context, "nvme0n1"));
    assert.equal(code, "in_use");
    assert.match(message, /device nvme0n1 \(unknown\) is no volume of a FlashArray/);
    assert.deepEqual(fake.commands, []);
  }));

Deno.test("tidy() ends connections of ours whose namespaces nobody uses, and forgets that they were ours", () =>
  withNode(async (node, fake) => {
    const name = await node.attachedBySomebody(7);
    assert.deepEqual(notesOf(fake), ["192.0.2.1", "192.0.2.2"]);
    await node.connection.detach(node.context, name);
    await node.tidy();
    assert.deepEqual(node.has(), []);
    assert.deepEqual(notesOf(fake), []);
    for (const route of ROUTES) fake.nvme.addController(route); // somebody else's, from now on
    await node.tidy();
    assert.equal(node.bed.sessions().length, 2);
  }));

Deno.test("tidy() leaves the connections while the array shows a namespace that this driver did not let go, or that is open", () =>
  withNode(async (node, fake) => {
    node.bed.publish(8); // no volume of this driver
    const name = await node.attachedBySomebody(7);
    await node.connection.detach(node.context, name);
    await node.tidy();
    assert.equal(node.bed.sessions().length, 2);
    assert.deepEqual(await node.idle(), [], "they are no leftovers");
    node.bed.unpublish(8);
    fake.reads.open.set(name, "fio"); // begun after our unstage
    await node.tidy();
    assert.equal(node.bed.sessions().length, 2);
    fake.reads.open.clear();
    await node.tidy();
    assert.deepEqual(node.has(), []);
  }));

Deno.test("a namespace that was let go and is attached again is in use again", () =>
  withNode(async (node) => {
    const name = await node.attachedBySomebody(7);
    await node.connection.detach(node.context, name);
    await node.attach(7);
    node.restart();
    await node.tidy();
    assert.equal(node.bed.sessions().length, 2);
  }));

Deno.test("detach() is in_use while a process has the namespace open, and not for a program that watches devices", () =>
  withNode(async (node, fake) => {
    const name = await node.attachedBySomebody(7);
    fake.reads.open.set(name, "qemu-system-x86");
    const { code, message } = await failureOf(node.connection.detach(node.context, name));
    assert.equal(code, "in_use");
    assert.match(message, /is still open in process 4711 \(qemu-system-x86\): end it/);
    assert.deepEqual(fake.ran("blockdev"), []);
    fake.reads.open.set(name, "multipathd");
    await node.connection.detach(node.context, name);
  }));

Deno.test("detach() is in_use and tidy() leaves the connections while a loop device has the namespace, or nobody can tell", () =>
  withNode(async (node, fake) => {
    const name = await node.attachedBySomebody(7);
    const { context } = node;
    const backing = "/sys/block/loop5/loop/backing_file";
    const begin = [
      () => fake.write(backing, `/dev/${name}`),
      () => {
        fake.remove("/sys/block/loop5");
        fake.onTool.set("sh", () => ({ hangs: true }));
      },
    ];
    for (const hold of begin) {
      hold();
      assert.equal((await failureOf(node.connection.detach(context, name))).code, "in_use");
    }
    fake.onTool.delete("sh");
    await node.connection.detach(context, name);
    for (const hold of begin) {
      hold();
      await node.tidy();
      assert.equal(node.bed.sessions().length, 2);
    }
    assert.match(fake.said("idle NVMe connection kept")[0] ?? "", /not known whether .*nvme0n1/);
    fake.onTool.delete("sh");
    await node.tidy();
    assert.deepEqual(node.has(), []);
  }));

Deno.test("detach() is in_use and tidy() leaves the connections while something uses a partition of the namespace", () =>
  withNode(async (node, fake) => {
    const name = await node.attachedBySomebody(7);
    const part = fake.partition(name, 1);
    const uses: [() => void, () => void][] = [
      [() => fake.mountDevice(part, "/mnt/by-hand"), () => fake.unmount("/mnt/by-hand")],
      [
        () => fake.write(`/sys/class/block/${part}/holders/dm-9`, ""),
        () => fake.remove(`/sys/class/block/${part}/holders`),
      ],
      [() => fake.reads.open.set(part, "qemu-kvm"), () => fake.reads.open.clear()],
    ];
    for (const [begin, end] of uses) {
      begin();
      assert.equal((await failureOf(node.connection.detach(node.context, name))).code, "in_use");
      end();
    }
    await node.connection.detach(node.context, name);
    for (const [begin, end] of uses) {
      begin();
      await node.tidy();
      assert.equal(node.bed.sessions().length, 2);
      end();
    }
    await node.tidy();
    assert.deepEqual(node.has(), []);
  }));

Deno.test("tidy() leaves the paths that were there before the driver came, beside its own", () =>
  withNode(async (node, fake) => {
    node.bed.publish(7);
    const [first] = ROUTES;
    assert.ok(first);
    const theirs = fake.nvme.addController(first);
    await node.attach(7);
    assert.deepEqual(notesOf(fake), ["192.0.2.2"]);
    node.bed.unpublish(7);
    await node.tidy();
    assert.deepEqual(node.bed.sessions(), [theirs]);
  }));

Deno.test("tidy() is not held up by volumes of other arrays and other protocols", () =>
  withNode(async (node, fake) => {
    await node.connection.detach(node.context, await node.attachedBySomebody(7));
    const iscsi = new ProtocolNode("iscsi", fake).record(8);
    const other = { ...node.bed.attachment(9), nqn: OTHER_NQN } as typeof iscsi.attachment;
    await node.tidy(iscsi, { ...iscsi, attachment: other });
    assert.deepEqual(node.bed.sessions(), []);
  }));

Deno.test("a connection of an earlier boot is not ours: its note does not count", () =>
  withNode(async (node, fake) => {
    await node.attachedBySomebody(7);
    const before = node.bed.sessions();
    fake.write("/proc/sys/kernel/random/boot_id", "another-boot");
    await node.tidy();
    assert.deepEqual(node.bed.sessions(), before);
  }));

Deno.test("notes that cannot be read count for nothing, and are told; those that cannot be written forbid to connect", () =>
  withNode(async (node, fake) => {
    await node.attachedBySomebody(7);
    const before = node.bed.sessions();
    const bootId = fake.read("/proc/sys/kernel/random/boot_id");
    for (const broken of ["{", JSON.stringify({ bootId, routes: 7 })]) {
      fake.write("/state/nvme-connections.json", broken);
      await node.tidy();
    }
    assert.deepEqual(node.bed.sessions(), before);
    assert.equal(fake.said("notes of NVMe connections ignored").length, 1);
    for (const name of before) fake.nvme.removeController(name);
    fake.remove("/state");
    fake.write("/state", "a file where the folder belongs");
    const { message } = await failureOf(node.attach(7));
    assert.match(message, /nvme-connections\.json cannot be written: .*--state-dir writable/);
    assert.deepEqual(fake.ran("nvme connect").length, before.length);
  }));
