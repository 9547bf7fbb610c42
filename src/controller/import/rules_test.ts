import { doesNotThrow, throws } from "node:assert/strict";
import type { FleetMember } from "../../arrays/fleet.ts";
import { type KnownClaim, type Original, refuseOthers, refuseUsed } from "./rules.ts";

const UID = "0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";
const NOW = Date.parse("2026-01-02T00:00:00Z");

function claimOf(name: string, change: Partial<KnownClaim> = {}): KnownClaim {
  return { namespace: "shop", name, uid: name, created: "2026", annotations: {}, ...change };
}

function original(change: Partial<Original>, volume: Partial<Original["volume"]> = {}): Original {
  return {
    member: {
      array: { label: "fa-1" },
      id: "4f5b3a1c-0000-4000-8000-000000000000",
    } as unknown as FleetMember,
    volume: {
      name: "data",
      sizeBytes: 1,
      createdMs: 0,
      everWritten: true,
      usedBytes: 0,
      hosts: [],
      ...volume,
    },
    tags: new Map(),
    given: new Map(),
    importer: { namespace: "shop", name: "a", csiName: "pvc-a" },
    inventory: { volumes: [], claims: [claimOf("a")], inline: [] },
    options: { clusterId: "k8s", deletePrefixes: [] },
    givenForMs: Infinity,
    nowMs: NOW,
    rivals: [],
    ...change,
  };
}

const TAKEN: { name: string; volume?: Partial<Original["volume"]>; handle: string }[] = [
  { name: "a full handle", handle: "4F5B3A1C/DATA" },
  { name: "a kept handle", handle: "4f5b3a1c/data@keep" },
  { name: "a bare name", handle: "data" },
  {
    name: "the other array of a stretched pod",
    volume: { name: "pod::data" },
    handle: "99999999/pod::data",
  },
  {
    name: "the array that made the volume",
    volume: { serial: "99999999AAAAAAAA00011010" },
    handle: "99999999/data",
  },
];
for (const { name, volume, handle } of TAKEN) {
  Deno.test(`refuseOthers() knows a PersistentVolume by ${name}`, () => {
    const inventory = { volumes: [{ name: "pv-1", handle }], claims: [claimOf("a")], inline: [] };
    throws(() => refuseOthers(original({ inventory }, volume)), {
      code: "in_use",
      message: /has the PersistentVolume pv-1:/,
    });
    const own = { volumes: [{ name: "pvc-a", handle }], claims: [claimOf("a")], inline: [] };
    doesNotThrow(() => refuseOthers(original({ inventory: own }, volume)));
  });
}

Deno.test("refuseOthers() knows a PersistentVolume whose handle says nothing by the name that its volume was given", () => {
  for (const prefix of ["k8s", "px_1a2b3c4d", "pod::px_1a2b3c4d"]) {
    const inventory = {
      volumes: [{ name: `pvc-${UID}`, handle: "db-17" }],
      claims: [],
      inline: [],
    };
    const options = { clusterId: "k8s", deletePrefixes: ["px_1a2b3c4d"] };
    const volume = { name: `${prefix}-pvc-${UID}` };
    throws(() => refuseOthers(original({ inventory, options }, volume)), {
      code: "in_use",
      message: new RegExp(`has the PersistentVolume pvc-${UID}`),
    });
  }
});

Deno.test("refuseOthers() passes PersistentVolumes of other volumes and of other arrays", () => {
  const volumes = ["4f5b3a1c/other", "99999999/data", "v".repeat(129), "other"]
    .map((handle, at) => ({ name: `pv-${at}`, handle }));
  const inventory = { volumes: [...volumes, { name: "data" }], claims: [], inline: [] };
  doesNotThrow(() => refuseOthers(original({ inventory })));
});

Deno.test("refuseOthers() knows the claim that a volume was made for by any length of its UUID", () => {
  const inventory = { volumes: [], claims: [claimOf("b", { uid: UID })], inline: [] };
  for (const made of [UID, UID.replaceAll("-", ""), UID.replaceAll("-", "").slice(0, 12)]) {
    const name = `k8s-pvc-${made}`;
    throws(() => refuseOthers(original({ inventory }, { name })), {
      code: "in_use",
      message: /it was made for the claim shop\/b/,
    });
  }
  doesNotThrow(() => refuseOthers(original({ inventory }, { name: "k8s-pvc-0b5e2e94ffff" })));
});

Deno.test("refuseOthers() lets a claim that has another volume by now keep nothing that it was given before", () => {
  const given = new Map([["pv", "pvc-b"], ["pvc-namespace", "shop"], ["pvc-name", "b"]]);
  const claims = [claimOf("a"), claimOf("b")];
  const waits = original({ given, inventory: { volumes: [], claims, inline: [] } });
  throws(() => refuseOthers(waits), { message: /given to the claim shop\/b, which waits/ });
  const bound = { name: "pvc-c", handle: "other", claim: "shop/b", claimUid: "b" };
  const inventory = { volumes: [bound], claims, inline: [] };
  doesNotThrow(() => refuseOthers(original({ given, inventory })));
  // A claim of before had that name: this one waits still.
  const before = { volumes: [{ ...bound, claimUid: "b-before" }], claims, inline: [] };
  throws(() => refuseOthers(original({ given, inventory: before })), { code: "in_use" });
});

