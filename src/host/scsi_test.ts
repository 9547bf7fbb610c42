import assert from "node:assert/strict";
import { isPsoError, PsoError } from "../errors.ts";
import {
  deleteDevice,
  devicesWithWwid,
  findScsiDevice,
  isPureWwid,
  naaOfPage83,
  reviveDevice,
  scanPlace,
  scsiDeviceOf,
  scsiRoutes,
  wwidOfSerial,
} from "./scsi.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { wwidOf } from "../../tests/support/fake_scsi.ts";
import { withTestClock } from "../../tests/support/test_clock.ts";
import { failureOf } from "../../tests/support/test_node.ts";

const SERIAL = "1234567890ABCDEF00011010";
const WWID = "3624a93701234567890abcdef00011010";
/** Head of the page, a T10 vendor descriptor, a relative port, and the NAA number of the unit. */
const PAGE = "0083002c" + "02010008" + "5055524520202020" + "01940004" + "00000001" + "01030010" +
  "624a93701234567890abcdef00011010";

Deno.test("wwidOfSerial() makes the WWID that udev and multipath show", () => {
  assert.equal(wwidOfSerial(SERIAL), WWID);
  assert.throws(() => wwidOfSerial("12345"), (error) => isPsoError(error, "invalid"));
});

Deno.test("isPureWwid() knows FlashArray volumes, and nothing else", () => {
  assert.equal(isPureWwid(WWID), true);
  for (const other of [undefined, "", "3600140512345678901234567890abcdef", `${WWID}0`, "mpatha"]) {
    assert.equal(isPureWwid(other), false);
  }
});

Deno.test("naaOfPage83() takes the NAA number of the unit, not that of the port", () => {
  assert.equal(naaOfPage83(Uint8Array.fromHex(PAGE)), WWID);
  assert.equal(naaOfPage83(Uint8Array.fromHex("00830000")), undefined);
  assert.equal(naaOfPage83(new Uint8Array()), undefined);
  assert.equal(
    naaOfPage83(Uint8Array.fromHex(PAGE.slice(0, 40))),
    undefined,
    "a page that was cut off says nothing",
  );
});

const HCTL = "1:0:0:7";
const DEVICE = `/sys/class/scsi_device/${HCTL}/device`;

/** A host with session 1, and volume 7 as sda at LUN 7 of it. */
function withDisk(work: (fake: FakeHost) => Promise<void>): Promise<void> {
  return FakeHost.use((fake) => {
    fake.iscsi.addSession(1, "192.0.2.1:3260");
    fake.scsi.addDisk({ session: 1, lun: 7, volume: 7 });
    return work(fake);
  });
}

