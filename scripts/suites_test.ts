import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { differences, type MachineState } from "./machine_state.ts";
import { parseMounts } from "./mounts.ts";
import { ROOT } from "./program.ts";
import {
  chosenSuites,
  filesOf,
  groupsOf,
  readCounts,
  skippedIn,
  type Suite,
  SUITES,
  testFiles,
} from "./suites.ts";

const COUNTS: [string, string, number, { passed: number; failed: number; skipped: number }][] = [
  ["all passed", "ok | 2 passed | 0 failed (7ms)\n", 0, { passed: 2, failed: 0, skipped: 0 }],
  [
    "steps are not counted",
    "FAILED | 2 passed (2 steps) | 1 failed | 1 ignored (3 steps) (323ms)\n",
    1,
    {
      passed: 2,
      failed: 1,
      skipped: 1,
    },
  ],
  ["colours are taken off", "\u001b[0m\u001b[32mok\u001b[0m | 5 passed | 0 failed (7ms)", 0, {
    passed: 5,
    failed: 0,
    skipped: 0,
  }],
  ["a run without a last line is a failure", "error: Import failed\n", 1, {
    passed: 0,
    failed: 1,
    skipped: 0,
  }],
  ["a bad end after a good line is a failure", "ok | 3 passed | 0 failed (1ms)\n", 139, {
    passed: 3,
    failed: 1,
    skipped: 0,
  }],
  ["a good end without a last line is a failure", "", 0, { passed: 0, failed: 1, skipped: 0 }],
  [
    "the last line counts, not one that a test printed",
    "ok | 9 passed | 0 failed (1ms)\nok | 3 passed | 0 failed (1ms)\n",
    0,
    { passed: 3, failed: 0, skipped: 0 },
  ],
];

for (const [rule, output, code, want] of COUNTS) {
  Deno.test(`readCounts(): ${rule}`, () => assert.deepEqual(readCounts(output, code), want));
}

Deno.test("skippedIn() names the skipped tests of a JUnit report", () => {
  const junit = `<testcase name="one" classname="./a" time="0.001" line="1" col="6">
        </testcase>
        <testcase name="two &amp; &lt;three&gt;" classname="./a" time="0.000">
            <skipped/>
        </testcase>`;
  assert.deepEqual(skippedIn(junit), ["two & <three>"]);
});

Deno.test("filesOf() leaves a file that has its own suite out of tests/*", () => {
  const wire: Suite = { name: "wire", what: "", paths: ["tests/*"], timeoutMs: 1 };
  assert.deepEqual(
    filesOf(wire, ["permissions_test.ts", "links_test.ts", "skips.ts", "containerfile_test.ts"]),
    ["tests/permissions_test.ts"],
  );
});

/** Two files of this folder, and one of another. */
const FILES = ["scripts/up_test.ts", "scripts/suites_test.ts", "scripts/layers_test.ts"];
const GROUPINGS: [string, Partial<Suite>, string[][]][] = [
  ["one process has all", {}, [FILES]],
  ["each file has its own", { eachAlone: true }, FILES.map((one) => [one])],
  ["each begins in its turn", { lanes: 2, eachAlone: true }, FILES.map((one) => [one])],
  ["side by side they are shared out", { lanes: 2 }, FILES.map((one) => [one])],
];

for (const [rule, fields, want] of GROUPINGS) {
  Deno.test(`groupsOf(): ${rule}`, () => {
    assert.deepEqual(groupsOf({ name: "some", what: "", timeoutMs: 1, ...fields }, FILES), want);
  });
}

Deno.test("groupsOf() gives each file of unit to one process, with few processes", () => {
  const unit = SUITES.find((suite) => suite.name === "unit");
  assert(unit?.paths);
  const groups = groupsOf(unit, unit.paths);
  assert.deepEqual(groups.flat().toSorted(), testFiles(unit.paths).toSorted());
  assert(groups.length <= 6);
});

Deno.test("chosenSuites() leaves out what runs only when it is named", () => {
  const all = chosenSuites([]).map(({ name }) => name);
  assert(all.includes("kubernetes"));
  assert(!all.some((name) => name.startsWith("e2e")));
  assert.deepEqual(chosenSuites(["e2e", "ok"]).map(({ name }) => name), ["ok", "e2e"]);
});

Deno.test("a test file that a suite names is there", () => {
  const files = SUITES.flatMap(({ paths = [], script = [] }) => [...paths, ...[script].flat()])
    .filter((path) => path.endsWith(".ts"));
  assert.deepEqual(files.filter((path) => !existsSync(`${ROOT}/${path}`)), []);
});

Deno.test("differences() names what came and what went, by kind", () => {
  const before: MachineState = {
    loops: [],
    mounts: ["/a of /dev/vda"],
    processes: [],
    sockets: [],
    temporary: [],
  };
  const after: MachineState = { ...before, mounts: [], loops: ["/dev/loop0 /tmp/x.img"] };
  assert.deepEqual(differences(before, after), [
    "+ loops: /dev/loop0 /tmp/x.img",
    "- mounts: /a of /dev/vda",
  ]);
  assert.deepEqual(differences(before, before), []);
});

Deno.test("parseMounts() undoes the escapes of mountinfo and finds the source behind the optional fields", () => {
  const line =
    "87 62 7:1 / /tmp/a\\040b\\134c rw,relatime shared:2 master:1 - ext4 /dev/loop1 rw\n";
  assert.deepEqual(parseMounts(line), [{
    path: "/tmp/a b\\c",
    type: "ext4",
    source: "/dev/loop1",
  }]);
});
