import assert from "node:assert/strict";
import { hasHostBits, isAllowed, parseCidr, parseIp, printIp } from "./cidr.ts";

function cidrs(...texts: string[]) {
  return texts.map((text) => parseCidr(text)).filter((cidr) => cidr !== undefined);
}

for (
  const [text, family, value] of [
    ["0.0.0.0", 4, 0n],
    ["255.255.255.255", 4, 0xffffffffn],
    ["10.1.2.3", 4, 0x0a010203n],
    ["::", 6, 0n],
    ["::1", 6, 1n],
    ["fd00::", 6, 0xfd00n << 112n],
    ["1:2:3:4:5:6:7:8", 6, 0x00010002000300040005000600070008n],
    ["64:ff9b::10.0.0.1", 6, (0x64ff9bn << 96n) + 0x0a000001n],
    ["::ffff:10.0.0.1", 4, 0x0a000001n],
  ] as const
) {
  Deno.test(`parseIp() reads ${text}`, () => assert.deepEqual(parseIp(text), { family, value }));
}

for (
  const [text, usual] of [
    ["10.0.200.3", "10.0.200.3"],
    ["::", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["FD00:0:0:0:0:0:0:0", "fd00::"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["2001:db8:0:0:1:0:0:0", "2001:db8:0:0:1::"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"],
    ["10:0:0:3:0:0:0:100", "10:0:0:3::100"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
  ] as const
) {
  Deno.test(`printIp() writes ${text} as ${usual}`, () => {
    const ip = parseIp(text);
    assert.equal(ip && printIp(ip), usual);
    assert.deepEqual(parseIp(usual), ip);
  });
}

for (
  const text of [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "010.1.1.1",
    "1.2.3.4/8",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7::8",
    "g::1",
    "12345::",
  ]
) {
  Deno.test(`parseIp() refuses ${JSON.stringify(text)}`, () =>
    assert.equal(parseIp(text), undefined));
}

for (
  const text of [
    "10.0.0.0",
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0.0/",
    "/8",
    "10.0.0.0/8/8",
    "10.0.0.0/a",
    "10.0.0.0/-1",
  ]
) {
  Deno.test(`parseCidr() refuses ${text}`, () => assert.equal(parseCidr(text), undefined));
}

Deno.test("parseCidr() clears the bits below the length and hasHostBits() tells of them", () => {
  assert.deepEqual(parseCidr("10.1.2.3/16"), {
    text: "10.1.2.3/16",
    family: 4,
    network: 0x0a010000n,
    prefixLength: 16,
  });
  assert.deepEqual(
    cidrs("10.1.2.3/16", "10.1.0.0/16", "fd00::1/64", "fd00::/64", "1.2.3.4/32").map(hasHostBits),
    [
      true,
      false,
      true,
      false,
      false,
    ],
  );
});

Deno.test("isAllowed() takes every address when there is no block", () => {
  assert.equal(isAllowed("10.0.0.1", []), true);
});

for (
  const [address, allowed] of [
    ["10.0.255.255", true],
    ["10.1.0.0", false],
    ["::ffff:10.0.0.1", true],
    ["fd00:1::5", true],
    ["fd00:2::5", false],
    ["a00::1", false],
    ["192.168.1.1", true],
    ["192.168.1.2", false],
    ["portal-1", false],
  ] as const
) {
  Deno.test(`isAllowed() ${allowed ? "takes" : "refuses"} ${address} for 10.0.0.0/16, fd00:1::/64 and 192.168.1.1/32`, () => {
    assert.equal(
      isAllowed(address, cidrs("10.0.0.0/16", "fd00:1::/64", "192.168.1.1/32")),
      allowed,
    );
  });
}

Deno.test("isAllowed() takes every IPv4 address, and no IPv6 address, for 0.0.0.0/0", () => {
  assert.deepEqual(
    ["1.2.3.4", "255.0.0.1", "::1"].map((address) => isAllowed(address, cidrs("0.0.0.0/0"))),
    [true, true, false],
  );
});
