import assert from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import { waitForMap } from "./multipath.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { wwidOf } from "../../tests/support/fake_scsi.ts";

const WWID = wwidOf(7);

/** A host with the disks sda and sdb, of which these are in the map dm-7 of a volume. */
function withMap(
  { volume, paths }: { volume: number; paths: string[] },
  work: (fake: FakeHost) => Promise<void>,
): Promise<void> {
  return FakeHost.use(async (fake) => {
    for (const session of [1, 2]) fake.scsi.addDisk({ session, lun: 7, volume });
    fake.scsi.addMap("dm-7", volume, { alias: "mpatha" });
    for (const path of paths) fake.scsi.join(path, "dm-7");
    await work(fake);
  });
}

Deno.test("waitForMap() finds the map by whichever of its paths is in it already", () =>
  withMap({ volume: 7, paths: ["sdb"] }, async ({ host, commands }) => {
    const map = await waitForMap(host, { wwid: WWID, paths: ["sda", "sdb"] });
    const found = { name: "dm-7", alias: "mpatha", wwid: WWID, paths: ["sdb"], holders: [] };
    assert.deepEqual(map, found);
    assert.deepEqual(commands, []);
  }));

Deno.test("waitForMap() never takes the map of another volume that holds a path of ours", () =>
  withMap({ volume: 8, paths: ["sda"] }, async ({ host }) => {
    const looking = waitForMap(host, { wwid: WWID, paths: ["sda"] }, AbortSignal.timeout(200));
    await assert.rejects(looking, (error) => isPsoError(error, "timeout"));
  }));
