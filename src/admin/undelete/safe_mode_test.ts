import { deepEqual } from "node:assert/strict";
import { eradicationNotes } from "./safe_mode.ts";

Deno.test("15.6: eradicationNotes() tells SafeMode by the array's own word, and nothing of an array without it", () => {
  const look = (label: string, manualEradication?: string) => ({
    array: { label },
    status: { manualEradication },
  });
  const words = ["all-disabled", "all-enabled", "enabled", undefined, "partially-disabled"];
  deepEqual(eradicationNotes(words.map((word, at) => look(`fa-${at}`, word))), [
    "array fa-0: eradication by hand is all-disabled (SafeMode): what is destroyed stays until its " +
    "time is over, and keeps its room and its name; to whoever tries the array answers " +
    '"Eradication is disabled."',
    "array fa-4: eradication by hand is partially-disabled (SafeMode): what is destroyed stays until " +
    "its time is over, and keeps its room and its name; to whoever tries the array answers " +
    '"Eradication is disabled."',
  ]);
});
