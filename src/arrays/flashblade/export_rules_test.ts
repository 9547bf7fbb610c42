import assert from "node:assert/strict";
import {
  adminClientsOf,
  areEqual,
  areStatic,
  formatRules,
  isOwnRule,
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

Deno.test("isOwnRule() takes single addresses with exactly the options that this driver writes", () => {
  const isOwn = (text: string) => parseRules(text).every(isOwnRule);
  for (
    const client of ["10.0.0.1", "255.255.255.255", "fd00::1", "2620:0:0::AB", "::ffff:10.0.0.1"]
  ) {
    assert.ok(isOwn(`${client}(rw,no_root_squash)`), client);
    assert.ok(isOwn(`${client}(ro,no_root_squash)`), client);
  }
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
    assert.ok(!isOwn(`${client}(rw,no_root_squash)`), client);
  }
  for (const options of ["", "rw", "ro", "no_root_squash,rw", "rw,no_root_squash,sec=krb5"]) {
    assert.ok(!isOwn(options === "" ? "10.0.0.1" : `10.0.0.1(${options})`), options);
  }
});

Deno.test("areStatic() sees rules that only an administrator decides about", () => {
  assert.equal(areStatic(parseRules("10.0.0.1(rw,no_root_squash) 10.0.0.2(ro)")), false);
  assert.equal(areStatic(parseRules("10.0.0.1(rw) 10.1.0.0/16(ro)")), true);
  assert.equal(areStatic(parseRules("*(rw,no_root_squash)")), true);
  assert.equal(areStatic(parseRules("10.0.0.1(rw,no_root_squash) 10.1.0.0/16(ro)")), false);
  assert.equal(areStatic([]), false);
});

Deno.test("adminClientsOf() names addresses, and any for everything else", () => {
  assert.deepEqual(adminClientsOf(parseRules("10.0.0.1(rw,no_root_squash) 10.0.0.2(ro)")), [
    "10.0.0.2",
  ]);
  assert.deepEqual(adminClientsOf(parseRules("10.0.0.1(rw,no_root_squash) @hosts(ro)")), "any");
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

Deno.test("withAddresses() leaves an address to the administrator who wrote a rule for it", () => {
  const rules = parseRules("FD00::1(rw,sec=krb5)");
  const text = formatRules(withAddresses(rules, ["fd00:0::1", "10.0.0.1"], { readOnly: false }));
  assert.equal(text, "FD00::1(rw,sec=krb5) 10.0.0.1(rw,no_root_squash)");
});

Deno.test("withoutAddresses() knows one IPv6 address in all its spellings, and drops rules of ours only", () => {
  const own = "(rw,no_root_squash)";
  const rules = parseRules(`fd00:0:0::1${own} FD00::2${own} 10.0.0.1${own} 10.0.0.2(rw)`);
  assert.equal(
    formatRules(withoutAddresses(rules, ["fd00::1", "fd00::2", "10.0.0.2"])),
    `10.0.0.1${own} 10.0.0.2(rw)`,
  );
});

Deno.test("areEqual() ignores the order of rules and the spelling of addresses", () => {
  const a = parseRules("10.0.0.1(rw,no_root_squash) fd00::1(ro)");
  assert.ok(areEqual(a, parseRules("fd00:0::1(ro) 10.0.0.1(rw,no_root_squash)")));
  assert.ok(!areEqual(a, parseRules("fd00::1(rw) 10.0.0.1(rw,no_root_squash)")));
});
