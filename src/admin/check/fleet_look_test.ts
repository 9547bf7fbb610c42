import { deepEqual } from "node:assert/strict";
import type { AdminArray } from "../../arrays/rest/admin_array.ts";
import type { ArrayStatus } from "../../arrays/array.ts";
import type { ArrayConfig } from "../../config/model.ts";
import type { ArrayLook } from "./array_look.ts";
import { tellIdentities } from "./fleet_look.ts";
import { FoundList } from "./found.ts";

/** An array that answers at an address. */
interface Answering {
  id: string;
  key?: string;
  label?: string;
}

function lookOf(address: string, { id, key, label = address }: Answering): ArrayLook {
  const array = { address, label, serverKey: () => Promise.resolve(key) } as AdminArray;
  return {
    config: { managementAddress: address } as ArrayConfig,
    found: new FoundList(address),
    status: { id } as ArrayStatus,
    array,
    close: () => Promise.resolve(),
  };
}

const id = (digit: string) => `${digit.repeat(8)}-6465-4b8c-9b6b-1f0b0d5c7a11`;

Deno.test("tellIdentities() tells one array with two entries from two arrays that claim one id", async () => {
  const looks = [
    lookOf("10.0.0.1", { id: id("a"), key: "k1" }),
    lookOf("fa-1", { id: id("a"), key: "k1" }),
    lookOf("10.0.0.3", { id: id("c"), key: "k3" }),
    lookOf("10.0.0.4", { id: id("c"), key: "k4" }),
    lookOf("10.0.0.5", { id: id("e"), label: "fa" }),
    lookOf("10.0.0.6", { id: id("f"), label: "fa" }),
  ];
  await tellIdentities(looks);
  deepEqual(looks.flatMap(({ found }) => found.all.map(({ level, what }) => `${level} ${what}`)), [
    `ok id ${id("a")}, no other entry leads to it`,
    "fail fa-1 is the same array as 10.0.0.1 (10.0.0.1): remove one of the two entries",
    ...["10.0.0.4 and 10.0.0.3", "10.0.0.4 and 10.0.0.3"].map((both) =>
      `fail ${both} both say that they are the array ${id("c")}, and their TLS keys differ: ` +
      "nothing is done on either; find out which address leads to that array and remove the other " +
      "entry"
    ),
    "warn 10.0.0.6 is called fa too",
    "warn 10.0.0.5 is called fa too",
  ]);
});
