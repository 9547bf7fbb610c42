import assert from "node:assert/strict";
import {
  adminClientsOf,
  areEqual,
  areStatic,
  formatRules,
  isLetIn,
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

Deno.test("areStatic() sees rules that only an administrator can judge, and takes no block for one", () => {
  for (const client of ["*", "host", "*.example.org", "@group", "10.0.0.0/255.0.0.0"]) {
    assert.equal(areStatic(parseRules(`10.0.0.1(rw) ${client}(ro)`)), true, client);
    assert.equal(areStatic(parseRules(`10.0.0.1(rw,no_root_squash) ${client}(ro)`)), false, client);
  }
  for (const text of ["", "10.0.0.2(ro)", "10.0.0.1(rw) 10.1.0.0/16(ro)", "fd00::/64(rw)"]) {
    assert.equal(areStatic(parseRules(text)), false, text);
  }
});

Deno.test("isLetIn() takes an administrator's rule for the address, and a block with enough access", () => {
  const letsIn = (rules: string, address: string, readOnly = false) =>
    isLetIn(parseRules(rules), address, { readOnly });
  assert.ok(letsIn("10.0.0.1(ro)", "10.0.0.1"));
  assert.ok(letsIn("10.0.0.0/8(rw) fd00::/64(ro)", "10.9.9.9"));
  assert.ok(letsIn("fd00::/64(sec=sys,rw)", "FD00::9"));
  assert.ok(letsIn("10.0.0.0/8(ro)", "10.9.9.9", true));
  assert.ok(!letsIn("10.0.0.0/8(ro) 10.0.0.0/8 10.0.0.0/8(rwx)", "10.9.9.9"));
  assert.ok(!letsIn("10.0.0.0/8(rw) 10.0.0.1(rw,no_root_squash)", "11.0.0.1"));
  assert.ok(
    !letsIn("10.0.0.1(rw,no_root_squash)", "10.0.0.1"),
    "ours is none of an administrator's",
  );
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
  const rules = parseRules("FD00::1(rw,sec=krb5) 10.9.0.0/16(rw) 10.8.0.0/16(ro)");
  const text = (addresses: string[], readOnly = false) =>
    formatRules(withAddresses(rules, addresses, { readOnly }));
  const own = "(rw,no_root_squash)";
  const admins = "FD00::1(rw,sec=krb5) 10.9.0.0/16(rw) 10.8.0.0/16(ro)";
  assert.equal(text(["fd00:0::1", "10.0.0.1"]), `10.0.0.1${own} ${admins}`);
  assert.equal(text(["10.9.0.1", "10.8.0.1"]), `10.8.0.1${own} ${admins}`);
  assert.equal(text(["10.8.0.1"], true), admins);
});

Deno.test("withAddresses() keeps a rule of ours beside a block that came later, and before it", () => {
  const own = "10.9.0.1(rw,no_root_squash)";
  const rules = parseRules(`10.9.0.0/16(rw) ${own}`);
  const text = formatRules(withAddresses(rules, ["10.9.0.1"], { readOnly: false }));
  assert.equal(text, `${own} 10.9.0.0/16(rw)`);
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
