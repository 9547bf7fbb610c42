import assert from "node:assert/strict";
import type { ArrayConfig, FlashArrayConfig, FlashBladeConfig } from "../../config/model.ts";
import { silentLogger } from "../../log.ts";
import { Secret } from "../../secret.ts";
import { ArrayClients } from "./clients.ts";
import { openArray } from "../open.ts";

const TOKEN = "11111111-2222-3333-4444-555555555555";

const FLASHARRAY: Required<FlashArrayConfig> = {
  kind: "flasharray",
  path: "arrays.FlashArrays[0]",
  scheme: "https",
  managementAddress: "fa-1.example.org",
  token: new Secret(TOKEN),
  tls: { verify: true, caPem: "PEM", fingerprint: "AB:CD" },
  labels: { tier: "gold" },
  suspended: false,
  name: "fa-1",
};

const FLASHBLADE: Required<FlashBladeConfig> = {
  ...FLASHARRAY,
  kind: "flashblade",
  path: "arrays.FlashBlades[0]",
  managementAddress: "fb-1.example.org",
  nfsEndpoint: "192.0.2.1",
};

/**
 * Clients that connect to nothing; `opened`, `closed` and `joined` name what was opened, closed and
 * put in place of another so far.
 */
function watchedClients() {
  const opened: string[] = [];
  const closed: string[] = [];
  const joined: string[] = [];
  const clients = new ArrayClients({
    log: silentLogger,
    open: (entry, options) => {
      const number = `${opened.push(entry.managementAddress)}`;
      const client = openArray(entry, options);
      const close = () => Promise.resolve(void closed.push(number)).then(() => client.close());
      const retire = () => {
        closed.push(number);
        client.retire();
      };
      const take: typeof client.take = (other) => {
        joined.push(number);
        client.take(other);
      };
      return { ...client, close, retire, take };
    },
  });
  return { clients, opened, closed, joined };
}

/** Each field of an entry, changed. The types hold that none is left out. */
const CHANGES: {
  [Field in keyof Required<FlashBladeConfig>]:
    | Required<FlashBladeConfig>[Field][]
    | "tested below";
} = {
  kind: "tested below",
  path: "tested below",
  labels: "tested below",
  suspended: "tested below",
  scheme: ["http"],
  managementAddress: ["fb-2.example.org"],
  token: [new Secret(TOKEN.replace("1", "2"))],
  tls: [
    { ...FLASHBLADE.tls, verify: false },
    { ...FLASHBLADE.tls, caPem: "OTHER" },
    { ...FLASHBLADE.tls, fingerprint: "AB:CE" },
    { verify: true },
  ],
  name: ["other"],
  nfsEndpoint: ["192.0.2.2"],
};

for (const [field, values] of Object.entries(CHANGES)) {
  for (const [index, value] of values === "tested below" ? [] : [...values].entries()) {
    Deno.test(`an entry with another ${field} (${index + 1}) gets a new client, the old stays`, async () => {
      const { clients, opened, closed } = watchedClients();
      const [blade, array] = clients.take([FLASHBLADE, FLASHARRAY]);
      const changed: ArrayConfig = { ...FLASHBLADE, [field]: value };
      const [bladeAfter, arrayAfter] = clients.take([changed, FLASHARRAY]);
      assert.equal(opened.length, 3);
      assert.deepEqual(closed, []);
      assert.ok(blade && bladeAfter);
      assert.notEqual(bladeAfter.array, blade.array);
      assert.equal(arrayAfter?.array, array?.array);
      clients.leave(blade.array);
      assert.deepEqual(closed, ["1"]);
      await clients.close();
      assert.deepEqual(closed, ["1", "2", "3"]);
    });
  }
}

Deno.test("after join() a client has the other's entry, address and name", async () => {
  const { clients, opened, closed, joined } = watchedClients();
  const [before] = clients.take([FLASHBLADE]);
  const changed = {
    ...FLASHBLADE,
    managementAddress: "fb-1.example.com",
    name: "berlin",
    token: new Secret(TOKEN.replace("1", "2")),
  };
  const [other] = clients.take([changed]);
  assert.ok(before && other);
  clients.join(before.array, other.array);
  assert.deepEqual([joined, closed], [["1"], []]);
  assert.deepEqual([before.array.label, before.array.address], ["berlin", "fb-1.example.com"]);
  assert.equal(clients.take([changed])[0]?.array, before.array);
  assert.equal(opened.length, 2);
  assert.notEqual(clients.take([FLASHBLADE])[0]?.array, before.array);
  await clients.close();
});

Deno.test("an entry that says the same keeps its client, wherever it stands, whatever its labels, suspended or not", async () => {
  const { clients, opened, closed } = watchedClients();
  const [before] = clients.take([FLASHARRAY]);
  const same: ArrayConfig = {
    name: "fa-1",
    labels: { tier: "silver" },
    suspended: true,
    tls: { fingerprint: "AB:CD", caPem: "PEM", verify: true },
    token: new Secret(TOKEN),
    managementAddress: "fa-1.example.org",
    scheme: "https",
    path: "arrays.FlashArrays[1]",
    kind: "flasharray",
  };
  const members = clients.take([FLASHBLADE, same]);
  assert.equal(members[1]?.array, before?.array);
  assert.deepEqual(members.map(({ labels }) => labels), [{ tier: "gold" }, { tier: "silver" }]);
  assert.deepEqual(members.map(({ suspended }) => suspended), [false, true]);
  assert.deepEqual([opened.length, closed], [2, []]);
  await clients.close();
});

Deno.test("a FlashBlade with the entry of a FlashArray gets a client of its own", async () => {
  const { clients, opened } = watchedClients();
  clients.take([FLASHARRAY]);
  clients.take([{ ...FLASHARRAY, kind: "flashblade", nfsEndpoint: "192.0.2.1" }]);
  assert.equal(opened.length, 2);
  await clients.close();
});

Deno.test("an entry that is gone keeps its client until that is told to leave", async () => {
  const { clients, opened, closed } = watchedClients();
  const [before] = clients.take([FLASHARRAY, FLASHBLADE]);
  assert.ok(before);
  assert.deepEqual(clients.take([FLASHBLADE]).length, 1);
  assert.equal(clients.take([FLASHARRAY, FLASHBLADE])[0]?.array, before.array);
  assert.deepEqual([opened.length, closed], [2, []]);
  clients.leave(before.array);
  assert.deepEqual(closed, ["1"]);
  assert.notEqual(clients.take([FLASHARRAY, FLASHBLADE])[0]?.array, before.array);
  assert.equal(opened.length, 3);
  await clients.close();
});

Deno.test("calls of clients that were opened before onCall was set reach it", () => {
  const told: string[] = [];
  let tell: Parameters<typeof openArray>[1]["onCall"];
  const clients = new ArrayClients({
    log: silentLogger,
    open: (entry, options) => {
      tell = options.onCall;
      return openArray(entry, options);
    },
  });
  clients.take([FLASHARRAY]);
  clients.onCall = ({ array }) => void told.push(array);
  tell?.({
    array: "fa-1",
    address: "192.0.2.1",
    method: "GET",
    path: "/arrays",
    status: 200,
    ms: 1,
  });
  assert.deepEqual(told, ["fa-1"]);
});
