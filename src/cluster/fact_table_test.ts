import { deepEqual, equal } from "node:assert/strict";
import { FactTable } from "./fact_table.ts";

interface Fact {
  name: string;
  value: number;
}

function tableOf(...facts: Fact[]) {
  const told: string[] = [];
  const table = new FactTable<Fact>((before, after) => {
    if (before || after) told.push(`${before?.name ?? "-"}:${after?.value ?? "gone"}`);
  });
  table.begin();
  for (const fact of facts) table.put(fact);
  table.listed();
  return { table, told };
}

const A = { name: "a", value: 1 }, B = { name: "b", value: 2 };

Deno.test("FactTable keeps what a new list has not shown, until that is whole", () => {
  const { table, told } = tableOf(A, B);
  table.begin();
  table.put({ name: "b", value: 3 });
  deepEqual(table.get("a"), A);
  table.listed();
  equal(table.get("a"), undefined);
  deepEqual([...table.all()], [{ name: "b", value: 3 }]);
  deepEqual(told, ["-:1", "-:2", "b:3", "a:gone"]);
});

Deno.test("FactTable drops nothing by a list that was broken off and begun anew", () => {
  const { table } = tableOf(A, B);
  table.begin();
  table.put(A);
  table.trouble("cut");
  table.begin();
  table.put(B);
  equal(table.isWhole, false);
  deepEqual(table.get("a"), A);
  table.put(A);
  table.listed();
  table.trouble(undefined);
  deepEqual([...table.all()].map(({ name }) => name).sort(), ["a", "b"]);
  equal(table.isWhole, true);
});

Deno.test("FactTable is whole after a list, until there is trouble", () => {
  const table = new FactTable<Fact>(() => {});
  table.begin();
  table.put(A);
  equal(table.isWhole, false);
  table.listed();
  equal(table.isWhole, true);
  table.trouble("403");
  deepEqual([table.isWhole, table.problem], [false, "403"]);
  table.trouble(undefined);
  deepEqual([table.isWhole, table.problem], [true, undefined]);
});

Deno.test("FactTable tells a removal once, and none of what was not there", () => {
  const { table, told } = tableOf(A);
  table.remove("a");
  table.remove("a");
  table.remove("b");
  deepEqual(told, ["-:1", "a:gone"]);
});
