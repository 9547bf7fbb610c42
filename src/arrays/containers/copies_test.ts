import { deepEqual } from "node:assert/strict";
import type { ArrayStatus } from "../array.ts";
import { onceEach } from "./copies.ts";

const ARRAYS = [{ id: "a", name: "fa-1", status: "online" }, {
  id: "b",
  name: "fa-2",
  status: "online",
}];

/** A volume as the array of that id shows it, which has the pods `p1`, stretched, and `p2`. */
function seen(id: string, name: string, serial = "BBBBBBBB00000001") {
  const pod = new Map([["p1", { name: "p1", arrays: ARRAYS }], ["p2", { name: "p2" }]]);
  return { name, serial, status: { id, containers: { pod } } as unknown as ArrayStatus };
}

const [ONE, OTHER] = ["aaaaaaaa-1", "bbbbbbbb-1"];
const shown = (items: ReturnType<typeof seen>[]) =>
  items.map(({ status: { id }, name }) => `${id} ${name}`);
const shownOf = (item: ReturnType<typeof seen>) => item;

Deno.test("15.11: onceEach() shows a volume of a stretched pod on the array that made it", () => {
  const all = [seen(ONE, "p1::v"), seen(OTHER, "P1::V"), seen(ONE, "v"), seen(OTHER, "v")];
  deepEqual(shown(onceEach(all, { shownOf })), [`${OTHER} P1::V`, `${ONE} v`, `${OTHER} v`]);
  const strange = [seen(ONE, "p1::v", "CC"), seen(OTHER, "p1::v", "CC")];
  deepEqual(shown(onceEach(strange, { shownOf })), [`${ONE} p1::v`]);
});

Deno.test("15.11: onceEach() shows the copy that somebody means, and two volumes of one name", () => {
  const all = [seen(ONE, "p1::v"), seen(OTHER, "p1::v")];
  const isMeant = ({ status }: ReturnType<typeof seen>) => status.id === ONE;
  deepEqual(shown(onceEach(all, { shownOf, isMeant })), [`${ONE} p1::v`]);
  const two = [seen(ONE, "p1::v", "AAAAAAAA1"), seen(OTHER, "p1::v", "BBBBBBBB1")];
  deepEqual(onceEach(two, { shownOf }).length, 2);
  deepEqual(onceEach([seen(ONE, "p2::v"), seen(OTHER, "p2::v")], { shownOf }).length, 2);
  deepEqual(onceEach([seen(ONE, "p1::v")], { shownOf }).length, 1);
});
