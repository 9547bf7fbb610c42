// What each key of an array's entry does, seen from outside.
import assert from "node:assert/strict";
import { ARRAY_KEYS } from "../../src/config/arrays/keys.ts";
import type { ServedFleet } from "../../src/simulator/simulate.ts";
import { N1, RWX } from "./provisioner_bed.ts";
import {
  codeOf,
  createVolume,
  Effect,
  entriesOf,
  fingerprintOf,
  health,
  OTHER_TOKEN,
  publishedTo,
  testEffect,
  TOKEN_FILE,
} from "./settings_bed.ts";

/** Keys of an array's entry, here of the first FlashArray or, for NFSEndPoint, FlashBlade. */
const ARRAY_EFFECTS: Readonly<Record<string, readonly Effect[]>> = {
  MgmtEndPoint: [{
    on: "which array is asked",
    value: "http://127.0.0.1:9",
    outcome: health,
    before: "ok",
    after: "unavailable",
  }],
  APIToken: [{ on: "login", value: OTHER_TOKEN, outcome: health, before: "ok", after: "denied" }],
  APITokenFile: [{
    on: "login",
    value: "/tokens/other",
    beside: { APIToken: null, APITokenFile: TOKEN_FILE },
    outcome: health,
    before: "ok",
    after: "denied",
  }],
  APITokenSecret: [{
    on: "login",
    value: { name: "other", key: "token" },
    beside: { APIToken: null, APITokenSecret: { name: "fa-1" } },
    outcome: health,
    before: "ok",
    after: "denied",
  }],
  NFSEndPoint: [{
    on: "the address to mount from",
    value: "192.0.2.77",
    outcome: async (world) => {
      const found = await publishedTo(world, { ...N1, protocols: ["nfs"] }, {
        capabilities: [RWX],
      });
      return "address" in found ? found.address : "none";
    },
    before: "192.0.2.1",
    after: "192.0.2.77",
  }],
  Labels: [{
    on: "array_selector",
    value: { tier: "gold" },
    outcome: (world) =>
      codeOf(createVolume(world, { parameters: { array_selector: "tier=gold" } })),
    before: "exhausted",
    after: "done",
  }],
  Name: [{
    on: "what the array is called",
    value: "berlin",
    outcome: ({ fleet }) => fleet.members[0]?.array.label ?? "none",
    before: "fa-1",
    after: "berlin",
  }],
  Suspended: [{
    on: "where a volume is made",
    value: true,
    fleet: { flasharrays: 1 },
    outcome: (world) => codeOf(createVolume(world)),
    before: "done",
    after: "exhausted",
  }],
  TLSVerify: [{
    on: "the certificate",
    value: false,
    fleet: { http: false },
    outcome: health,
    before: "denied",
    after: "ok",
  }],
  CACert: [{
    on: "the certificate",
    value: ({ arrays }: ServedFleet) => Deno.readTextFileSync(arrays[0]?.ca ?? ""),
    fleet: { http: false },
    outcome: health,
    before: "denied",
    after: "ok",
  }],
  CertFingerprint: [{
    on: "the certificate",
    value: ({ arrays }: ServedFleet) => fingerprintOf(arrays[0]?.ca ?? ""),
    fleet: { http: false },
    outcome: health,
    before: "denied",
    after: "ok",
  }],
};

for (const [name, effects] of Object.entries(ARRAY_EFFECTS)) {
  for (const effect of effects) {
    testEffect(`arrays.*.${name}`, effect, (served, value) => ({
      before: { arrays: entriesOf(served, effect.beside) },
      after: { arrays: entriesOf(served, { ...effect.beside, [name]: value }) },
    }));
  }
}

Deno.test("every key of an array's entry has an effect above", () => {
  assert.deepEqual(
    Object.keys(ARRAY_EFFECTS).toSorted(),
    ARRAY_KEYS.map(({ name }) => name).toSorted(),
  );
});
