// docs/placement.md says how arrays are chosen: its weights, its reasons and its example are the program's.
import { deepEqual, equal, ok } from "node:assert/strict";
import { place, type PlacementArray } from "../src/controller/placement/placement.ts";
import { SCORE_PARTS, WEIGHTS } from "../src/controller/placement/score.ts";
import { formatSize, TiB } from "../src/size.ts";
import { ROOT } from "../scripts/program.ts";
import { PLACEMENT } from "./support/test_settings.ts";

const PAGE = await Deno.readTextFile(`${ROOT}/docs/placement.md`);

/** The rows of the table whose first heading is this, cell by cell. */
function tableOf(heading: string): string[][] {
  const lines = PAGE.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  ok(start >= 0, `the page has a table of ${heading}`);
  const rows = lines.slice(start + 2);
  return rows.slice(0, rows.findIndex((line) => !line.startsWith("|")))
    .map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
}

Deno.test("docs/placement.md has every part of the score with its weight", () => {
  deepEqual(
    tableOf("part").map(([part, weight]) => [part, Number(weight)]),
    SCORE_PARTS.map((part) => [`\`${part}\``, WEIGHTS[part]]),
  );
});

function tib(cell = ""): number {
  const [, number] = /^([\d.]+) TiB$/.exec(cell) ?? [];
  ok(number, `${cell} is a number of TiB`);
  return Number(number) * TiB;
}

function arrayOf([label = "", ...cells]: string[]): PlacementArray {
  const [capacityBytes = 0, usedBytes = 0, provisionedBytes = 0, recent = 0] = cells.slice(0, 4)
    .map(tib);
  return {
    key: label,
    label,
    kind: "block",
    labels: {},
    status: {
      id: label,
      restVersion: "2.26",
      capacityBytes,
      usedBytes,
      provisionedBytes,
      features: new Set(),
      protocols: new Set(["iscsi"] as const),
    },
    slowdown: Number(cells[4]),
    crowding: Number(cells[5]),
    recent: { unwrittenBytes: recent, unseenBytes: recent },
  };
}

Deno.test("15.1: docs/placement.md: the worked example is what the formula gives", () => {
  const rows = tableOf("array");
  const { candidates, rejected } = place({
    volumeName: "k8s-pvc-1",
    requestName: "pvc-1",
    sizeBytes: TiB,
    kind: "block",
    protocol: "iscsi",
    features: [],
    arraySelector: [],
    rules: PLACEMENT,
  }, rows.map(arrayOf));
  for (const [label = "", ...cells] of rows) {
    const candidate = candidates.find(({ array }) => array.label === label);
    const reason = rejected.find(({ array }) => array === label)?.reason;
    const shown = candidate
      ? [...SCORE_PARTS.map((part) => candidate.parts[part]), candidate.score].map((value) =>
        value.toFixed(4)
      )
      : [...SCORE_PARTS.map(() => ""), reason ?? ""];
    deepEqual(cells.slice(6), shown, label);
  }
  equal(formatSize(TiB), "1 TiB");
  ok(PAGE.includes(`\`${candidates[0]?.array.label}\` gets the volume`));
});
