import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { type ClaimFacts, SPREAD_ANNOTATION, spreadGroupOf } from "./spread_group.ts";

const CLAIM: ClaimFacts = { namespace: "shop", annotations: {}, labels: {} };
const annotated = (value: string): ClaimFacts => ({
  ...CLAIM,
  annotations: { [SPREAD_ANNOTATION]: value },
  labels: { app: "db" },
  statefulSet: "db",
});

Deno.test("spreadGroupOf() takes the annotation before the StatefulSet, and that before labels", () => {
  deepEqual(spreadGroupOf(annotated("orders")), { key: "shop/group/orders", together: false });
  deepEqual(spreadGroupOf(annotated("together:orders")), {
    key: "shop/group/orders",
    together: true,
  });
  equal(spreadGroupOf(annotated("none")), undefined);
  const owned = { ...CLAIM, labels: { app: "db" }, statefulSet: "db" };
  deepEqual(spreadGroupOf(owned), { key: "shop/statefulset/db", together: false });
  match(
    spreadGroupOf({ ...CLAIM, labels: { app: "db" } })?.key ?? "",
    /^shop\/labels\/[0-9a-f]{16}$/,
  );
  equal(spreadGroupOf(CLAIM), undefined);
});

Deno.test("spreadGroupOf() knows equal labels in any order, within one namespace", () => {
  const key = (labels: Record<string, string>, namespace = "shop") =>
    spreadGroupOf({ ...CLAIM, namespace, labels })?.key;
  equal(key({ a: "1", b: "2" }), key({ b: "2", a: "1" }));
  ok(key({ a: "1", b: "2" }) !== key({ a: "1" }));
  ok(key({ a: "1" }) !== key({ a: "1" }, "bank"));
});

Deno.test("spreadGroupOf() gives a key that a tag can hold, and no two groups one", () => {
  const long = (end: string) =>
    spreadGroupOf({ ...CLAIM, statefulSet: `${"x".repeat(240)}${end}` })?.key ?? "";
  ok(long("a").length <= 200);
  ok(long("a") !== long("b"));
});

for (const value of ["", " orders", "a b", "together:", "apart:orders", "x".repeat(64), "-a"]) {
  Deno.test(`spreadGroupOf() refuses the annotation ${JSON.stringify(value.slice(0, 12))}`, () => {
    throws(() => spreadGroupOf(annotated(value)), { code: "invalid", message: /spread/ });
  });
}
