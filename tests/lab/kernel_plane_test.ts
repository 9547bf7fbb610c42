/**
 * The simulator's kernel data plane, driven by CSI calls alone: what an array promises is seen by
 * the real initiators.
 */
import assert from "node:assert/strict";
import {
  attachClaim,
  blockCapability,
  type Claim,
  claimNameOf,
  createClaim,
  detachClaim,
  type NodeHandle,
  type Paths,
  unmountClaim,
} from "../../scripts/claim.ts";
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import { type ArrayFacts, type Stand, startStand } from "../../scripts/stand.ts";
import { decodeNodeId, encodeNodeId } from "../../src/handoff.ts";
import { TestClient } from "../../src/simulator/fixture_test.ts";
import { targetNames } from "../../src/simulator/target_names.ts";
import { MiB } from "../../src/size.ts";
import { until } from "../../src/async/wait.ts";
import { array, NODE_IQN, PORTALS } from "./array.ts";
import { copyClaim, growClaim } from "./claim_changes.ts";
import { hostState, mapName, mapPath, sh, SLOW_MS } from "./bed.ts";

const SIZE = 384 * MiB;
const CONFIGFS = "/sys/kernel/config";
/**
 * An address of this host whose traffic to itself comes from itself: another client than the node.
 */
const STRANGER = "10.99.99.99";

/** Every object and link in the kernel's targets, without what counts and times. */
const targets = () =>
  sh(`cd ${CONFIGFS}; find target/core target/iscsi nvmet -not -path '*/statistics*' | sort`);
const exports = () => sh("exportfs -s | cut -d'(' -f1");
const sum = (path: string) => sh(`sha256sum <${path} | cut -d' ' -f1`);

await array("start", "iscsi", "nfs");
await array("host", NODE_IQN);
await array("create", "foreign", 64 * MiB);
await array("map", "foreign", NODE_IQN, 1);
await sh(`modprobe -a nvmet nvmet_tcp; ip addr add ${STRANGER}/32 dev lo`);
const before = {
  targets: await targets(),
  exports: await exports(),
  root: await sh("ls /"),
  host: hostState(),
};

let stand: Stand, arrayFacts: ArrayFacts, controller: CsiClient, csi: CsiClient, nodeId: string;
let node: NodeHandle;

/** Starts the stand inside of the test: what a test ends, it has begun. */
async function begin(): Promise<void> {
  const data = { dataPlane: "kernel", flasharrays: 1, flashblades: 1, nodes: 1 } as const;
  const interpreted = Deno.env.has("PSO_INTERPRETED");
  stand = await startStand({ dir: "/var/lib/stand", ...data, interpreted });
  const { nodes: [facts], arrays: [first] } = stand.facts;
  assert.ok(facts && first);
  arrayFacts = first;
  controller = connectCsi(stand.facts.controller, { timeoutMs: SLOW_MS });
  csi = connectCsi(facts.endpoint, { timeoutMs: SLOW_MS });
  ({ nodeId } = await csi.node.nodeGetInfo({}));
  node = { name: facts.name, csi, nodeId };
}

function pathsOf(name: string): Paths {
  Deno.mkdirSync(`${stand.dir}/pods/${name}`, { recursive: true });
  return { staging: `${stand.dir}/staging/${name}`, target: `${stand.dir}/pods/${name}/volume` };
}

/** As csi-attacher does, for this node or another one. */
async function attach(claim: Claim, id = nodeId): Promise<void> {
  const { volumeId, capability: volumeCapability, context: volumeContext } = claim;
  const wanted = { volumeId, nodeId: id, volumeCapability, volumeContext };
  await controller.controller.controllerPublishVolume(wanted);
}

async function deleteClaim({ volumeId }: Claim): Promise<void> {
  await controller.controller.deleteVolume({ volumeId });
}

const devices = () => hostState().disks.filter((name) => /^sd/.test(name));
const BLOCK = { backend: "block" };
const NVME = { backend: "block", protocol: "nvme-tcp" };
const FILE = { backend: "file" };

