// Volumes that a claim names by its annotation: taken in, copied, refused, and kept at the end.
// docs/importing.md says it for administrators.
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { arrayHintOf } from "../../src/arrays/fleet.ts";
import { GiB } from "../../src/size.ts";
import { AS, IMPORT, ImportBed, RECLAIM } from "./import_bed.ts";
import { N1, type ProvisionerBed, RWO_TAGS, RWX } from "./provisioner_bed.ts";

const BLOCK = { flasharrays: 1, flashblades: 0 };
const FILE = { flasharrays: 0, flashblades: 1 };
const ORACLE = { [IMPORT]: "fa-1/oracle-data" };

function hintOf(bed: ProvisionerBed, array = 0): string {
  return arrayHintOf(bed.fleet.members[array]?.id ?? "");
}

Deno.test("15.5: createVolume() of a claim that names a volume answers with its handle and real size, and marks it", async () => {
  await ImportBed.run(BLOCK, async (bed, imports) => {
    await imports.addVolume("oracle-data", { sizeBytes: 3 * GiB });
    const csiName = imports.cluster.claim("shop/orders", ORACLE);
    const answer = await imports.create("shop/orders", csiName, {
      parameters: { iops_limit: "500", tags: "tier=gold" },
    });
    equal(answer.volumeId, `${hintOf(bed)}/oracle-data@keep`);
    equal(answer.capacityBytes, 3 * GiB);
    deepEqual(await bed.volumes(), { "fa-1": ["oracle-data"] });
    const { imported = "", ...tags } = await imports.tagsOf("oracle-data");
    match(imported, /^\d{4}-\d\d-\d\dT/);
    deepEqual(tags, {
      cluster: "k8s",
      "pvc-namespace": "shop",
      "pvc-name": "orders",
      pv: csiName,
      ...RWO_TAGS,
      "pvc-storage-class": "imports",
      tier: "gold",
      "importing.k8s": "ended",
    });
    const [item] = await bed.admin<{ qos: { iops_limit: number } }>("fa-1", {
      method: "GET",
      path: "volumes",
      query: { names: "oracle-data" },
    });
    equal(item?.qos.iops_limit, 500);
  });
});

for (const array of ["FA-1", "id", "first digits of the id"]) {
  Deno.test(`createVolume() knows the array of an import by ${array}`, async () => {
    await ImportBed.run({ flasharrays: 2, flashblades: 0 }, async (bed, imports) => {
      await imports.addVolume("oracle-data");
      const { id = "" } = bed.fleet.members[0] ?? {};
      const named = array === "FA-1" ? array : array === "id" ? id : hintOf(bed);
      const answer = await imports.import("shop/a", { [IMPORT]: `${named}/oracle-data` });
      equal(answer.volumeId, `${hintOf(bed)}/oracle-data@keep`);
    });
  });
}

Deno.test("createVolume() of an import is repeated with one answer: after a lost answer, a restart, and the PersistentVolume", async () => {
  await ImportBed.run(BLOCK, async (bed, imports) => {
    await imports.addVolume("oracle-data");
    const csiName = imports.cluster.claim("shop/orders", ORACLE);
    const first = await imports.create("shop/orders", csiName);
    const marked = await imports.tagsOf("oracle-data");
    deepEqual(await imports.create("shop/orders", csiName), first);
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    const calls = await bed.calls(async () => {
      deepEqual(await imports.create("shop/orders", csiName), first);
    });
    deepEqual(calls.filter((call) => !call.startsWith("GET ")), []);
    imports.cluster.volumes = [{
      name: csiName,
      handle: first.volumeId,
      claim: "shop/orders",
    }];
    await bed.publish(first.volumeId, N1);
    deepEqual(await imports.create("shop/orders", csiName), first, "its own PersistentVolume");
    deepEqual(await imports.tagsOf("oracle-data"), marked);
  });
});

