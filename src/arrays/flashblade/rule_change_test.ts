import { equal, throws } from "node:assert/strict";
import type { NodeIdentity } from "../../handoff.ts";
import type { ExportChange } from "../array.ts";
import { formatRules, parseRules } from "./export_rules.ts";
import { changedRules } from "./rule_change.ts";

function node(address: string): NodeIdentity {
  return { name: `node-${address}`, protocols: ["nfs"], wwpns: [], addresses: [address] };
}

function changed(
  rules: string,
  change: Partial<ExportChange> & { rules: string; policy?: string },
): string {
  const shown = "file system f on array fb-1";
  const all = { users: [], areAllUsersKnown: true, shown, ...change };
  return formatRules(changedRules(parseRules(rules), all));
}

const OWN = "10.0.0.1(rw,no_root_squash)";
const WRITER = { node: node("10.1.0.7"), readOnly: false };

Deno.test("changedRules() replaces an administrator's rules and keeps the driver's own, in front", () => {
  equal(changed(`${OWN} 10.1.0.0/16(rw)`, { rules: "10.2.0.0/16(ro)" }), `${OWN} 10.2.0.0/16(ro)`);
  equal(changed(`${OWN} 10.1.0.0/16(rw)`, { rules: "" }), OWN);
  equal(changed("", { rules: "10.2.0.0/16(ro)" }), "10.2.0.0/16(ro)");
});

Deno.test("changedRules() takes access from no node that uses the file system", () => {
  const own = "10.1.0.7(rw,no_root_squash)";
  const old = "10.1.0.0/16(rw)";
  const users = [WRITER];
  equal(changed(old, { rules: "10.2.0.0/16(rw)", users }), `${own} 10.2.0.0/16(rw)`);
  equal(changed(old, { rules: "10.1.0.0/16(ro)", users }), `${own} 10.1.0.0/16(ro)`);
  equal(changed(old, { rules: "", users }), own);
  equal(changed(old, { rules: "10.1.0.0/24(rw)", users }), "10.1.0.0/24(rw)");
  equal(changed("*(rw)", { rules: "*(rw,no_root_squash)", users }), "*(rw,no_root_squash)");
  equal(changed("*(rw)", { rules: "*(ro)", users }), `${own} *(ro)`);
  const reader = { ...WRITER, readOnly: true };
  equal(changed("*(rw)", { rules: "*(ro)", users: [reader] }), "*(ro)");
});

Deno.test("changedRules() takes no rule away while it is not known who uses the file system, and adds some", () => {
  const unknown = { areAllUsersKnown: false };
  throws(() => changed("10.1.0.0/16(rw)", { rules: "10.2.0.0/16(rw)", ...unknown }), {
    code: "in_use",
    message: /take 10\.1\.0\.0\/16\(rw\) away from file system f on array fb-1, and the controller/,
  });
  equal(
    changed("10.1.0.0/16(rw)", { rules: "10.2.0.0/16(ro) 10.1.0.0/16(rw)", ...unknown }),
    "10.2.0.0/16(ro) 10.1.0.0/16(rw)",
  );
});

Deno.test("changedRules() refuses a rule that looks like the driver's own, unless it is there", () => {
  throws(() => changed("", { rules: "10.0.0.0/8(rw) 10.0.0.1(rw,no_root_squash)" }), {
    code: "invalid",
    message:
      /has the rule 10\.0\.0\.1\(rw,no_root_squash\), .* wanted is a network, as 10\.0\.0\.1\/32/,
  });
  equal(changed(`${OWN} *(ro)`, { rules: `*(ro) ${OWN}` }), `${OWN} *(ro)`);
});

Deno.test("changedRules() leaves a file system alone whose export policy decides", () => {
  throws(() => changed("", { rules: "*(ro)", policy: "corp" }), {
    code: "invalid",
    message: /the export policy corp of the array says who may mount file system f/,
  });
  equal(changed("*(rw)", { rules: "*(rw) 10.0.0.0/8(ro)", policy: "f" }), "*(rw) 10.0.0.0/8(ro)");
});
