import assert from "node:assert/strict";
import { filesBelow, fromFileUrl } from "../scripts/paths.ts";
import { DEBIANS, Transcripts } from "./support/test_host.ts";

Deno.test("every recorded answer of a tool is read by a test", async () => {
  const readers: string[] = [];
  for (const folder of ["../src", "./support"]) {
    for (const path of await filesBelow(fromFileUrl(new URL(folder, import.meta.url)))) {
      const isReader = path.endsWith("_test.ts") || path.includes("/tests/support/");
      if (isReader) readers.push(await Deno.readTextFile(path));
    }
  }
  for (const debian of DEBIANS) {
    const unread = (await Transcripts.of(debian)).names().filter((name) =>
      !readers.some((text) => text.includes(JSON.stringify(name)))
    );
    assert.deepEqual(unread, [], debian);
  }
});
