import { equal, match } from "node:assert/strict";
import { silentLogger } from "../../log.ts";
import type { SentCall } from "./access/session.ts";
import { Silence } from "./silence.ts";

const CASES: [string, Partial<SentCall>, boolean][] = [
  ["a call whose time was over", { ms: 20, end: "timeout" }, true],
  ["a call whose caller waited in vain", { ms: 1_000, end: "caller" }, true],
  ["a caller that gave up at once", { ms: 900, end: "caller" }, false],
  ["a reset", { ms: 20 }, false],
  ["an answer, though it is a refusal", { ms: 20, status: 500 }, false],
];

for (const [name, end, isSilent] of CASES) {
  Deno.test(`an array is ${isSilent ? "silent" : "not silent"} after ${name}`, () => {
    const silence = new Silence({ label: () => "fa-1", log: silentLogger });
    const call = { method: "POST", path: "volumes", status: 0, ms: 0 };
    silence.note({ ...call, ...end });
    equal(silence.error !== undefined, isSilent);
    if (isSilent) match(silence.error?.message ?? "", /^array fa-1 gave no answer to POST volumes/);
    silence.note({ ...call, end: "caller" });
    equal(silence.error !== undefined, isSilent, "a caller without patience changes nothing");
    silence.note({ ...call, status: 503 });
    equal(silence.error, undefined, "any answer ends it");
  });
}
