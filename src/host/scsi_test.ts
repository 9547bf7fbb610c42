import assert from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import { isPureWwid, naaOfPage83, wwidOfSerial } from "./scsi.ts";

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
