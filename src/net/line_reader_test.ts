import { deepEqual, equal } from "node:assert/strict";
import { LineReader } from "./line_reader.ts";

const encoder = new TextEncoder();

/** The lines of texts that come one after another, and whether all were taken. */
function linesOf(texts: readonly string[], lineBytes = 100) {
  const lines: string[] = [];
  const reader = new LineReader({ lineBytes, onLine: (line) => lines.push(line) });
  const isTaken = texts.every((text) => reader.push(encoder.encode(text)));
  return { lines, isTaken };
}

Deno.test("LineReader gives whole lines, however they come, and no beginning of one", () => {
  deepEqual(linesOf(["a", "b\nc", "\n", "\nd"]).lines, ["ab", "c", ""]);
  const text = "ä€𝄞\n";
  const bytes = [...encoder.encode(text)];
  const lines: string[] = [];
  const reader = new LineReader({ lineBytes: 100, onLine: (line) => lines.push(line) });
  for (const byte of bytes) reader.push(Uint8Array.of(byte));
  deepEqual(lines, ["ä€𝄞"], "a character may be cut by what carries it");
});

Deno.test("LineReader refuses a line that is too long, and takes any number of short ones", () => {
  equal(linesOf(["x".repeat(60), "x".repeat(60)]).isTaken, false);
  equal(linesOf([`${"x".repeat(101)}\n`]).isTaken, false);
  const many = linesOf(Array.from({ length: 50 }, () => `${"x".repeat(100)}\n`));
  deepEqual([many.isTaken, many.lines.length], [true, 50]);
});
