import assert from "node:assert/strict";
import {
  areEqual,
  areStatic,
  formatRules,
  isAddress,
  parseRules,
  withAddresses,
  withoutAddresses,
} from "./export_rules.ts";

Deno.test("parseRules() and formatRules() keep every rule as it was written", () => {
  for (
    const text of [
      "",
      "*(rw,no_root_squash)",
      "10.20.225.2(rw) 2620::/16(no_root_squash) @group(ro) *.dom?.com 10.20.30.40(root_squash,anonuid=7777,anongid=8888)",
    ]
  ) {
    assert.equal(formatRules(parseRules(text)), text);
  }
});

Deno.test("isAddress() takes single addresses only", () => {
  for (
    const client of ["10.0.0.1", "255.255.255.255", "fd00::1", "2620:0:0::AB", "::ffff:10.0.0.1"]
  ) assert.ok(isAddress(client), client);
  for (
    const client of [
      "*",
      "10.0.0.0/8",
      "fd00::/64",
      "host",
      "host.example",
      "@group",
      "10.0.0.256",
      "face",
    ]
  ) {
    assert.ok(!isAddress(client), client);
  }
});

Deno.test("areStatic() sees an administrator's rule among addresses", () => {
  assert.equal(areStatic(parseRules("10.0.0.1(rw,no_root_squash) 10.0.0.2(ro)")), false);
  assert.equal(areStatic(parseRules("10.0.0.1(rw) 10.1.0.0/16(ro)")), true);
  assert.equal(areStatic([]), false);
});

Deno.test("withAddresses() gives each address exactly one rule of the access asked for", () => {
  const rules = parseRules("10.0.0.1(ro,no_root_squash) 10.0.0.2(rw,no_root_squash)");
  const text = formatRules(withAddresses(rules, ["10.0.0.1", "fd00::1"], { readOnly: false }));
  assert.equal(
    text,
    "10.0.0.2(rw,no_root_squash) 10.0.0.1(rw,no_root_squash) fd00::1(rw,no_root_squash)",
  );
  assert.equal(
    formatRules(withAddresses([], ["10.0.0.1"], { readOnly: true })),
    "10.0.0.1(ro,no_root_squash)",
  );
});

Deno.test("withoutAddresses() knows one IPv6 address in all its spellings", () => {
  const rules = parseRules("fd00:0:0::1(rw) FD00::2(rw) 10.0.0.1(rw)");
  assert.equal(formatRules(withoutAddresses(rules, ["fd00::1", "fd00::2"])), "10.0.0.1(rw)");
});

Deno.test("areEqual() ignores the order of rules and options", () => {
  const a = parseRules("10.0.0.1(rw,no_root_squash) fd00::1(ro)");
  assert.ok(areEqual(a, parseRules("fd00:0::1(ro) 10.0.0.1(no_root_squash,rw)")));
  assert.ok(!areEqual(a, parseRules("fd00::1(rw) 10.0.0.1(no_root_squash,rw)")));
});
