/**
 * What every protocol for block volumes promises to the healer (protocol.ts), asked of each of
 * them. How volumes come and go: ../block_protocols_test.ts.
 */
import assert from "node:assert/strict";
import { HostView } from "../../host/host_view.ts";
import { PROTOCOLS, servesBlock } from "../../protocols.ts";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { BLOCK_BEDS, type BlockProtocol, PLANE } from "../../../tests/support/protocol_beds.ts";
import { ProtocolNode } from "../../../tests/support/protocol_node.ts";
import { withTestClock } from "../../../tests/support/test_clock.ts";

interface Rule {
  name: string;
  /** Protocols of which it cannot be asked, with the reason. */
  gaps?: Partial<Record<BlockProtocol, string>>;
  check: (node: ProtocolNode) => Promise<void>;
}

/** How many paths a whole volume has. */
const PATHS: Record<BlockProtocol, number> = {
  iscsi: 2,
  fc: 2,
  "nvme-tcp": 2,
  "nvme-roce": 2,
  "nvme-fc": 2,
  local: 1,
};
const NO_SESSION = "it makes no session that could end";
const NO_SESSIONS = { fc: NO_SESSION, local: NO_SESSION };

/** Runs `work`, which must run no tool and change no device or session. */
async function unchanged<T>(node: ProtocolNode, work: () => Promise<T>): Promise<T> {
  const before = { has: node.has(), commands: [...node.fake.commands] };
  const found = await work();
  assert.deepEqual({ has: node.has(), commands: node.fake.commands }, before);
  return found;
}

const RULES: Rule[] = [
  {
    name: "look() at a whole volume finds every path up and nothing to do, and runs no tool",
    check: async (node) => {
      node.bed.publish(7);
      await node.attach(7);
      const { conditions, paths, missingRoutes, repair } = await unchanged(
        node,
        () => node.look(7),
      );
      assert.deepEqual(conditions, []);
      assert.deepEqual(paths, { up: PATHS[node.protocol], down: 0, missing: 0 });
      assert.deepEqual(missingRoutes, []);
      assert.equal(repair, undefined);
    },
  },
  {
    name: "look() at a volume whose device is gone says that it is inaccessible",
    check: async (node) => {
      node.bed.publish(7);
      const { name } = await node.attach(7);
      node.fake.remove(`/sys/class/block/${name}`);
      const { conditions } = await unchanged(node, () => node.look(7));
      assert.deepEqual(conditions.map(({ status, reason }) => `${status} ${reason}`), [
        "inaccessible DeviceMissing",
      ]);
    },
  },
  {
    name: "look() names the route that was lost, and its reconnect() makes the route again, once",
    gaps: NO_SESSIONS,
    check: async (node) => {
      node.bed.publish(7);
      await node.attach(7);
      node.bed.loseSession?.();
      const { conditions, missingRoutes } = await unchanged(node, () => node.look(7));
      assert.deepEqual(conditions.map(({ reason }) => reason), ["PathsMissing"]);
      assert.equal(missingRoutes.length, 1);
      for (const _time of ["once", "twice"]) await missingRoutes[0]?.reconnect();
      assert.equal(node.bed.sessions().length, PATHS[node.protocol]);
      assert.deepEqual((await node.look(7)).missingRoutes, []);
    },
  },
  {
    name: "a reconnect() that a caller gives up ends with an error, and makes no session",
    gaps: NO_SESSIONS,
    check: async (node) => {
      node.bed.publish(7);
      await node.attach(7);
      node.bed.loseSession?.();
      const before = node.bed.sessions();
      const [route] = (await node.look(7)).missingRoutes;
      await assert.rejects(async () => await route?.reconnect(AbortSignal.abort()));
      assert.deepEqual(node.bed.sessions(), before);
    },
  },
  {
    name: "repair() of a whole volume changes nothing",
    check: async (node) => {
      node.bed.publish(7);
      await node.attach(7);
      const before = node.has();
      await node.connection.repair(node.context, node.record(7));
      assert.deepEqual(node.has(), before);
    },
  },
  {
    name: "idle() names the sessions that tidy() then ends, and no other",
    gaps: NO_SESSIONS,
    check: async (node) => {
      node.bed.addForeignSession?.();
      const theirs = node.bed.sessions();
      await node.attachedBySomebody(7);
      await node.letGo(7);
      const ours = node.bed.sessions().filter((name) => !theirs.includes(name));
      assert.deepEqual(await unchanged(node, () => node.idle()), ours);
      await node.tidy();
      assert.deepEqual(await node.idle(), []);
    },
  },
  {
    name: "idle() names no session of a volume that stays, nor one that an attach is about to use",
    check: async (node) => {
      node.bed.publish(7);
      await node.attach(7);
      assert.deepEqual(await node.idle(node.record(7)), []);
      await node.connection.detach(node.context, node.record(7).device ?? "");
      assert.deepEqual(await node.idle(node.record(7)), []);
      await node.context.targets.using(node.bed.targets, async () => {
        assert.deepEqual(await node.idle(), []);
      });
    },
  },
  {
    name: "unknownDevices() names nothing that a record names or that something mounts",
    check: async (node) => {
      node.bed.publish(7);
      const { name } = await node.attach(7);
      const unknown = async (...records: Parameters<typeof node.idle>) =>
        node.connection.unknownDevices({ view: await HostView.read(node.fake.host), records });
      assert.deepEqual(await unknown(node.record(7)), []);
      // Namespaces and loop devices go by themselves; FC has no session of ours to know them by.
      assert.deepEqual(await unknown(), node.protocol === "iscsi" ? [name] : []);
      node.fake.mountDevice(name, "/srv/theirs");
      assert.deepEqual(await unknown(), []);
    },
  },
];

for (const protocol of Object.keys(BLOCK_BEDS) as BlockProtocol[]) {
  for (const { name, gaps, check } of RULES) {
    if (gaps?.[protocol] !== undefined) continue;
    Deno.test(`${protocol}: ${name}`, () =>
      withTestClock(() =>
        FakeHost.use((fake) => {
          fake.folder(PLANE);
          return check(new ProtocolNode(protocol, fake));
        })
      ));
  }
}

Deno.test("every protocol for block volumes is asked for its health", () => {
  assert.deepEqual(Object.keys(PATHS).sort(), PROTOCOLS.filter(servesBlock).sort());
});
