// Who gets a volume when several want to take it in: two clusters, two leaders of one cluster, a pod
// that describes it itself, and an array that is on its way out.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { NO_FENCE } from "../../src/async/fence.ts";
import { PsoError } from "../../src/errors.ts";
import { AS, IMPORT, ImportBed, ImportCluster } from "./import_bed.ts";
import { N2 } from "./provisioner_bed.ts";
import { connectByHand, takeDown, withStretched } from "./stretched_bed.ts";

const BLOCK = { flasharrays: 1, flashblades: 0 };
const FILE = { flasharrays: 0, flashblades: 1 };
const ORACLE = { [IMPORT]: "fa-1/oracle-data" };
const SHARED = { [IMPORT]: "fb-1/shared-data" };
const OF_FILE = { parameters: { backend: "file" } };

Deno.test("a cluster takes in no volume that another one is taking in, says which, and does once that gave up", async () => {
  await ImportBed.run(BLOCK, async (bed, imports) => {
    await imports.addVolume("oracle-data", { tags: { "importing.prod": "pvc-1" } });
    const csiName = imports.cluster.claim("shop/orders", ORACLE);
    await rejects(imports.create("shop/orders", csiName), {
      code: "unavailable",
      message: /oracle-data on fa-1 .*cluster prod is taking it in .*importing\.prod=pvc-1/,
    });
    deepEqual(await imports.tagsOf("oracle-data"), { "importing.prod": "pvc-1" });
    const { array } = bed.fleet.members[0] ?? {};
    await array?.modifyVolume("oracle-data", { tags: { "importing.prod": "ended" } });
    await imports.create("shop/orders", csiName);
    const tags = await imports.tagsOf("oracle-data");
    deepEqual([tags.cluster, tags["importing.k8s"]], ["k8s", "ended"]);
  });
});

Deno.test("a cluster whose mark comes second takes it back, and leaves the volume to the first", async () => {
  await ImportBed.run(BLOCK, async (bed, imports) => {
    await imports.addVolume("oracle-data");
    const { array } = bed.fleet.members[0] ?? {};
    ok(array);
    const modify = array.modifyVolume.bind(array);
    // The other cluster ends its import between our look and our mark.
    array.modifyVolume = async (name, changes, signal) => {
      array.modifyVolume = modify;
      await modify(name, { tags: { cluster: "prod", pv: "pvc-1", imported: "2026" } }, signal);
      await modify(name, changes, signal);
    };
    await rejects(imports.import("shop/orders", ORACLE), {
      code: "in_use",
      message: /the tag of another cluster: cluster=prod/,
    });
    const tags = await imports.tagsOf("oracle-data");
    deepEqual([tags.cluster, tags.pv, tags["importing.k8s"]], ["prod", "pvc-1", "ended"]);
  });
});

Deno.test("of two clusters that import one volume at the same moment one gets it at most, and keeps it", async () => {
  await ImportBed.run(BLOCK, async (_, imports) => {
    await imports.addVolume("oracle-data");
    const ours = imports.cluster.claim("shop/orders", ORACLE);
    await imports.beside("prod", async (others) => {
      const theirs = others.cluster.claim("bank/ledger", ORACLE);
      const winners = async () => {
        const ends = await Promise.allSettled([
          imports.create("shop/orders", ours),
          others.create("bank/ledger", theirs),
        ]);
        return ["k8s", "prod"].filter((_, at) => ends[at]?.status === "fulfilled");
      };
      const seen = new Set<string>();
      for (let tries = 0; tries < 3; tries++) for (const one of await winners()) seen.add(one);
      ok(seen.size <= 1, `both got it: ${[...seen]}`);
      const { cluster } = await imports.tagsOf("oracle-data");
      equal(cluster, [...seen][0]);
    });
  });
});

Deno.test("after a change of the leader a file system that two claims want waits, and a lone claim gets it at once", async () => {
  const fence = { ...NO_FENCE, heldForMs: 1_000 };
  await ImportBed.run({ ...FILE, fence }, async (_, imports) => {
    await imports.addVolume("shared-data");
    const lone = imports.cluster.claim("shop/lone", SHARED);
    // The leader before may have given it to this one, which is younger.
    imports.cluster.claim("shop/late", SHARED);
    await rejects(imports.create("shop/lone", lone, OF_FILE), {
      code: "unavailable",
      message: /given to the claim shop\/late by the leader before this one/,
    });
    fence.heldForMs = 600_000;
    await imports.create("shop/lone", lone, OF_FILE);
  });
  await ImportBed.run({ ...FILE, fence: { ...NO_FENCE, heldForMs: 0 } }, async (_, imports) => {
    await imports.addVolume("shared-data");
    await imports.import("shop/lone", SHARED, OF_FILE);
  });
});

