// `pso-bin admin undelete` against simulated arrays and an API server that serves what a test puts in.
import { deepEqual, equal, match } from "node:assert/strict";
import { parse } from "@std/yaml";
import { runAdmin } from "../support/admin_bed.ts";
import { bed, PVS, volume } from "../support/admin_cluster_bed.ts";

type Bed = Parameters<Parameters<typeof bed>[0]>[0];

const TAGS = { cluster: "k8s", "pvc-namespace": "shop", "pvc-name": "data", pv: "pvc-old" };

/** Makes a volume with these tags and destroys it. */
async function destroyed(
  { array, make, send }: Bed,
  digit: string,
  tags: Record<string, string> = TAGS,
): Promise<string> {
  const handle = await make(volume(digit));
  const items = Object.entries(tags).map(([key, value]) => ({ key, value, copyable: false }));
  const query = `resource_names=${volume(digit)}`;
  if (items.length > 0) await send(array, `PUT /volumes/tags/batch?${query}`, items);
  await send(array, `PATCH /volumes?names=${volume(digit)}`, { destroyed: true });
  return handle;
}

async function undelete({ run }: Bed, ...words: string[]) {
  const { code, said } = await run("undelete", "-o", "json", ...words);
  return { code, ...JSON.parse(said) };
}

const isLive = async ({ array, send }: Bed, digit: string) =>
  (await send(array, `GET /volumes?names=${volume(digit)}`)).items[0].destroyed === false;

Deno.test("admin undelete lists what is destroyed with the time left, and nothing of another cluster", () =>
  bed(async (one) => {
    const handle = await destroyed(one, "1");
    await destroyed(one, "2", { cluster: "other" });
    await one.make(volume("3"));
    const { code, destroyed: list } = await undelete(one);
    equal(code, 0);
    equal(list.length, 1);
    const [{ name, claim, pv, secondsLeft, handle: listed }] = list;
    deepEqual({ name, claim, pv, listed }, {
      name: volume("1"),
      claim: "shop/data",
      pv: "pvc-old",
      listed: handle,
    });
    equal(secondsLeft > 86_000 && secondsLeft <= 86_400, true);
    const { said } = await one.run("undelete", "--wide");
    match(said, /^VOLUME +ARRAY +SIZE +TIME LEFT +CLAIM +PV +SERIAL/m);
    match(
      said,
      /^1 destroyed volume that can be recovered: name one by --volume to see what that /m,
    );
  }));

Deno.test("15.6: admin undelete says of each array with SafeMode that what is destroyed keeps room and name, and recovers it", () =>
  bed(async (one) => {
    await destroyed(one, "1");
    const { code, said } = await one.run("undelete");
    const notes = said.split("\n").filter((line) => line.includes("(SafeMode)"));
    deepEqual([code, notes.length], [0, 2], said);
    for (const [at, array] of ["fa-1", "fb-1"].entries()) {
      equal(
        notes[at],
        `array ${array}: eradication by hand is all-disabled (SafeMode): what is destroyed stays ` +
          "until its time is over, and keeps its room and its name; to whoever tries the array " +
          'answers "Eradication is disabled."',
      );
    }
    equal((await one.run("undelete", "--volume", volume("1"), "--yes")).code, 0);
    equal(await isLive(one, "1"), true);
  }, { safeMode: true, bladeToo: true }));