Deno.test("createVolume() of an import whose mark was cut is not final, and its repetition ends it", async () => {
  await ImportBed.run(BLOCK, async (bed, imports) => {
    await imports.addVolume("oracle-data");
    const csiName = imports.cluster.claim("shop/orders", ORACLE);
    const match = { method: "PUT", path: "/volumes/tags/batch" };
    for (const action of ["drop-before", "drop-after"]) {
      await bed.fault({ action, match, times: 10 });
      await rejects(
        imports.create("shop/orders", csiName),
        ({ code }: { code: string }) => ["unavailable", "timeout"].includes(code),
      );
      await bed.healFaults();
    }
    const other = imports.cluster.claim("shop/other", ORACLE);
    await rejects(imports.create("shop/other", other), { code: "in_use" });
    await imports.create("shop/orders", csiName);
    equal((await imports.tagsOf("oracle-data")).pv, csiName);
  });
});

for (const kind of ["block", "file"] as const) {
  Deno.test(`of two claims that import one ${kind} volume at the same time the older one gets it, and the other is told both names`, async () => {
    await ImportBed.run(kind === "block" ? BLOCK : FILE, async (bed, imports) => {
      await imports.addVolume("shared-data");
      const array = kind === "block" ? "fa-1" : "fb-1";
      const wish = { [IMPORT]: `${array}/shared-data` };
      const change = { parameters: { backend: kind } };
      const older = imports.cluster.claim("shop/a", wish);
      const younger = imports.cluster.claim("shop/b", { [IMPORT]: `${hintOf(bed)}/SHARED-data` });
      const answers = await Promise.allSettled([
        imports.create("shop/b", younger, change),
        imports.create("shop/a", older, change),
      ]);
      deepEqual(answers.map(({ status }) => status), ["rejected", "fulfilled"]);
      await bed.restart();
      await bed.fleet.refresh(bed.signal);
      await rejects(imports.create("shop/b", younger, change), {
        code: "in_use",
        message:
          /import volume shared-data .*for the claim shop\/b: (the claim shop\/a wants it, too|it was given to the claim shop\/a)/i,
      });
      equal((await imports.create("shop/a", older, change)).volumeId.slice(9), "shared-data@keep");
    });
  });

  Deno.test(`a ${kind} volume that was given to a claim is given to no older claim that is annotated later`, async () => {
    await ImportBed.run(kind === "block" ? BLOCK : FILE, async (_, imports) => {
      await imports.addVolume("shared-data");
      const wish = { [IMPORT]: `${kind === "block" ? "fa-1" : "fb-1"}/shared-data` };
      const change = { parameters: { backend: kind } };
      await imports.import("shop/first", wish, change);
      const late = imports.cluster.claim("shop/late", wish, { created: 1 });
      await rejects(imports.create("shop/late", late, change), {
        code: "in_use",
        message: /it was given to the claim shop\/first, which waits for its PersistentVolume/,
      });
      imports.cluster.remove("shop/first");
      await rejects(imports.create("shop/late", late, change), {
        code: "unavailable",
        message: /given to the claim shop\/first less than 10 minutes ago/,
      });
    });
  });
}

Deno.test("a claim of the same namespace gets a volume whose claim and PersistentVolume are gone for long", async () => {
  await ImportBed.run(BLOCK, async (_, imports) => {
    const tags = { cluster: "k8s", "pvc-namespace": "shop", "pvc-name": "old", pv: "pvc-old" };
    await imports.addVolume("oracle-data", { tags });
    const csiName = imports.cluster.claim("shop/new", ORACLE);
    await rejects(imports.create("shop/new", csiName), { code: "unavailable" });
    const now = Date.now;
    Date.now = () => now() + 3_600_000;
    try {
      await imports.create("shop/new", csiName);
    } finally {
      Date.now = now;
    }
    equal((await imports.tagsOf("oracle-data")).pv, csiName);
  });
});

interface Refused {
  name: string;
  volume?: string;
  tags?: Record<string, string>;
  prepare?: (imports: ImportBed, bed: ProvisionerBed) => Promise<void> | void;
  /** Of a copy, too. */
  copyToo: boolean;
  code?: string;
  message: RegExp;
}

