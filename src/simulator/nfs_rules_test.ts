import { deepEqual, equal, throws } from "node:assert/strict";
import { changedRules, exportedTo, formatRule, parseRules } from "./nfs_rules.ts";
import { RestError } from "./rest_error.ts";

Deno.test("parseRules() reads what a real array stored, and formatRule() writes it back", () => {
  const text = "10.20.225.2(rw) 2620::/16(no_root_squash) *(rw,no_root_squash) " +
    "10.20.30.40(root_squash,anonuid=7777,anongid=8888) @team *.dom?.com(ro)";
  const rules = parseRules(text);
  deepEqual(rules[3], {
    client: "10.20.30.40",
    options: ["root_squash", "anonuid=7777", "anongid=8888"],
  });
  equal(rules.map(formatRule).join(" "), text);
  deepEqual(parseRules(""), []);
});

for (
  const text of [
    "(rw)",
    "10.0.0.1(rw",
    "10.0.0.1 (rw)",
    "10.0.0.1(write)",
    "10.0.0.1(anonuid=x)",
    "a,b(rw)",
    "$(reboot)",
  ]
) {
  Deno.test(`parseRules() refuses ${text}`, () => throws(() => parseRules(text), RestError));
}

const clients: { rules: string; names: string[] }[] = [
  { rules: "", names: [] },
  { rules: "*(rw,no_root_squash)", names: ["any"] },
  { rules: "0.0.0.0/0(rw) ::/0", names: ["any"] },
  {
    rules: "127.0.0.11(rw) 127.0.0.12/32(ro) FD00::1(rw) fd00::2/128",
    names: ["127.0.0.11", "127.0.0.12", "fd00::1", "fd00::2"],
  },
  { rules: "10.0.0.0/8(rw) host.example(rw) @team *.example", names: [] },
];
for (const { rules, names } of clients) {
  Deno.test(`exportedTo() of "${rules}" is ${names.join(" ") || "nobody"}`, () =>
    deepEqual([...exportedTo(parseRules(rules))], names));
}

Deno.test("changedRules() adds, replaces and removes by client", () => {
  equal(changedRules("a(rw) b(rw)", { add: "c(ro) a(ro)", remove: "b(rw)" }), "c(ro) a(ro)");
  equal(changedRules("a(rw)", { remove: "a" }), "");
});