Deno.test("findScsiDevice() shows where a device is, what it is and what it is called", () =>
  withDisk(async ({ host }) => {
    const device = await findScsiDevice(host, HCTL);
    assert.match(device?.route ?? "", /\/host1\/session1\/target1:0:0\/1:0:0:7\//);
    assert.deepEqual({ ...device, route: "" }, {
      hctl: HCTL,
      host: 1,
      channel: 0,
      target: 0,
      lun: 7,
      wwid: wwidOf(7),
      name: "sda",
      route: "",
    });
    assert.equal(await findScsiDevice(host, "1:0:0:8"), undefined);
  }));

Deno.test("findScsiDevice() takes the identity of page 0x83 where the kernel shows no wwid, and none that it cannot read", () =>
  withDisk(async (fake) => {
    fake.write(`${DEVICE}/wwid`, "t10.ATA QEMU");
    assert.equal((await findScsiDevice(fake.host, HCTL))?.wwid, undefined);
    Deno.writeFileSync(`${fake.root}${DEVICE}/vpd_pg83`, Uint8Array.fromHex(PAGE));
    assert.equal((await findScsiDevice(fake.host, HCTL))?.wwid, WWID);
    fake.remove(`${DEVICE}/wwid`);
    assert.deepEqual((await devicesWithWwid(fake.host, WWID)).map(({ name }) => name), ["sda"]);
    assert.deepEqual(await devicesWithWwid(fake.host, wwidOf(7)), []);
  }));

Deno.test("scsiDeviceOf() finds the device behind a disk, and none behind other block devices", () =>
  withDisk(async (fake) => {
    assert.equal((await scsiDeviceOf(fake.host, "sda"))?.hctl, HCTL);
    fake.write("/sys/class/block/sda1/size", "1");
    for (const other of ["sda1", "sdb", "dm-0", "nvme0n1"]) {
      assert.equal(await scsiDeviceOf(fake.host, other), undefined, other);
    }
  }));

Deno.test("scsiRoutes() lists the routes of all devices", () =>
  withDisk(async (fake) => {
    fake.scsi.addDisk({ session: 2, lun: 0, volume: 9 });
    const routes = await scsiRoutes(fake.host);
    assert.deepEqual(routes.map((route) => /session\d/.exec(route)?.[0]), ["session1", "session2"]);
  }));

Deno.test("reviveDevice() changes the state offline, and no other", () =>
  withDisk(async (fake) => {
    for (const state of ["running", "blocked", "transport-offline", "cancel"]) {
      fake.write(`${DEVICE}/state`, state);
      await reviveDevice(fake.host, HCTL);
      assert.equal(fake.read(`${DEVICE}/state`), state);
    }
    assert.deepEqual(fake.commands, []);
    fake.write(`${DEVICE}/state`, "offline");
    await reviveDevice(fake.host, HCTL);
    assert.equal(fake.read(`${DEVICE}/state`), "running");
  }));

Deno.test("deleteDevice() takes a device away, also when the kernel said no and did so; gone already is success", () =>
  withDisk(async (fake) => {
    fake.onTool.set("tee", () => {
      fake.scsi.removeDevice(HCTL);
      return { code: 1, stderr: "tee: No such device" };
    });
    for (const _time of ["once", "twice"]) await deleteDevice(fake.host, HCTL);
    assert.equal(fake.commands.length, 1);
  }));

Deno.test("deleteDevice() is no success while the device stays, whatever the kernel said", () =>
  withDisk(async (fake) => {
    const deleting = () => withTestClock(() => deleteDevice(fake.host, HCTL));
    fake.onTool.set("tee", () => ({ code: 1, stderr: "tee: Operation not permitted" }));
    assert.match((await failureOf(deleting())).message, /Operation not permitted/);
    fake.onTool.set("tee", () => ({}));
    assert.equal((await failureOf(deleting())).code, "timeout");
    assert.deepEqual(fake.scsi.devices, [HCTL]);
  }));

Deno.test("scanPlace() says no of a SCSI host that is gone, dying or refuses, and throws when the scan hangs", () =>
  withDisk(async (fake) => {
    const place = { host: 1, channel: 0, target: 0, lun: 8 };
    assert.equal(await scanPlace(fake.host, place), true);
    assert.equal(await scanPlace(fake.host, { ...place, host: 5 }), false);
    for (const state of ["deleted", "cancel"]) {
      fake.write("/sys/class/scsi_host/host1/state", state);
      assert.equal(await scanPlace(fake.host, place), false, state);
    }
    assert.deepEqual(fake.scsi.scans, ["host1 0 0 8"]);
    fake.write("/sys/class/scsi_host/host1/state", "running");
    fake.onTool.set("tee", () => ({ code: 1, stderr: "tee: Invalid argument" }));
    assert.equal(await scanPlace(fake.host, place), false);
    fake.onTool.set("tee", () => Promise.reject(new PsoError("timeout", "tee did not end")));
    const { code, message } = await failureOf(scanPlace(fake.host, place));
    assert.equal(code, "timeout");
    assert.match(message, /1:0:0:8/);
  }));