Deno.test("refuseOthers() waits for a PersistentVolume that may still be written, and not for ever", () => {
  const tags = (imported: string) =>
    new Map([["pv", "pvc-b"], ["pvc-namespace", "shop"], ["pvc-name", "b"], [
      "imported",
      imported,
    ]]);
  const recent = original({ given: tags("2026-01-01T23:55:00Z") });
  throws(() => refuseOthers(recent), { code: "unavailable", message: /less than 10 minutes ago/ });
  for (const imported of ["2026-01-01T23:45:00Z", "no time"]) {
    doesNotThrow(() => refuseOthers(original({ given: tags(imported) })));
  }
  const made = original({ given: tags("no time") }, { createdMs: NOW - 1000 });
  throws(() => refuseOthers(made), { code: "unavailable" });
});

Deno.test("refuseUsed() gives a volume to the oldest claim, and to one of two that are as old", () => {
  const rival = claimOf("b", { created: "2025" });
  throws(() => refuseUsed(original({ rivals: [claimOf("a"), rival] })), {
    code: "in_use",
    message: /the claim shop\/b wants it, too, and is older/,
  });
  doesNotThrow(() => refuseUsed(original({ rivals: [claimOf("b", { created: "2027" })] })));
  const volumes = [{ name: "pv-b", handle: "other", claim: "shop/b", claimUid: "b" }];
  const inventory = { volumes, claims: [claimOf("a"), rival], inline: [] };
  doesNotThrow(() => refuseUsed(original({ inventory, rivals: [rival] })), "it has another one");
  doesNotThrow(() => refuseUsed(original({ rivals: [claimOf("b")] })));
  throws(() => refuseUsed(original({ rivals: [claimOf("b", { uid: "0" })] })), { code: "in_use" });
});

Deno.test("refuseUsed() gives nothing to a claim that Kubernetes does not list, or that is another one", () => {
  const inventory = { volumes: [], claims: [], inline: [] };
  throws(() => refuseUsed(original({ inventory })), { code: "unavailable" });
  const importer = { namespace: "shop", name: "a", csiName: `pvc-${UID}` };
  throws(() => refuseUsed(original({ importer })), { code: "not_found" });
});

Deno.test("refuseUsed() names the machines, and passes what the claim's own PersistentVolume has", () => {
  const hosts = ["esx-1"];
  throws(() => refuseUsed(original({}, { hosts })), { message: /is connected to esx-1/ });
  throws(() => refuseUsed(original({}, { adminClients: ["10.9.9.9"] })), {
    message: /10\.9\.9\.9/,
  });
  doesNotThrow(() => refuseUsed(original({}, { adminClients: "any" })));
  const volumes = [{ name: "pvc-a", handle: "4f5b3a1c/data@keep" }];
  const inventory = { volumes, claims: [claimOf("a")], inline: [] };
  doesNotThrow(() => refuseUsed(original({ inventory }, { hosts })));
});

const PODS = { namespace: "shop", pod: "web-0", uid: UID };
const OF_PODS = [
  { name: `k8s-pvc-${UID}`, inline: PODS },
  { name: "data", inline: { ...PODS, uid: "other", handle: "4f5b3a1c/data" } },
];
for (const { name, inline } of OF_PODS) {
  Deno.test(`a volume ${name} that a pod describes itself is copied within its namespace, and never taken in`, () => {
    const of = (namespace: string) =>
      original({
        inventory: { volumes: [], claims: [claimOf("a")], inline: [{ ...inline, namespace }] },
      }, { name });
    const message = /it is the volume of the pod .*web-0/;
    doesNotThrow(() => refuseOthers(of("shop")));
    // The tag of its making is no claim's.
    const given = new Map([["pv", "csi-1"], ["imported", new Date(NOW).toISOString()]]);
    doesNotThrow(() => refuseOthers({ ...of("shop"), given }));
    throws(() => refuseUsed(of("shop")), { code: "in_use", message });
    throws(() => refuseOthers(of("bank")), { code: "in_use", message });
  });
}

Deno.test("refuseUsed() waits after a change of the leader when two claims want what no tag tells of", () => {
  const rivals = [claimOf("a"), claimOf("b", { created: "2027" })];
  const soon = { rivals, givenForMs: 599_000 };
  throws(() => refuseUsed(original(soon)), {
    code: "unavailable",
    message: /given to the claim shop\/b by the leader before/,
  });
  doesNotThrow(() => refuseUsed(original({ ...soon, givenForMs: 600_000 })));
  doesNotThrow(() => refuseUsed(original({ ...soon, rivals: [claimOf("a")] })));
  doesNotThrow(() => refuseUsed(original({ ...soon, given: new Map([["pv", "pvc-a"]]) })));
});