Deno.test("kernel plane", async (test) => {
  // What a failed step leaves would hold up the steps after it, and nothing would be said until the
  // guest's time is over.
  const step = async (name: string, work: () => Promise<void>) => {
    if (!await test.step(name, work)) throw new Error(`the steps after "${name}" are left out`);
  };
  await begin();
  await step(
    "iSCSI: a claim is Pure's by vendor, model and WWID; written, grown in use; a copy of its snapshot has the data",
    async () => {
      const claim = await createClaim(controller, claimNameOf("iscsi"), {
        sizeBytes: SIZE,
        parameters: BLOCK,
      });
      const paths = pathsOf("iscsi");
      const context = await attachClaim(controller, node, claim, paths);
      const attachment = JSON.parse(context.attachment ?? "");
      const { protocol, serial, targets: portals } = attachment;
      assert.deepEqual([protocol, portals.length, devices().length], ["iscsi", 2, 2]);
      assert.deepEqual(hostState().maps, [mapName(attachment)]);
      assert.match(
        await sh(`lsblk -dno VENDOR,MODEL,SERIAL /dev/${devices()[0]}`),
        new RegExp(`^PURE +FlashArray +0?${serial}$`, "i"),
      );
      await sh(`dd if=/dev/urandom of=${paths.target}/file bs=1M count=8 conv=fsync status=none`);
      const data = await sum(`${paths.target}/file`);
      await growClaim({ controller, csi }, { claim, paths, sizeBytes: 2 * SIZE });
      assert.equal(await sh(`blockdev --getsize64 ${mapPath(attachment)}`), String(2 * SIZE));
      const { copy, drop } = await copyClaim(controller, claim, {
        name: claimNameOf("copy"),
        parameters: BLOCK,
      });
      const copyPaths = pathsOf("copy");
      await attachClaim(controller, node, copy, copyPaths);
      assert.equal(await sum(`${copyPaths.target}/file`), data);
      await detachClaim(controller, node, copy, copyPaths);
      await detachClaim(controller, node, claim, paths);
      assert.deepEqual([hostState().maps, devices(), hostState().sessions], [[], [], []]);
      await drop();
      await deleteClaim(copy);
      await deleteClaim(claim);
    },
  );

  await step("iSCSI: publishing to another node cuts the first one off", async () => {
    const claim = await createClaim(controller, claimNameOf("fence"), {
      sizeBytes: SIZE,
      capability: blockCapability(),
      parameters: BLOCK,
    });
    const paths = pathsOf("fence");
    await attachClaim(controller, node, claim, paths);
    const [device] = devices();
    const read = `dd if=/dev/${device} of=/dev/null bs=4k count=1 iflag=direct status=none`;
    await sh(read);
    const identity = decodeNodeId(nodeId);
    assert.ok(identity);
    const other = encodeNodeId({
      ...identity,
      name: "node-2",
      iqn: "iqn.1993-08.org.debian:01:other",
      nqn: undefined,
    });
    await attach(claim, other);
    await assert.rejects(sh(read));
    await unmountClaim(node, claim, paths);
    const { volumeId } = claim;
    await controller.controller.controllerUnpublishVolume({ volumeId, nodeId: other });
    assert.equal(
      await sh(
        `find ${CONFIGFS}/target/iscsi -path '*purestorage*' -path '*acls*lun_*' -name ` +
          "backstore | grep -vc 1234567890abcdef || true",
      ),
      "0",
    );
    await deleteClaim(claim);
  });

  await step(
    "iSCSI: CHAP of a host object is asked for at login, both ways where both are set; without it nothing is asked",
    async () => {
      const client = new TestClient(arrayFacts);
      await client.login();
      const [{ id }] = (await client.ok("GET /arrays")).items;
      const iscsiTarget = targetNames(id).iqn;
      const iqn = "iqn.1993-08.org.debian:01:chap";
      const at = `-m node -T ${iscsiTarget} -p ${PORTALS[0]} -I chap`;
      const settings = (auth: Record<string, string>) =>
        Object.entries(auth).map(([name, value]) =>
          `iscsiadm ${at} -o update -n node.session.auth.${name} -v ${value}`
        ).join(" && ");
      await client.ok("POST /hosts?names=chap-host", { iqns: [iqn] });
      await sh(
        "iscsiadm -m iface -I chap -o new && iscsiadm -m iface -I chap -o update -n " +
          `iface.initiatorname -v ${iqn}`,
      );
      await sh(`iscsiadm ${at} -o new && iscsiadm ${at} --login && iscsiadm ${at} --logout`);
      const [host, target] = [{ user: "host-user", password: "host-password" }, {
        user: "target-user",
        password: "target-password",
      }];
      await client.ok("PATCH /hosts?names=chap-host", {
        chap: {
          host_user: host.user,
          host_password: host.password,
          target_user: target.user,
          target_password: target.password,
        },
      });
      await assert.rejects(sh(`iscsiadm ${at} --login`), /code 24/); // ISCSI_ERR_LOGIN_AUTH_FAILED
      await sh(
        settings({
          authmethod: "CHAP",
          username: host.user,
          password: host.password,
          username_in: target.user,
          password_in: "wrong-password",
        }),
      );
      await assert.rejects(
        sh(`iscsiadm ${at} --login`),
        /code (19|24)/,
        "the initiator asks the target for its secret as well",
      );
      await sh(
        `${
          settings({ password_in: target.password })
        } && iscsiadm ${at} --login && iscsiadm ${at} --logout`,
      );
      await client.ok("PATCH /hosts?names=chap-host", {
        chap: { host_user: "", host_password: "", target_user: "", target_password: "" },
      });
      // A new record: one with a target's password in it insists on it.
      await sh(
        `iscsiadm ${at} -o delete && iscsiadm ${at} -o new && iscsiadm ${at} --login && ` +
          `iscsiadm ${at} --logout`,
      );
      await sh(`iscsiadm ${at} -o delete && iscsiadm -m iface -I chap -o delete`);
      await client.ok("DELETE /hosts?names=chap-host");
      client.close();
    },
  );

  await step(
    "NVMe/TCP: a claim has Pure's NGUID, is written and grown in use, and goes",
    async () => {
      const claim = await createClaim(controller, claimNameOf("nvme"), {
        sizeBytes: SIZE,
        parameters: NVME,
      });
      const paths = pathsOf("nvme");
      const context = await attachClaim(controller, node, claim, paths);
      const { protocol, serial } = JSON.parse(context.attachment ?? "");
      const digits = serial.toLowerCase();
      const link = `/dev/disk/by-id/nvme-eui.00${digits.slice(0, 14)}24a937${digits.slice(14)}`;
      assert.equal(protocol, "nvme-tcp");
      assert.equal(hostState().controllers.length, 2);
      await sh(`dd if=/dev/urandom of=${paths.target}/file bs=1M count=4 conv=fsync status=none`);
      await growClaim({ controller, csi }, { claim, paths, sizeBytes: 2 * SIZE });
      assert.equal(await sh(`blockdev --getsize64 ${link}`), String(2 * SIZE));
      await detachClaim(controller, node, claim, paths);
      assert.deepEqual(hostState().controllers, []);
      assert.equal(
        await sh(`ls ${CONFIGFS}/nvmet/subsystems/*/namespaces ${CONFIGFS}/nvmet/hosts`).then((
          text,
        ) => /^\d+$|uuid/m.test(text)),
        false,
      );
      await deleteClaim(claim);
    },
  );

  await step(
    "NFS: exported to the node alone; a copy of its snapshot is another file system; full, grown, gone",
    async () => {
      const claim = await createClaim(controller, claimNameOf("nfs"), {
        sizeBytes: 64 * MiB,
        parameters: FILE,
      });
      const paths = pathsOf("nfs");
      const context = await attachClaim(controller, node, claim, paths);
      const { protocol, address, path } = JSON.parse(context.attachment ?? "");
      assert.deepEqual([protocol, address], ["nfs", "127.0.0.1"]);
      assert.equal(await exports(), `${path}  127.0.0.1`);
      await Deno.mkdir(`${stand.dir}/mnt`);
      await assert.rejects(
        sh(`mount -t nfs -o vers=4.1,retry=0 ${STRANGER}:${path} ${stand.dir}/mnt`),
        /denied|No such file/,
      );
      await assert.rejects(
        sh(`mount -t nfs -o vers=3,nolock,retry=0 ${STRANGER}:${path} ${stand.dir}/mnt`),
        /denied/,
      );
      await sh(`dd if=/dev/urandom of=${paths.target}/file bs=1M count=4 conv=fsync status=none`);
      const data = await sum(`${paths.target}/file`);
      const { copy, drop } = await copyClaim(controller, claim, {
        name: claimNameOf("nfs-copy"),
        parameters: FILE,
      });
      const copyPaths = pathsOf("nfs-copy");
      await attachClaim(controller, node, copy, copyPaths);
      await sh(`echo changed >${paths.target}/file`);
      assert.equal(await sum(`${copyPaths.target}/file`), data);
      await assert.rejects(
        sh(`dd if=/dev/zero of=${paths.target}/full bs=1M count=80 conv=fsync status=none`),
        /No space left/,
      );
      await growClaim({ controller, csi }, { claim, paths, sizeBytes: 128 * MiB });
      await sh(`dd if=/dev/zero of=${paths.target}/full bs=1M count=80 conv=fsync status=none`);
      await detachClaim(controller, node, copy, copyPaths);
      await detachClaim(controller, node, claim, paths);
      assert.equal(await exports(), "");
      await drop();
      await deleteClaim(copy);
      await deleteClaim(claim);
    },
  );

  await step(
    "a simulator that is killed and started again: I/O goes on, nothing is doubled, what is half made goes",
    async () => {
      const kinds = {
        kill: { sizeBytes: SIZE, parameters: BLOCK },
        "kill-nvme": { sizeBytes: SIZE, parameters: NVME },
        "kill-nfs": { sizeBytes: 64 * MiB, parameters: FILE },
      };
      const claims: { claim: Claim; paths: Paths }[] = [];
      for (const [name, kind] of Object.entries(kinds)) {
        const claim = await createClaim(controller, claimNameOf(name), kind);
        claims.push({ claim, paths: pathsOf(name) });
      }
      for (const { claim, paths } of claims) await attachClaim(controller, node, claim, paths);
      const asItWas = [await targets(), await exports()];
      await stand.kill("simulator", "SIGKILL");
      const write = (name: string) =>
        Promise.all(
          claims.map(({ paths }) =>
            sh(`dd if=/dev/urandom of=${paths.target}/${name} bs=1M count=2 conv=fsync status=none`)
          ),
        );
      await write("while-dead");
      // What a kill in the middle of a connect leaves.
      await sh(
        `cd ${CONFIGFS}/target/core; ours=$(ls -d fileio_* | grep -v fileio_0); mkdir ` +
          `$ours/${crypto.randomUUID()}`,
      );
      await stand.start("simulator");
      assert.deepEqual([await targets(), await exports()], asItWas);
      await write("after");
      for (const { claim, paths } of claims) {
        assert.equal(await sh(`ls ${paths.target} | grep -v lost`), "after\nwhile-dead");
        // the controller's session ended with the simulator: it logs in again
        await detachClaim(controller, node, claim, paths);
        await deleteClaim(claim);
      }
    },
  );

  await step(
    "a simulator that is stopped leaves the kernel, the exports and the host as they were, and the foreign target",
    async () => {
      // The controller refuses until it has looked again at an array that did not answer while the
      // simulator was dead; csi-provisioner repeats as well.
      const made = (name: string, spec: Parameters<typeof createClaim>[2]) =>
        until(`${name} is made`, () => createClaim(controller, name, spec).catch(() => undefined), {
          timeoutMs: SLOW_MS,
          intervalMs: 1000,
        });
      const claim = await made(claimNameOf("left"), { sizeBytes: SIZE, parameters: BLOCK });
      await attach(claim);
      const file = await made(claimNameOf("left-nfs"), { sizeBytes: 64 * MiB, parameters: FILE });
      await attach(file);
      controller.close();
      csi.close();
      await stand.stop();
      await until("nothing is left", async () => await targets() === before.targets, {
        timeoutMs: 10_000,
      });
      assert.deepEqual({
        targets: await targets(),
        exports: await exports(),
        root: await sh("ls /"),
        host: hostState(),
      }, before);
      assert.equal(
        await sh(`find ${CONFIGFS}/target/iscsi -name backstore | wc -l`),
        "2",
        "the foreign target has its LUN still",
      );
    },
  );
});
