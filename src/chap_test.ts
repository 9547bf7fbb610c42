import { deepEqual, equal, throws } from "node:assert/strict";
import { chapOf } from "./chap.ts";
import { isPsoError } from "./errors.ts";

const [USER, PASSWORD] = ["node.session.auth.username", "node.session.auth.password"];
const ONE_WAY = { [USER]: "node", [PASSWORD]: "node-password" };
const MUTUAL = { ...ONE_WAY, [`${USER}_in`]: "array", [`${PASSWORD}_in`]: "array-password" };

Deno.test("chapOf() reads one-way and mutual credentials by Kubernetes' keys, and nothing from other secrets", () => {
  equal(chapOf({}), undefined);
  equal(chapOf({ token: "x", "discovery.sendtargets.auth.username": "x" }), undefined);
  const mutual = chapOf(MUTUAL);
  deepEqual([mutual?.host.user, mutual?.host.password.reveal()], ["node", "node-password"]);
  deepEqual([mutual?.target?.user, mutual?.target?.password.reveal()], ["array", "array-password"]);
  equal(chapOf(ONE_WAY)?.target, undefined);
  equal(
    chapOf({ ...ONE_WAY, [`${USER}_in`]: "", [`${PASSWORD}_in`]: "" })?.target,
    undefined,
    "empty keys are none",
  );
});

Deno.test("credentials never print their passwords", () => {
  for (const text of [JSON.stringify(chapOf(MUTUAL)), Deno.inspect(chapOf(MUTUAL), { depth: 9 })]) {
    equal(/password"?: ?"[an]/.test(text), false, text);
  }
});

Deno.test.each([
  {
    name: "no password",
    secrets: { [USER]: "node" },
    why: /node\.session\.auth\.password is missing beside/,
  },
  {
    name: "no user",
    secrets: { [PASSWORD]: "node-password" },
    why: /node\.session\.auth\.username is missing beside/,
  },
  {
    name: "only the target's",
    secrets: { [`${USER}_in`]: "a", [`${PASSWORD}_in`]: "array-password" },
    why: /username is missing: the array/,
  },
  {
    name: "half of the target's",
    secrets: { ...ONE_WAY, [`${USER}_in`]: "a" },
    why: /password_in is missing beside/,
  },
  {
    name: "11 characters",
    secrets: { ...ONE_WAY, [PASSWORD]: "hidden-word" },
    why: /has 11 characters, and 12 to 255/,
  },
  {
    name: "256 characters",
    secrets: { ...ONE_WAY, [PASSWORD]: "x".repeat(256) },
    why: /has 256 characters/,
  },
  {
    name: "a space",
    secrets: { ...ONE_WAY, [PASSWORD]: "hidden word 12" },
    why: /without a space/,
  },
  {
    name: "the end of a line",
    secrets: { ...ONE_WAY, [PASSWORD]: "hidden-word-12\n" },
    why: /the end of a line/,
  },
  {
    name: "a user with the end of a line",
    secrets: { ...ONE_WAY, [USER]: "node\n" },
    why: /username holds a space or the end of a line/,
  },
  {
    name: "one password for both",
    secrets: { ...MUTUAL, [`${PASSWORD}_in`]: "node-password" },
    why: /are the same/,
  },
])("chapOf() refuses credentials with $name, and shows none of them", ({ secrets, why }) => {
  throws(() => chapOf(secrets), (error) => {
    equal(isPsoError(error, "invalid"), true);
    equal(why.test(String(error)), true, String(error));
    equal(/hidden|node-password|array-password/.test(String(error)), false, String(error));
    return true;
  });
});
