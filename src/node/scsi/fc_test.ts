/**
 * Fibre Channel over a sysfs of files: what is its own beside the code that iSCSI runs. It was
 * never run on hardware.
 */
import assert from "node:assert/strict";
import type { Attachment } from "../../handoff.ts";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { SIZE_BYTES } from "../../../tests/support/fake_scsi.ts";
import { BLOCK_CAPABILITY, failureOf } from "../../../tests/support/test_node.ts";

const [FIRST, SECOND, OTHER] = ["524a937000000001", "524a937000000011", "5000000000000009"];
const ATTACHMENT: Attachment = {
  protocol: "fc",
  wwpns: [FIRST, SECOND],
  lun: 7,
  serial: "7".padStart(24, "0"),
  sizeBytes: SIZE_BYTES,
  everWritten: true,
};
const REQUEST = {
  volumeId: "v7",
  stagingPath: "/stage/7",
  attachment: ATTACHMENT,
  volumeContext: {},
  capability: BLOCK_CAPABILITY,
};

/**
 * A host with two FC ports, each of which sees one port of the array, and one of them a port of
 * somebody else's.
 */
async function withFabric(work: (fake: FakeHost) => Promise<void>): Promise<void> {
  await FakeHost.use(async (fake) => {
    fake.scsi.addRemotePort(3, { wwpn: FIRST, target: 2 });
    fake.scsi.addRemotePort(4, { wwpn: SECOND, target: 0 });
    fake.scsi.addRemotePort(4, { wwpn: OTHER, target: 5 });
    fake.scsi.luns.set(7, 7);
    fake.scsi.addMap("dm-7", 7);
    await work(fake);
  });
}

const scansOf = (fake: FakeHost) => fake.scsi.scans.toSorted();

Deno.test("FC: a stage scans the LUN behind each port of the array, and nothing else; a stage that fails takes both paths and the map away", () =>
  withFabric(async (fake) => {
    fake.onTool.set("mount", () => ({ code: 32, stderr: "mount: cannot allocate memory\n" }));
    assert.match((await failureOf(fake.plugin().stage(REQUEST))).message, /\/stage\/7\/device/);
    assert.deepEqual(scansOf(fake), ["host3 0 2 7", "host4 0 0 7"]);
    assert.equal(await fake.records.find("v7"), undefined);
    assert.deepEqual(fake.scsi.devices, []);
    assert.equal(fake.has("/sys/class/block/dm-7"), false);
  }));

Deno.test("15.11: FC: a volume of two arrays is scanned for at the LUN behind the port of each", () =>
  withFabric(async (fake) => {
    fake.scsi.luns.set(9, 7);
    fake.onTool.set("mount", () => ({ code: 32, stderr: "mount: cannot allocate memory\n" }));
    const attachment: Attachment = { ...ATTACHMENT, luns: [7, 9] };
    await failureOf(fake.plugin().stage({ ...REQUEST, attachment }));
    assert.deepEqual(scansOf(fake), ["host3 0 2 7", "host4 0 0 9"]);
  }));

Deno.test("FC: a path that is gone is scanned for again by the healer, at its own place", () =>
  withFabric(async (fake) => {
    fake.scsi.join(fake.scsi.addDisk({ session: 3, target: 2, lun: 7, volume: 7 }), "dm-7");
    await fake.records.write({
      volumeId: "v7",
      stagingPath: "/stage/7",
      attachment: ATTACHMENT,
      device: "dm-7",
      published: [],
    });
    fake.mount("/stage/7", { number: "254:7" });
    const node = fake.plugin();
    assert.deepEqual(
      (await node.health({ volumeId: "v7", volumePath: "" })).map(({ reason }) => reason),
      ["PathsMissing"],
    );
    await node.healer.round();
    await node.healer.idle();
    assert.deepEqual(scansOf(fake), ["host4 0 0 7"]);
    assert.deepEqual(fake.scsi.pathsOf("dm-7").length, 2);
    assert.deepEqual(await node.health({ volumeId: "v7", volumePath: "" }), []);
  }));

Deno.test("FC: a host that sees no port of the array says so and names the ports", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.addRemotePort(4, { wwpn: OTHER, target: 5 });
    const { code, message } = await failureOf(fake.plugin().stage(REQUEST));
    assert.equal(code, "unavailable");
    assert.match(
      message,
      new RegExp(
        `no FC port of this host sees one of the array's ports ${FIRST}, ${SECOND}: check the zoning`,
      ),
    );
    assert.deepEqual(scansOf(fake), []);
  }));

Deno.test("FC: a port of the array that is lost is a missing path, and is only said", () =>
  withFabric(async (fake) => {
    fake.scsi.join(fake.scsi.addDisk({ session: 3, target: 2, lun: 7, volume: 7 }), "dm-7");
    // the kernel has taken its disks away
    fake.write("/sys/class/fc_remote_ports/rport-4:0-0/port_state", "Not Present");
    await fake.records.write({
      volumeId: "v7",
      stagingPath: "/stage/7",
      attachment: ATTACHMENT,
      device: "dm-7",
      published: [],
    });
    fake.mount("/stage/7", { number: "254:7" });
    const node = fake.plugin();
    await node.healer.round();
    await node.healer.idle();
    assert.deepEqual(fake.commands, []);
    assert.deepEqual(node.healer.paths(), { up: 1, down: 0, missing: 1 });
    const [condition] = await node.health({ volumeId: "v7", volumePath: "" });
    assert.equal(
      condition?.message,
      `1 of 2 paths carry I/O: host4 to ${SECOND}: the port is lost`,
    );
  }));