const REFUSED: Refused[] = [
  {
    name: "has a PersistentVolume by its full handle",
    prepare: ({ cluster }, bed) => {
      const handle = `${hintOf(bed)}/Oracle-Data`;
      cluster.volumes = [{ name: "pv-oracle", handle, claim: "db/oracle" }];
    },
    copyToo: true,
    message: /it has the PersistentVolume pv-oracle of the claim db\/oracle/,
  },
  {
    name: "has a PersistentVolume with a handle of PSO",
    volume: "k8s-pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11",
    prepare: ({ cluster }) => {
      const handle = "k8s/pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";
      cluster.volumes = [{ name: "pv-pso", handle }];
    },
    copyToo: true,
    message: /it has the PersistentVolume pv-pso:/,
  },
  {
    name: "has a PersistentVolume of the FlexVolume driver",
    volume: "k8s-pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11",
    prepare: ({ cluster }) => {
      cluster.volumes = [{ name: "pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11" }];
    },
    copyToo: true,
    message: /it has the PersistentVolume pvc-0b5e/,
  },
  {
    name: "is connected to a host",
    prepare: (imports) => imports.connectEsx("oracle-data"),
    copyToo: false,
    message: /it is connected to esx-1: .*import a copy/,
  },
  {
    name: "has tags of another namespace",
    tags: { cluster: "k8s", "pvc-namespace": "finance", "pvc-name": "books", pv: "pvc-1" },
    copyToo: true,
    message: /tag pvc-namespace=finance/,
  },
  {
    name: "has the tag of another cluster",
    tags: { cluster: "prod" },
    copyToo: true,
    message: /cluster=prod, and this one is k8s; put that clusterID into deletePrefixes/,
  },
  {
    name: "has a name of another cluster",
    volume: "k8s-prod-pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11",
    copyToo: true,
    message: /a name that another cluster's driver gives, and this one is k8s/,
  },
  {
    name: "has a name of PX-CSI",
    volume: "px_1a2b3c4d-pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11",
    copyToo: true,
    message: /a name that another cluster's driver gives/,
  },
  {
    name: "does not exist",
    volume: "nothing",
    copyToo: true,
    code: "not_found",
    message: /array fa-1 has no live volume of that name/,
  },
];
for (const { name, volume = "oracle-data", tags, prepare, copyToo, message, code } of REFUSED) {
  Deno.test(`15.5: createVolume() refuses to import a volume that ${name}, and changes nothing`, async () => {
    await ImportBed.run(BLOCK, async (bed, imports) => {
      if (volume !== "nothing") await imports.addVolume(volume, { tags });
      await prepare?.(imports, bed);
      const before = await bed.volumes();
      const ways: Record<string, string>[] = copyToo ? [{}, { [AS]: "copy" }] : [{}];
      for (const as of ways) {
        const wish = { [IMPORT]: `fa-1/${volume}`, ...as };
        const refused = { code: code ?? "in_use", message };
        await rejects(imports.import("shop/orders", wish), refused);
      }
      deepEqual(await bed.volumes(), before);
      if (volume !== "nothing") deepEqual(await imports.tagsOf(volume), tags ?? {});
    });
  });
}

Deno.test("createVolume() imports what had another cluster's prefix or tag once deletePrefixes names it", async () => {
  const settings = { deletePrefixes: ["px_1a2b3c4d", "prod"] };
  await ImportBed.run({ ...BLOCK, settings }, async (_, imports) => {
    const name = "px_1a2b3c4d-pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";
    await imports.addVolume(name);
    await imports.addVolume("oracle-data", { tags: { cluster: "prod" } });
    for (const one of [name, "oracle-data"]) {
      await imports.import(`shop/of-${one.slice(0, 3)}`, { [IMPORT]: `fa-1/${one}` });
      equal((await imports.tagsOf(one)).cluster, "k8s");
    }
  });
});

