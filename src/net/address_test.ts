import assert from "node:assert/strict";
import {
  addressKey,
  inBrackets,
  parseHostPort,
  printHostPort,
  withoutBrackets,
} from "./address.ts";

for (
  const [text, parsed] of [
    ["192.0.2.1", { host: "192.0.2.1" }],
    ["192.0.2.1:3260", { host: "192.0.2.1", port: 3260 }],
    ["fa-1.example.org:443", { host: "fa-1.example.org", port: 443 }],
    ["[2001:db8::1]:4420", { host: "2001:db8::1", port: 4420 }],
    ["[2001:db8::1]", { host: "2001:db8::1" }],
    ["[::ffff:192.0.2.1]:80", { host: "::ffff:192.0.2.1", port: 80 }],
    [":9808", { host: "", port: 9808 }],
    ["host:0", { host: "host", port: 0 }],
  ] as const
) {
  Deno.test(`parseHostPort() reads ${text}, and printHostPort() writes it back`, () => {
    assert.deepEqual(parseHostPort(text), parsed);
    assert.equal(printHostPort(parsed), text);
  });
}

Deno.test("parseHostPort() reads a bare IPv6 address, all of it as the host", () => {
  assert.deepEqual(parseHostPort("2001:db8::1:80"), { host: "2001:db8::1:80" });
  assert.equal(printHostPort({ host: "2001:db8::1:80" }), "[2001:db8::1:80]");
});

for (
  const text of [
    "",
    "host:",
    "host:65536",
    "host:123456",
    "host:80:81",
    "host:port",
    "[192.0.2.1]:80",
    "[host]:80",
    "[]:80",
    "[2001:db8::1",
    "[2001:db8::1]80",
    "2001:db8::g",
    "https://host",
    "host/path",
    "user@host",
    " host",
  ]
) {
  Deno.test(`parseHostPort() refuses ${JSON.stringify(text)}`, () => {
    assert.equal(parseHostPort(text), undefined);
  });
}

Deno.test("inBrackets() and withoutBrackets() change IPv6 addresses only", () => {
  for (const host of ["192.0.2.1", "fa-1.example.org"]) {
    assert.equal(inBrackets(host), host);
    assert.equal(withoutBrackets(host), host);
  }
  assert.equal(inBrackets("2001:db8::1"), "[2001:db8::1]");
  assert.equal(withoutBrackets("[2001:db8::1]"), "2001:db8::1");
});

Deno.test("addressKey() is one text for every spelling of an address, and for nothing else", () => {
  const spellings = ["fd00::1", "FD00:0:0::1", "fd00:0000::0001"];
  assert.equal(new Set(spellings.map(addressKey)).size, 1);
  assert.equal(addressKey("::ffff:10.0.0.1"), addressKey("10.0.0.1"));
  assert.notEqual(addressKey("10.0.0.1"), addressKey("10.0.0.10"));
  assert.equal(addressKey("Host.example"), "host.example");
});
