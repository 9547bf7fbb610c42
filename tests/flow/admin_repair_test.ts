// `pso-bin admin doctor --repair` against simulated arrays and an API server that serves what a test
// puts in.
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { bed, PVS, volume } from "../support/admin_cluster_bed.ts";
import type { ClusterObject } from "../support/fake_cluster.ts";

type Bed = Parameters<Parameters<typeof bed>[0]>[0];

const LATER = { now: () => Date.now() + 3_600_000 };

/** A PersistentVolume whose volume was destroyed behind the driver's back. */
async function lost({ cluster, array, make, send }: Bed, phase = "Bound"): Promise<ClusterObject> {
  const handle = await make(volume("1"));
  await send(array, `PATCH /volumes?names=${volume("1")}`, { destroyed: true });
  const pv = {
    metadata: { name: "pv-1", uid: "uid-1" },
    spec: { csi: { driver: "pure-csi", volumeHandle: handle }, accessModes: ["ReadWriteOnce"] },
    status: { phase },
  };
  cluster.items.set(PVS, [pv]);
  return pv;
}

const isLive = async ({ array, send }: Bed) =>
  (await send(array, `GET /volumes?names=${volume("1")}`)).items[0].destroyed === false;

async function repair({ run }: Bed) {
  const { code, said } = await run("doctor", "--repair", "--yes", "-o", "json");
  return { code, ...JSON.parse(said) };
}

Deno.test("15.6: admin doctor --repair recovers the destroyed volume of a bound PersistentVolume, and ends with 0", () =>
  bed(async (one) => {
    await lost(one);
    const { code, repairs } = await repair(one);
    deepEqual(repairs, [{
      object: "pv-1",
      what: `recover volume ${volume("1")} on array fa-1 for PersistentVolume pv-1`,
      isDone: true,
    }]);
    equal(code, 0);
    equal(await isLive(one), true);
    equal((await one.run("doctor")).code, 0);
  }, LATER));

Deno.test("15.6: admin doctor --repair asks for each, and leaves what is not wanted", async () => {
  const asked: string[] = [];
  const confirm = (question: string) => {
    asked.push(question);
    return Promise.resolve(false);
  };
  await bed(async (one) => {
    await lost(one);
    const { code, said } = await one.run("doctor", "--repair");
    equal(code, 1);
    match(said, /^not done: recover volume .*: it was not wanted$/m);
    equal(await isLive(one), false);
  }, { ...LATER, confirm });
  deepEqual(asked, [`recover volume ${volume("1")} on array fa-1 for PersistentVolume pv-1?`]);
});

/** What becomes of the cluster while a person thinks, and why nothing is changed then. */
const MEANWHILE: [string, (bed: Bed, pv: ClusterObject) => unknown, RegExp][] = [
  [
    "the PersistentVolume goes",
    ({ cluster }) => cluster.items.set(PVS, []),
    /PersistentVolume pv-1 does not mean it any more/,
  ],
  [
    "another PersistentVolume gets the name",
    ({ cluster }, pv) =>
      cluster.items.set(PVS, [{ ...pv, metadata: { name: "pv-1", uid: "uid-2" } }]),
    /PersistentVolume pv-1 is another one by now/,
  ],
  [
    "the claim is deleted",
    ({ cluster }, pv) => cluster.items.set(PVS, [{ ...pv, status: { phase: "Released" } }]),
    /PersistentVolume pv-1 is Released or being deleted/,
  ],
  [
    "the PersistentVolumes cannot be read any more",
    ({ cluster }) => cluster.answers.set(PVS, 403),
    /403/,
  ],
  [
    "somebody eradicates the volume and makes another one",
    async ({ array, send }) => {
      await send(array, `DELETE /volumes?names=${volume("1")}`);
      await send(array, `POST /volumes?names=${volume("1")}`, { provisioned: 1048576 });
    },
    /array fa-1 has 0 destroyed volumes/,
  ],
];

for (const [what, spoil, wanted] of MEANWHILE) {
  Deno.test(`15.6: admin doctor --repair reads again after the answer: ${what}`, async () => {
    let answer = () => Promise.resolve(true);
    await bed(async (one) => {
      const pv = await lost(one);
      answer = async () => {
        await spoil(one, pv);
        return true;
      };
      const { code, said } = await one.run("doctor", "--repair");
      equal(code, 1);
      match(said, wanted);
      match(said, /^not done: recover volume /m);
    }, { ...LATER, confirm: () => answer() });
  });
}

Deno.test("15.6: admin doctor --repair does not recover what a Released PersistentVolume means: its delete may be wanted", () =>
  bed(async (one) => {
    await lost(one, "Released");
    const { code, repairs: [{ isDone, why }] } = await repair(one);
    equal(code, 1);
    equal(isDone, false);
    match(why, /only the volume of a bound one is recovered/);
    equal(await isLive(one), false);
  }, LATER));

Deno.test("15.6: admin doctor --repair does not recover while a live volume of another array has the name", () =>
  bed(async (one) => {
    const { blade, send } = one;
    if (!blade) throw new Error("no FlashBlade");
    await lost(one);
    await send(blade, `POST /file-systems?names=${volume("1")}`, { provisioned: 1048576 });
    const { code, findings, unknown: [{ why }], repairs } = await repair(one);
    equal(code, 1);
    match(why, /^array fb-1 has a volume of that name, and its handle names another array$/);
    deepEqual([findings, repairs], [[], []]);
    equal(await isLive(one), false);
  }, { ...LATER, bladeToo: true }));

Deno.test("15.6: admin doctor --repair touches no connection, volume, initiator or snapshot", () =>
  bed(async (one) => {
    const { array, cluster, make, send } = one;
    const handle = await make(volume("1"));
    await make(volume("2"));
    cluster.items.set(PVS, [{
      metadata: { name: "pv-1", uid: "uid-1" },
      spec: { csi: { driver: "pure-csi", volumeHandle: handle }, capacity: { storage: "2Mi" } },
      status: { phase: "Bound" },
    }]);
    cluster.items.set("/api/v1/nodes", []);
    await send(array, "POST /hosts?names=stranger", { iqns: ["iqn.2026-01.example:stranger"] });
    const connect = `POST /connections?host_names=stranger&volume_names=${volume("1")}`;
    await send(array, connect, {});
    const snapshot = `POST /volume-snapshots?source_names=${volume("1")}`;
    await send(array, snapshot, { suffix: "snapshot-1" });
    const state = async () => {
      const lists = ["volumes", "hosts", "connections", "volume-snapshots"];
      const all = [];
      for (const list of lists) all.push((await send(array, `GET /${list}`)).items);
      return all;
    };
    const before = await state();
    const { code, findings, repairs } = await repair(one);
    equal(code, 1);
    deepEqual([findings.length, repairs], [4, []]);
    deepEqual(await state(), before);
    const { said } = await one.run("doctor", "--repair", "--yes");
    match(
      said,
      /^none of it has a repair that is surely safe: do what stands below each finding$/m,
    );
  }, LATER));

Deno.test("15.6: admin doctor refuses --yes without --repair, and --repair where nobody can answer", () =>
  bed(async ({ run }) => {
    await rejects(run("doctor", "--yes"), /--yes is used with --repair only/);
    const message = /--repair asks at a terminal, with the table: use one, or add --yes/;
    await rejects(run("doctor", "--repair"), message);
  }));