Deno.test("createVolume() imports no volume that a live claim was made for, and makes none for a claim that is another one by now", async () => {
  await ImportBed.run(BLOCK, async (bed, imports) => {
    const made = imports.cluster.claim("shop/made", {});
    await imports.create("shop/made", made);
    await rejects(imports.import("shop/thief", { [IMPORT]: `fa-1/k8s-${made}` }), {
      code: "in_use",
      message: /was made for the claim shop\/made/,
    });
    await imports.addVolume("oracle-data");
    const old = imports.cluster.claim("shop/orders", {});
    imports.cluster.claim("shop/orders", ORACLE);
    await rejects(imports.create("shop/orders", old), {
      code: "not_found",
      message: /is gone, and another one has its name/,
    });
    deepEqual((await bed.volumes())["fa-1"], [`k8s-${made}`, "oracle-data"].sort());
  });
});

Deno.test("createVolume() of a class that allows imports makes nothing while nobody can read the claim", async () => {
  await ImportBed.run(BLOCK, async (bed, imports) => {
    await imports.addVolume("oracle-data");
    const csiName = imports.cluster.claim("shop/orders", ORACLE);
    imports.cluster.isSilent = true;
    await rejects(imports.create("shop/orders", csiName), {
      code: "unavailable",
      message: /cannot tell whether the claim shop\/orders names a volume to import/,
    });
    const allowed = bed.request(csiName, { parameters: { allowImport: "true" } });
    await rejects(bed.provisioner.createVolume(allowed, bed.signal), {
      code: "unavailable",
      message: /--extra-create-metadata/,
    });
    deepEqual(await bed.volumes(), { "fa-1": ["oracle-data"] });
    deepEqual(await imports.tagsOf("oracle-data"), {});
  });
});

Deno.test("createVolume() imports nothing for a claim that is larger or smaller than the volume may be", async () => {
  await ImportBed.run(BLOCK, async (_, imports) => {
    await imports.addVolume("oracle-data", { sizeBytes: 2 * GiB });
    const csiName = imports.cluster.claim("shop/orders", ORACLE);
    for (
      const capacityRange of [
        { requiredBytes: 3 * GiB, limitBytes: 0 },
        { requiredBytes: GiB, limitBytes: GiB },
      ]
    ) {
      await rejects(imports.create("shop/orders", csiName, { capacityRange }), {
        code: "out_of_range",
        message: /^Cannot import oracle-data for .*it has 2147483648 bytes .*; ask for what it has/,
      });
    }
    deepEqual(await imports.tagsOf("oracle-data"), {});
  });
});

Deno.test("createVolume() imports from no array that the class does not take", async () => {
  const labels = { "fa-1": { tier: "gold" } };
  await ImportBed.run({ flasharrays: 1, flashblades: 1, labels }, async (_, imports) => {
    await imports.addVolume("oracle-data");
    const cases: { parameters: Record<string, string>; message: RegExp }[] = [
      { parameters: { array_selector: "tier=silver" }, message: /does not meet tier=silver/ },
      { parameters: { arrayID: "00000000-1111" }, message: /is not the arrayID 00000000-1111/ },
      {
        parameters: { pod: "pod-1" },
        message: /oracle-data .*is not in the pod pod-1 of the class/,
      },
      {
        parameters: { volumeGroup: "g1" },
        message: /oracle-data .*is not in the volume group g1 of the class .*, or import a copy/,
      },
      { parameters: { backend: "file" }, message: /has block volumes, and .*backend file/ },
    ];
    for (const { parameters, message } of cases) {
      const asked = imports.import("shop/orders", ORACLE, { parameters });
      await rejects(asked, { code: "invalid", message });
    }
    await rejects(imports.import("shop/orders", { [IMPORT]: "fa-9/oracle-data" }), {
      code: "not_found",
      message: /no array is called fa-9; there are fa-1, fb-1/,
    });
    await imports.import("shop/orders", ORACLE, { parameters: { array_selector: "tier=gold" } });
  });
});