Deno.test("a leader that lost its lease in the middle of an import gives the file system to nobody", async () => {
  const fence = { ...NO_FENCE };
  await ImportBed.run({ ...FILE, fence }, async (_, imports) => {
    await imports.addVolume("shared-data");
    let asked = 0;
    fence.settled = () =>
      asked++ === 0
        ? Promise.resolve()
        : Promise.reject(new PsoError("unavailable", "another process leads"));
    await rejects(imports.import("shop/orders", SHARED, OF_FILE), { message: /another process/ });
  });
});

Deno.test("a file system that a pod describes itself is taken in by nobody, and copied in its namespace alone", async () => {
  await ImportBed.run(FILE, async (_, imports) => {
    const uid = crypto.randomUUID();
    const name = `k8s-pvc-${uid}`;
    await imports.addVolume(name);
    imports.cluster.inline = [{ namespace: "bank", pod: "ledger-0", uid }];
    const wish = { [IMPORT]: `fb-1/${name}` };
    const message = /it is the volume of the pod bank\/ledger-0/;
    for (const path of ["shop/orders", "bank/orders"]) {
      await rejects(imports.import(path, wish, OF_FILE), { code: "in_use", message });
    }
    const copy = { ...wish, [AS]: "copy" };
    await rejects(imports.import("shop/copy", copy, OF_FILE), { code: "in_use", message });
    await imports.import("bank/copy", copy, OF_FILE);
  });
});

Deno.test("from an array that was taken out nothing is imported, and nothing copied; the message names it", async () => {
  await ImportBed.run({ flasharrays: 2, flashblades: 0 }, async (bed, imports) => {
    await imports.addVolume("gold", { array: 1 });
    await imports.addVolume("kept", { array: 1 });
    const kept = imports.cluster.claim("shop/kept", { [IMPORT]: "fa-2/kept" });
    const before = await imports.create("shop/kept", kept);
    const [stays] = bed.fleet.members;
    ok(stays);
    bed.fleet.replace([{ array: stays.array }]);
    const wish = { [IMPORT]: "fa-2/gold" };
    await rejects(imports.import("shop/orders", wish), {
      code: "exhausted",
      message: /array fa-2 was taken out of the configuration and gets nothing new/,
    });
    await rejects(imports.import("shop/copy", { ...wish, [AS]: "copy" }), {
      code: "exhausted",
      message: /fa-2 was taken out of the configuration and gets no new volumes/,
    });
    deepEqual(await imports.create("shop/kept", kept), before, "what it has is found again");
    equal((await bed.volumes())["fa-2"]?.length, 2);
  });
});

Deno.test("a volume of a stretched pod is taken in and left only when no machine has it by either array", async () => {
  const cluster = new ImportCluster();
  await withStretched(cluster.readers(), async (bed) => {
    const imports = new ImportBed(bed, cluster);
    await imports.addVolume("p1::data");
    const volume = "p1::data";
    await connectByHand(bed, "fa-2", { volume, host: "esx-1", node: N2 });
    const csiName = cluster.claim("shop/orders", { [IMPORT]: `fa-1/${volume}` });
    await rejects(imports.create("shop/orders", csiName), {
      code: "in_use",
      message: /it is connected to .*esx-1/,
    });
    const query = { host_names: "esx-1", volume_names: volume };
    const disconnect = () =>
      bed.admin("fa-2", { method: "DELETE", path: "connections", query } as const);
    await disconnect();
    const { volumeId } = await imports.create("shop/orders", csiName);
    await bed.admin("fa-2", { method: "POST", path: "connections", query });
    await rejects(bed.provisioner.deleteVolume(volumeId, bed.signal), {
      code: "in_use",
      message: /is connected to .*esx-1/,
    });
    await disconnect();
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
    await takeDown(bed, "fa-2");
    const later = cluster.claim("shop/later", { [IMPORT]: `fa-1/${volume}` });
    cluster.remove("shop/orders");
    await rejects(imports.create("shop/later", later), { code: "unavailable" });
  });
});
