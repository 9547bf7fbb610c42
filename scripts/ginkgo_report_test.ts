import assert from "node:assert/strict";
import { readGinkgoReport, reportLines } from "./ginkgo_report.ts";

const FIRST = "External Storage [Driver: pure-csi]";

function spec(set: string, text: string, fields: Record<string, unknown>): unknown {
  return {
    ContainerHierarchyTexts: [`${FIRST} ${set}`, "[Testpattern: Dynamic PV (default fs)] volumes"],
    ContainerHierarchyLabels: [null, []],
    LeafNodeType: "It",
    LeafNodeText: text,
    LeafNodeLabels: null,
    RunTime: 2_000_000_000,
    ...fields,
  };
}

const skip = (Message: string) => ({ State: "skipped", Failure: { Message } });

const REPORT = JSON.stringify([{
  SpecialSuiteFailureReasons: null,
  SpecReports: [
    spec("block", "should store data", { State: "passed" }),
    spec("block", "should exec", {
      State: "failed",
      Failure: { Message: "timed out\nof waiting" },
    }),
    spec("block", "should break", {
      State: "panicked",
      Failure: { Message: "Test Panicked", ForwardedPanic: "nil pointer" },
    }),
    spec("block", "ext3", skip("Driver pure-csi doesn't support ext3 -- skipping")),
    spec("block", "ext3 again", skip("Driver pure-csi doesn't support ext3 -- skipping\nat x.go")),
    spec("block", "limits", { State: "skipped", LeafNodeLabels: ["Slow", "Disruptive"] }),
    spec("block", "ntfs", {
      State: "skipped",
      ContainerHierarchyLabels: [[], ["Feature:Windows"]],
    }),
    spec("block", "unfocused", { State: "skipped" }),
    spec("block", "later", { State: "pending" }),
    spec("file", "should store data", { State: "passed" }),
    spec("elsewhere", "is not looked at", { State: "failed", Failure: { Message: "no" } }),
    {
      ContainerHierarchyTexts: null,
      LeafNodeType: "SynchronizedBeforeSuite",
      LeafNodeText: "",
      State: "failed",
      RunTime: 1,
      Failure: { Message: "no nodes" },
    },
  ],
}]);

Deno.test("readGinkgoReport() counts each set by itself: what ran, skipped itself, was left out", () => {
  const { sets, around } = readGinkgoReport(REPORT, ["block", "file"]);
  const [block, file] = sets;
  assert(block && file);
  assert.equal(block.selected, 5);
  assert.equal(block.passed, 1);
  assert.deepEqual(block.failed.map(({ error }) => error), [
    "timed out\nof waiting",
    "nil pointer",
  ]);
  assert.equal(
    block.failed[0]?.name,
    `${FIRST} block [Testpattern: Dynamic PV (default fs)] volumes should exec`,
  );
  assert.deepEqual([...block.skipped], [["Driver pure-csi doesn't support ext3", 2]]);
  assert.deepEqual([...block.leftOut], [
    ["Disruptive", 1],
    ["Feature:Windows", 1],
    ["unfocused", 1],
    ["pending", 1],
  ]);
  assert.equal(file.selected, 1);
  assert.deepEqual(around, [{ name: "SynchronizedBeforeSuite", error: "no nodes" }]);
});

Deno.test("readGinkgoReport() takes an end before the last spec for a failure", () => {
  const ended = JSON.stringify([{
    SpecReports: [],
    SpecialSuiteFailureReasons: ["Suite Timeout Elapsed"],
  }]);
  assert.deepEqual(readGinkgoReport(ended, ["block"]).around, [
    { name: "the whole run", error: "Suite Timeout Elapsed" },
  ]);
});

Deno.test("reportLines() has a row for each set, each reason with its count, each failure by name", () => {
  const lines = reportLines(readGinkgoReport(REPORT, ["block", "file"]));
  assert.match(lines[1] ?? "", /^block +5 +3 +1 +2 +2 +18 s$/);
  assert.match(lines[2] ?? "", /^file +1 +1 +1 +0 +0 +2 s$/);
  const text = lines.join("\n");
  assert.match(text, / 2 {2}Driver pure-csi doesn't support ext3$/m);
  assert.match(text, /left out of block, by label or name\n +1 {2}Disruptive\n/);
  assert.match(text, /FAILED .* block .* should exec\n {4}timed out\n {4}of waiting$/m);
});