Deno.test("createVolume() refuses to import for a claim that has a volume already, and by a class that does not allow it", async () => {
  await ImportBed.run(BLOCK, async (bed, imports) => {
    await imports.addVolume("oracle-data");
    const csiName = imports.cluster.claim("shop/orders", ORACLE);
    await rejects(
      imports.create("shop/orders", csiName, { parameters: { allowImport: "false" } }),
      {
        code: "invalid",
        message: /no allowImport "true"/,
      },
    );
    await bed.fleet.members[0]?.array.createVolume({ name: `k8s-${csiName}`, sizeBytes: GiB });
    await bed.restart();
    await rejects(imports.create("shop/orders", csiName), {
      code: "conflict",
      message: /has a volume k8s-pvc-.* made for the claim before it had its annotation/,
    });
  });
});

Deno.test("15.5: deleteVolume() leaves an imported volume on its array, and refuses while it is connected", async () => {
  for (const options of [BLOCK, FILE]) {
    await ImportBed.run(options, async (bed, imports) => {
      const kind = options === BLOCK ? "block" : "file";
      const array = kind === "block" ? "fa-1" : "fb-1";
      await imports.addVolume("oracle-data");
      const capabilities = kind === "file" ? [RWX] : undefined;
      const { volumeId } = await imports.import("shop/orders", {
        [IMPORT]: `${array}/oracle-data`,
      }, { parameters: { backend: kind }, ...capabilities && { capabilities } });
      await bed.publish(volumeId, N1, kind === "file" ? { capability: RWX } : {});
      await rejects(bed.provisioner.deleteVolume(volumeId, bed.signal), {
        code: "in_use",
        message: /oracle-data .* and its PersistentVolume is deleted: detach it first/,
      });
      await bed.provisioner.unpublishVolume({ volumeId, nodeId: "" }, bed.signal);
      await bed.provisioner.deleteVolume(volumeId, bed.signal);
      deepEqual(await bed.volumes(), { [array]: ["oracle-data"] });
      await bed.restart();
      await bed.provisioner.deleteVolume(volumeId, bed.signal);
      deepEqual(await bed.volumes(), { [array]: ["oracle-data"] });
    });
  }
});

Deno.test("deleteVolume() keeps an imported volume that bears a name of this cluster", async () => {
  await ImportBed.run(BLOCK, async (bed, imports) => {
    const name = "k8s-pvc-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";
    await imports.addVolume(name);
    const { volumeId } = await imports.import("shop/orders", { [IMPORT]: `fa-1/${name}` });
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
    deepEqual(await bed.volumes(), { "fa-1": [name] });
  });
});

Deno.test("deleteVolume() destroys an imported volume whose annotation said so, as long as deleteImported allows it", async () => {
  for (const options of [BLOCK, FILE]) {
    await ImportBed.run(options, async (bed, imports) => {
      const kind = options === BLOCK ? "block" : "file";
      await imports.addVolume("oracle-data");
      const { volumeId } = await imports.import("shop/orders", {
        [IMPORT]: `${kind === "block" ? "fa-1" : "fb-1"}/oracle-data`,
        [RECLAIM]: "delete",
      }, { parameters: { backend: kind } });
      equal(volumeId, `${hintOf(bed)}/oracle-data`);
      const array = bed.fleet.members[0]?.array;
      const rights = { deleteImported: false, deletePrefixes: [] };
      await rejects(
        array?.deleteVolume("oracle-data", { cluster: "k8s", rights }) ?? Promise.resolve(),
        {
          code: "in_use",
          message: /oracle-data .*deleteImported is false/,
        },
      );
      await bed.provisioner.deleteVolume(volumeId, bed.signal);
      ok(!(await bed.volumes())[kind === "block" ? "fa-1" : "fb-1"]?.includes("oracle-data"));
    });
  }
});

