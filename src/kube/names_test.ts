import { equal, throws } from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import { isDnsLabel, isDnsName, kubePath } from "./names.ts";

const NO_NAMES = [
  "",
  ".",
  "..",
  "../x",
  "a/b",
  "A",
  "a..b",
  "-a",
  "a-",
  "a b",
  "a\n",
  "a%2fb",
  "ä",
];

Deno.test("isDnsName() and isDnsLabel() take what Kubernetes takes, and nothing that leads elsewhere", () => {
  for (const name of ["a", "node-1", "0", "a".repeat(63)]) {
    equal(isDnsName(name), true, name);
    equal(isDnsLabel(name), true, name);
  }
  equal(isDnsName("node-1.example.com"), true);
  equal(isDnsLabel("node-1.example.com"), false);
  for (const name of [...NO_NAMES, "a".repeat(64), `${"a.".repeat(127)}aa`]) {
    equal(isDnsName(name), false, name);
    equal(isDnsLabel(name), false, name);
  }
});

Deno.test("kubePath() escapes each value, and refuses one that would lead elsewhere", () => {
  equal(kubePath`/api/v1/nodes/${"a?b#c"}:${9808}/x`, "/api/v1/nodes/a%3Fb%23c:9808/x");
  equal(kubePath`/roles/${"system:node"}`, "/roles/system:node");
  for (const value of ["", ".", "..", "../x", "a/b", "a%2fb"]) {
    throws(() => kubePath`/api/v1/nodes/${value}`, (error) => isPsoError(error, "invalid"), value);
  }
});