Deno.test("15.6: admin undelete recovers nothing without --yes, and with it the volume, and its manifest from its tags", () =>
  bed(async (one) => {
    const handle = await destroyed(one, "1");
    const dry = await one.run("undelete", "--volume", volume("1"));
    equal(dry.code, 0);
    match(dry.said, /would be recovered, with the handle .*\n(.*\n)*Nothing was changed/);
    equal(await isLive(one, "1"), false);
    const words = ["undelete", "--volume", volume("1"), "--yes", "--out", "/new.yaml"];
    const { code, said, written } = await one.run(...words);
    equal(code, 0, said);
    match(said, /is live again\nits manifest is \/new\.yaml: kubectl create -f \/new\.yaml/);
    // A volume of before has no tags of its mode, access and class.
    match(said, /^assumed, because the array does not say: volumeMode Filesystem, accessModes /m);
    equal(await isLive(one, "1"), true);
    const text = new TextDecoder().decode(written.get("/new.yaml"));
    const [pv, claim] = text.split(/^---$/m).map((part) => parse(part)) as Record<
      string,
      Record<string, unknown>
    >[];
    equal((pv?.spec?.csi as { volumeHandle: string }).volumeHandle, handle);
    equal(pv?.spec?.persistentVolumeReclaimPolicy, "Retain");
    deepEqual(claim?.metadata, { namespace: "shop", name: "data" });
    const again = await one.run(...words);
    equal(again.code, 1);
    match(again.said, /is live on array fa-1: nothing to recover/);
    const missing = await one.run("undelete", "--volume", volume("9"));
    match(missing.said, /^no array that answered has a destroyed volume /);
    const there = await one.run("undelete", "--volume", volume("9"), "--array", "fa-1");
    match(there.said, /^array fa-1 has no destroyed volume /);
    const nowhere = await one.run("undelete", "--volume", volume("1"), "--array", "fa-9");
    match(nowhere.said, /^no array that answered is called fa-9, but fa-1: correct --array$/m);
  }));

Deno.test("admin undelete writes no PersistentVolume where one means the volume still", () =>
  bed(async (one) => {
    const handle = await destroyed(one, "1");
    one.cluster.items.set(PVS, [{
      metadata: { name: "pvc-live" },
      spec: { csi: { driver: "pure-csi", volumeHandle: handle } },
    }]);
    const { said, code, written } = await one.run("undelete", "--volume", volume("1"), "--yes");
    equal(code, 0);
    match(said, /PersistentVolume pvc-live means it already: no manifest is needed/);
    equal(written.size, 0);
    equal(await isLive(one, "1"), true);
  }));

Deno.test("admin undelete refuses while a PersistentVolume would have the volume destroyed again", () =>
  bed(async (one) => {
    const handle = await destroyed(one, "1");
    const pv = (phase: string, persistentVolumeReclaimPolicy: string) => ({
      metadata: { name: "pvc-live" },
      spec: { csi: { driver: "pure-csi", volumeHandle: handle }, persistentVolumeReclaimPolicy },
      status: { phase },
    });
    for (const phase of ["Released", "Failed"]) {
      one.cluster.items.set(PVS, [pv(phase, "Delete")]);
      const { code, obstacles } = await undelete(one, "--volume", volume("1"), "--yes");
      deepEqual([code, obstacles], [1, [
        `PersistentVolume pvc-live, which means it, is ${phase} with reclaimPolicy Delete, so that ` +
        "the driver would destroy it again: set that to Retain first",
      ]]);
      equal(await isLive(one, "1"), false);
    }
    for (const [phase, policy] of [["Released", "Retain"], ["Bound", "Delete"]] as const) {
      one.cluster.items.set(PVS, [pv(phase, policy)]);
      equal((await undelete(one, "--volume", volume("1"))).code, 0);
    }
  }));

/** What stands in the way, and what is said of it. */
const REFUSED: [string, (bed: Bed) => unknown, RegExp][] = [
  [
    "a PersistentVolume of the name that means another volume",
    ({ cluster }) =>
      cluster.items.set(PVS, [{
        metadata: { name: "pvc-old" },
        spec: { csi: { driver: "pure-csi", volumeHandle: "00000000/other" } },
      }]),
    /PersistentVolume pvc-old is there and means another volume: 00000000\/other, not /,
  ],
  [
    "a claim of the name",
    ({ cluster }) =>
      cluster.items.set("/api/v1/namespaces/shop/persistentvolumeclaims", [{
        metadata: { name: "data", namespace: "shop" },
        spec: { volumeName: "pvc-new" },
      }]),
    /claim shop\/data is there and has pvc-new: give the recovered volume another claim by --claim/,
  ],
  [
    "PersistentVolumes that may not be read",
    ({ cluster }) => cluster.answers.set(PVS, 403),
    /403.*it is not known whether its PersistentVolume or claim is there/,
  ],
];