for (const kind of ["block", "file"] as const) {
  Deno.test(`a copy of a ${kind} volume is a volume of its own: made once, grown to its claim, and deleted as any other`, async () => {
    await ImportBed.run(kind === "block" ? BLOCK : FILE, async (bed, imports) => {
      const array = kind === "block" ? "fa-1" : "fb-1";
      await imports.addVolume("gold-image", { sizeBytes: 2 * GiB });
      if (kind === "block") await imports.connectEsx("gold-image");
      const csiName = imports.cluster.claim("shop/orders", {
        [IMPORT]: `${array}/gold-image`,
        [AS]: "copy",
      });
      const change = {
        parameters: { backend: kind },
        capacityRange: { requiredBytes: 3 * GiB, limitBytes: 0 },
      };
      const copy = await imports.create("shop/orders", csiName, change);
      equal(copy.volumeId, `${hintOf(bed)}/k8s-${csiName}`);
      deepEqual([copy.capacityBytes, copy.contentSource], [3 * GiB, undefined]);
      // The original is somebody's by now: what was made is still the claim's.
      imports.cluster.volumes = [{ name: "pv-gold", handle: "gold-image" }];
      await bed.restart();
      await bed.fleet.refresh(bed.signal);
      deepEqual(await imports.create("shop/orders", csiName, change), copy);
      deepEqual((await bed.volumes())[array]?.sort(), ["gold-image", `k8s-${csiName}`]);
      await bed.provisioner.deleteVolume(copy.volumeId, bed.signal);
      deepEqual((await bed.volumes())[array], ["gold-image"]);
    });
  });
}

Deno.test("a file system that a rule lets a machine use is not imported; one that is open to all is", async () => {
  await ImportBed.run(FILE, async (bed, imports) => {
    await imports.addVolume("shared-data");
    const setRules = async (rules: string) => {
      const query = { names: "shared-data" };
      const call = { method: "PATCH", path: "file-systems", query, body: { nfs: { rules } } };
      await bed.admin("fb-1", call as Parameters<typeof bed.admin>[1]);
    };
    const wish = { [IMPORT]: "fb-1/shared-data" };
    const change = { parameters: { backend: "file" } };
    for (const rules of ["10.9.9.9(rw,no_root_squash)", "10.9.9.9(rw)"]) {
      await setRules(rules);
      await rejects(imports.import("shop/orders", wish, change), {
        code: "in_use",
        message: /it is connected to 10\.9\.9\.9/,
      });
    }
    await setRules("*(rw,no_root_squash)");
    await imports.import("shop/orders", wish, change);
  });
});

Deno.test("a volume that was imported is published, grown, copied and listed by its handle", async () => {
  await ImportBed.run(BLOCK, async (bed, imports) => {
    const { provisioner, signal } = bed;
    await imports.addVolume("oracle-data");
    const { volumeId } = await imports.import("shop/orders", ORACLE);
    await bed.publish(volumeId, N1);
    const listed = await provisioner.listVolumes({ maxEntries: 0, startingToken: "" }, signal);
    deepEqual(listed.entries.map(({ volume }) => volume.volumeId), [volumeId]);
    const capacityRange = { requiredBytes: 2 * GiB, limitBytes: 0 };
    const grown = await provisioner.expandVolume({ volumeId, capacityRange }, signal);
    equal(grown.capacityBytes, 2 * GiB);
    const snapshot = await provisioner.createSnapshot(
      { name: "snapshot-1", sourceVolumeId: volumeId },
      signal,
    );
    equal(snapshot.sourceVolumeId, volumeId);
    for (
      const contentSource of [{ volumeId }, { snapshotId: snapshot.snapshotId }]
    ) await bed.create(`pvc-of-${Object.keys(contentSource)[0]}`, { contentSource, capacityRange });
    deepEqual(
      await bed.publishedTo(volumeId),
      await bed.publishedTo(volumeId.replace("@keep", "")),
    );
    equal(
      provisioner.lockKey({ volumeId }),
      provisioner.lockKey({ volumeId: volumeId.replace("@keep", "") }),
    );
  });
});
