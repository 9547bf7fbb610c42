import { deepEqual, equal } from "node:assert/strict";
import type { AdminArray } from "../../arrays/rest/admin_array.ts";
import type { ArrayStatus, Volume } from "../../arrays/array.ts";
import type { ArrayConfig } from "../../config/model.ts";
import { PsoError } from "../../errors.ts";
import type { ArrayLook } from "./array_look.ts";
import { FoundList } from "./found.ts";
import type { ClaimedVolume } from "./volume_look.ts";
import { volumeTable } from "./volume_table.ts";

const name = (digit: string) => `k8s-pvc-${digit.repeat(8)}-0000-4000-8000-000000000000`;

/** An array with these volumes; without `volumes` its list fails, without `id` it did not answer. */
function lookOf({ id, volumes }: { id?: string; volumes?: string[] }): ArrayLook {
  const found = new FoundList("array");
  const config = {} as ArrayConfig;
  const close = () => Promise.resolve();
  if (id === undefined) return { config, found, close };
  const list = (wanted: (name: string) => boolean) => ({
    items: (volumes ?? []).filter(wanted).map((one): Volume => ({
      name: one,
      sizeBytes: 1,
      createdMs: 0,
      everWritten: false,
      usedBytes: 0,
    })),
  });
  const array = {
    label: id.slice(0, 2),
    listVolumes: ({ prefix, names }: { prefix?: string; names?: string[] }) =>
      volumes === undefined
        ? Promise.reject(new PsoError("unavailable", "the list cannot be read"))
        : Promise.resolve(
          list((one) => names ? names.includes(one) : one.startsWith(prefix ?? "")),
        ),
  } as unknown as AdminArray;
  return { config, found, close, array, status: { id } as ArrayStatus };
}

const A = "aaaaaaaa-6465-4b8c-9b6b-1f0b0d5c7a11";
const B = "bbbbbbbb-6465-4b8c-9b6b-1f0b0d5c7a11";

function claim(pv: string, { hint, names }: { hint?: string; names: string[] }): ClaimedVolume {
  return {
    pv,
    phase: "Bound",
    storageClass: "c",
    reclaimPolicy: "Delete",
    handle: names[0] ?? "",
    names,
    ...(hint === undefined ? {} : { arrayHint: hint }),
  };
}

async function states(looks: ArrayLook[], claimed?: ClaimedVolume[]): Promise<string[]> {
  const { volumes } = await volumeTable(looks, { cluster: "k8s", claimed });
  return volumes.map((one) => `${one.state} ${one.pv ?? "-"} ${one.name} ${one.array ?? "-"}`);
}

Deno.test("volumeTable() finds the volume of a handle on its array only, and of a bare name on any", async () => {
  const looks = [
    lookOf({ id: A, volumes: [name("1"), "imported", "foreign"] }),
    lookOf({ id: B, volumes: [name("1"), name("2")] }),
  ];
  deepEqual(
    await states(looks, [
      claim("pv-b", { hint: "bbbbbbbb", names: [name("1")] }),
      claim("pv-old", { names: [name("2")] }),
      claim("pv-import", { names: ["imported"] }),
      claim("pv-lost", { hint: "aaaaaaaa", names: [name("2")] }),
      claim("pv-gone", { hint: "cccccccc", names: [name("2")] }),
    ]),
    [
      `ok pv-b ${name("1")} bb`,
      `ok pv-old ${name("2")} bb`,
      "ok pv-import imported aa",
      `missing pv-lost ${name("2")} -`,
      `no array pv-gone ${name("2")} -`,
      `no pv - ${name("1")} aa`,
    ],
  );
});

Deno.test("volumeTable() does not take a volume for lost that an array without an answer may have", async () => {
  const claimed = [
    claim("pv-a", { hint: "aaaaaaaa", names: [name("1")] }),
    claim("pv-b", { hint: "bbbbbbbb", names: [name("2")] }),
    claim("pv-old", { names: [name("3")] }),
  ];
  const failing = lookOf({ id: B });
  deepEqual(await states([lookOf({ id: A, volumes: [] }), failing], claimed), [
    `missing pv-a ${name("1")} -`,
    `unknown pv-b ${name("2")} -`,
    `unknown pv-old ${name("3")} -`,
  ]);
  equal(failing.found.all[0]?.what, "the list cannot be read");
  deepEqual(await states([lookOf({ id: A, volumes: [] }), lookOf({})], claimed), [
    `unknown pv-a ${name("1")} -`,
    `unknown pv-b ${name("2")} -`,
    `unknown pv-old ${name("3")} -`,
  ]);
});

Deno.test("volumeTable() only lists where no cluster was asked", async () => {
  deepEqual(await states([lookOf({ id: A, volumes: [name("1"), "k8s-prod-x"] })]), [
    `seen - ${name("1")} aa`,
  ]);
});
