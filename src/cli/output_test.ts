import { equal, throws } from "node:assert/strict";
import { writeAll } from "./output.ts";

/** Takes three bytes at once, and fails in this way at the end. */
function pipe(failure?: Error) {
  const taken: number[] = [];
  const writeSync = (bytes: Uint8Array) => {
    if (failure && taken.length >= 3) throw failure;
    taken.push(...bytes.subarray(0, 3));
    return Math.min(3, bytes.length);
  };
  return { writeSync, text: () => new TextDecoder().decode(new Uint8Array(taken)) };
}

Deno.test("writeAll() writes on where a pipe takes only a part", () => {
  const output = pipe();
  writeAll(output, "four lines – or five");
  equal(output.text(), "four lines – or five");
});

Deno.test("writeAll() is content when nobody reads any more", () => {
  const output = pipe(new Deno.errors.BrokenPipe("Broken pipe (os error 32)"));
  writeAll(output, "123456");
  equal(output.text(), "123");
});

Deno.test("writeAll() says why nothing can be written", () => {
  throws(() => writeAll(pipe(new Error("No space left on device (os error 28)")), "123456"), {
    code: "unavailable",
    message: "the output cannot be written (No space left on device (os error 28)): make room " +
      "there, or send it elsewhere",
  });
});