for (const [what, spoil, wanted] of REFUSED) {
  Deno.test(`admin undelete refuses ${what} by its name, and changes nothing`, () =>
    bed(async (one) => {
      await destroyed(one, "1");
      await spoil(one);
      const { code, obstacles } = await undelete(one, "--volume", volume("1"), "--yes");
      equal(code, 1);
      equal(obstacles.length, 1);
      match(obstacles[0], wanted);
      equal(await isLive(one, "1"), false);
    }));
}

Deno.test("admin undelete refuses what has the tag of another cluster, or is nobody's", () =>
  bed(async (one) => {
    await destroyed(one, "1", { cluster: "other" });
    const { code, obstacles } = await undelete(one, "--volume", volume("1"), "--yes");
    equal(code, 1);
    match(obstacles[0], /has the tag of another cluster: cluster=other, and this one is k8s/);
    equal(await isLive(one, "1"), false);
    const { array, send } = one;
    await send(array, "POST /volumes?names=oracle", { provisioned: 1048576 });
    await send(array, "PATCH /volumes?names=oracle", { destroyed: true });
    const nobodys = await undelete(one, "--volume", "oracle", "--yes");
    match(nobodys.obstacles[0], /oracle .* was not made by this cluster \(k8s\)/);
  }));

Deno.test("admin undelete recovers a file system and serves it again, for the claim that is named", () =>
  bed(async (one) => {
    const { blade, send } = one;
    if (!blade) throw new Error("no FlashBlade");
    const name = volume("1");
    await send(blade, `POST /file-systems?names=${name}`, { provisioned: 1048576 });
    const off = { nfs: { v3_enabled: false, v4_1_enabled: false }, destroyed: true };
    await send(blade, `PATCH /file-systems?names=${name}`, off);
    const words = ["--volume", name, "--claim", "shop/album", "--yes"];
    const { code, objects, assumed, obstacles } = await undelete(one, ...words);
    equal(code, 0, obstacles?.join());
    equal(assumed.includes("accessModes ReadWriteMany"), true, assumed.join());
    deepEqual(objects.map(({ metadata }: { metadata: unknown }) => metadata), [
      { name: name.slice("k8s-".length) },
      { namespace: "shop", name: "album" },
    ]);
    const { items: [{ destroyed, nfs }] } = await send(blade, `GET /file-systems?names=${name}`);
    deepEqual([destroyed, nfs.v4_1_enabled, nfs.v3_enabled], [false, true, true]);
  }, { bladeToo: true }));

Deno.test("admin undelete refuses while a live volume has the name, or an array that may have one is silent", () =>
  bed(async (one) => {
    const { blade, send } = one;
    if (!blade) throw new Error("no FlashBlade");
    await destroyed(one, "1");
    await send(blade, `POST /file-systems?names=${volume("1")}`, { provisioned: 1048576 });
    const taken = await undelete(one, "--volume", volume("1"), "--yes");
    equal(taken.code, 1);
    match(
      taken.obstacles[0],
      /^array fb-1 has a live volume .*, and the destroyed one .* on array fa-1/,
    );
    const [secret] = one.cluster.items.get("/api/v1/namespaces/pso/secrets") ?? [];
    const data = secret?.data as Record<string, string>;
    data["pure.json"] = btoa(atob(data["pure.json"] ?? "").replace(blade.address, "127.0.0.1:1"));
    const silent = await undelete(one, "--volume", volume("1"), "--yes");
    match(silent.obstacles[0], /did not answer, and may have a live volume/);
    equal((await undelete(one)).code, 1);
    equal(await isLive(one, "1"), false);
  }, { bladeToo: true }));

Deno.test("admin undelete refuses wrong use with what would be right", async () => {
  const files = { "/there": "" };
  for (
    const [words, message] of [
      [["--yes"], /--yes is used with --volume only/],
      [["--volume", "v", "--claim", "x"], /--claim is "x", wanted NAMESPACE\/NAME/],
      [["--volume", "v", "--pv", "X_"], /--pv is "X_", wanted the name of a PersistentVolume/],
      [["--volume", "v", "--out", "/there"], /\/there is there already/],
    ] as const
  ) {
    const error = await runAdmin(["undelete", ...words], { files }).catch((caught) => caught);
    match(error.message, message);
  }
});
