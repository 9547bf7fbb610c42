import { equal, match } from "node:assert/strict";
import { FoundList } from "../check/found.ts";
import { findingsTable } from "./report.ts";

/** A finding of each level. */
function findings() {
  const found = new FoundList("cluster prod");
  found.ok("server", "Kubernetes v1.36.3");
  found.warn(
    "snapshots",
    "the CRDs of snapshots are missing: no snapshot can be made",
    "install them",
  );
  found.fail("leader", "no controller leads: no volume is made or attached; look at its pods");
  return found.all;
}

Deno.test("findingsTable() ends with what to do, the worst first, and leaves that out where nothing else stands", () => {
  const table = findingsTable(findings(), { colours: false, wide: false });
  match(
    table,
    /\n\nTo do\n {2}FAIL {2}cluster prod, leader: look at its pods\n {2}WARN {2}cluster prod, snapshots: install them\n\n1 object checked: 1 FAIL, 1 WARN, 1 OK\n$/,
  );
  const [first, ...others] = findings();
  for (const all of [others, first ? [first] : []]) {
    equal(findingsTable(all, { colours: false, wide: false }).includes("To do"), false);
  }
  equal(findingsTable(findings(), { colours: false, wide: true }).includes("To do"), false);
  const [server, classes] = findings();
  const refused = new FoundList("Secret pso/a");
  refused.ok("server", "it is there");
  refused.fail("values", "it cannot be read (403: give the account this right (get secrets))");
  match(
    findingsTable(refused.all, { colours: false, wide: false }),
    /To do\n {2}FAIL {2}Secret pso\/a, values: give the account this right \(get secrets\)\n/,
  );
  if (!server || !classes) throw new Error("no findings");
  const same = { ...classes, check: "classes" };
  const twice = findingsTable([server, classes, same, same], { colours: false, wide: false });
  match(twice, /To do\n {2}WARN {2}cluster prod, snapshots, classes: install them\n\n/);
});

Deno.test("findingsTable() fits a terminal, and an output that goes elsewhere has whole lines", () => {
  const lines = (columns?: number) =>
    findingsTable(findings(), { colours: true, wide: false, columns }).split("\n");
  const longest = (all: string[]) =>
    // deno-lint-ignore no-control-regex -- colours
    Math.max(...all.map((line) => line.replaceAll(/\x1b\[\d*m/g, "").length));
  equal(longest(lines(80)) <= 80, true, lines(80).join("\n"));
  equal(longest(lines(20)) <= 60, true, lines(20).join("\n"));
  match(lines().join("\n"), /snapshot can be made\n/);
  equal(lines(80).join(" ").replaceAll(/\s+/g, " "), lines().join(" ").replaceAll(/\s+/g, " "));
});
