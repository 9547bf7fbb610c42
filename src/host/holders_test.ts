import assert from "node:assert/strict";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { wwidOf } from "../../tests/support/fake_scsi.ts";
import { withTestClock } from "../../tests/support/test_clock.ts";
import { failureOf } from "../../tests/support/test_node.ts";
import { holderAdvice, parseLvmName } from "./holders.ts";
import { removeMap } from "./multipath.ts";

const LV = { name: "dm-9", uuid: "LVM-a1b2", alias: "guest--vg-root" };
const PART = { name: "dm-8", uuid: `part1-mpath-${wwidOf(7)}`, alias: "mpatha-part1" };

for (
  const { name, holders } of [
    { name: "on the volume itself", holders: [{ ...LV, on: "dm-7" }] },
    { name: "on its partition", holders: [{ ...PART, on: "dm-7" }, { ...LV, on: "dm-8" }] },
  ]
) {
  Deno.test(`removeMap() names volume group and cure of a guest's LVM ${name} that the host has activated`, () =>
    withTestClock(() =>
      FakeHost.use(async (fake) => {
        fake.scsi.addMap("dm-7", 7, { alias: "mpatha" });
        for (const { on, ...holder } of holders) fake.scsi.addHolder(on, holder);
        const { code, message } = await failureOf(removeMap(fake.host, "dm-7"));
        assert.equal(code, "in_use");
        assert.match(message, /in use by logical volume root of volume group guest-vg/);
        assert.match(
          message,
          /run vgchange -an guest-vg on this node.*filter in docs\/host-prepar/,
        );
      })
    ));
}

Deno.test("holderAdvice() tells of every other holder by its names", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.addMap("dm-7", 7);
    fake.scsi.addHolder("dm-7", { name: "dm-9", uuid: "CRYPT-x", alias: "vault" });
    assert.match(await holderAdvice(fake.host, "dm-9"), /^in use by vault \(dm-9\): stop whatever/);
    assert.match(await holderAdvice(fake.host, "md0"), /^in use by md0: stop whatever/);
  }));

Deno.test("parseLvmName() undoes the doubled dashes of LVM", () => {
  assert.deepEqual(parseLvmName("vg-lv"), { group: "vg", name: "lv" });
  assert.deepEqual(parseLvmName("my--vg-a--b"), { group: "my-vg", name: "a-b" });
  assert.equal(parseLvmName("nothing"), undefined);
});
