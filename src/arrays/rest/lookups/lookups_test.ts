import { deepEqual, equal, rejects } from "node:assert/strict";
import { PsoError } from "../../../errors.ts";
import { FLASHARRAY_DIALECT } from "../../flasharray/status.ts";
import { ConnectionRows } from "../../flasharray/connection_rows.ts";
import { VOLUME_SNAPSHOTS } from "../../flasharray/snapshots.ts";
import { type VolumeItem, volumeItem } from "../../flasharray/wire.ts";
import { type ArrayContext, NamedObjects } from "../named_objects.ts";
import { Snapshots } from "../snapshots.ts";
import { NAMES_PER_CALL } from "./lookups.ts";
import { arrayThat } from "../../../../tests/support/named_array.ts";

const FLASHARRAY = { dialect: FLASHARRAY_DIALECT, label: "fa-1" };

function volumes(context: ArrayContext): NamedObjects<VolumeItem> {
  return new NamedObjects<VolumeItem>(context, {
    path: "volumes",
    noun: "volume",
    nameKey: "names",
    item: volumeItem,
    recovery: () => "recover it",
    together: NAMES_PER_CALL,
  });
}

function volume(name: string) {
  return { name, id: `id of ${name}`, serial: "A1", provisioned: 1, destroyed: false };
}

const NAMES = ["k8s-a", "k8s-b", "k8s-c", "k8s-d"];

Deno.test("15.12: look-ups of volumes that come at once go in one call, and each gets the one of its name", async () => {
  const { context, asked } = arrayThat((names) => names.toReversed().map(volume), FLASHARRAY);
  const objects = volumes(context);
  await objects.find("k8s-first");
  const found = await Promise.all(NAMES.map((name) => objects.find(name)));
  deepEqual(found.map((one) => one?.id), NAMES.map((name) => `id of ${name}`));
  deepEqual(asked.map((names) => names.length), [1, 1, 3]);
});

Deno.test("a volume that is gone is told to its caller alone, in three calls for all", async () => {
  const { context, asked } = arrayThat(
    (names) =>
      names.includes("k8s-c")
        ? { message: "Volume does not exist.", context: "k8s-c" }
        : names.map(volume),
    FLASHARRAY,
  );
  const objects = volumes(context);
  await objects.find("k8s-first");
  const found = await Promise.all(["k8s-0", ...NAMES].map((name) => objects.find(name)));
  deepEqual(found.map((one) => one?.name), ["k8s-0", "k8s-a", "k8s-b", undefined, "k8s-d"]);
  deepEqual(asked.slice(2).map((names) => names.join()), [
    "k8s-a,k8s-b,k8s-c,k8s-d",
    "k8s-c",
    "k8s-a,k8s-b,k8s-d",
  ]);
});

Deno.test("a name that an answer leaves out is no proof that its volume is gone: it is looked up alone", async () => {
  const { context } = arrayThat(
    (names) => (names.length > 1 ? names.filter((name) => name !== "k8s-b") : names).map(volume),
    FLASHARRAY,
  );
  const objects = volumes(context);
  await objects.find("k8s-first");
  const found = await Promise.all(["k8s-0", ...NAMES].map((name) => objects.find(name)));
  equal(found[2]?.name, "k8s-b");
});

Deno.test("an answer about a volume that nobody asked for is used for none, and each is asked for alone", async () => {
  const { context } = arrayThat(
    (names) =>
      names.length > 1 ? [...names.map(volume), volume("k8s-stranger")] : names.map(volume),
    FLASHARRAY,
  );
  const objects = volumes(context);
  await objects.find("k8s-first");
  const found = await Promise.all(["k8s-0", ...NAMES].map((name) => objects.find(name)));
  deepEqual(found.map((one) => one?.name), ["k8s-0", ...NAMES]);
});

Deno.test("a look-up that its caller leaves says which array did not answer, and the others go on", async () => {
  const { context } = arrayThat((names) => names.map(volume), FLASHARRAY);
  const objects = volumes(context);
  await objects.find("k8s-first");
  const gone = new AbortController();
  const first = objects.find("k8s-0");
  const asked = NAMES.map((name, at) =>
    objects.find(name, { signal: at === 1 ? gone.signal : undefined })
  );
  gone.abort(new PsoError("timeout", "the deadline of the call is over"));
  await rejects(asked[1] ?? first, {
    code: "unavailable",
    message: "array fa-1 gave no answer to GET volumes: the deadline of the call is over",
  });
  const rest = await Promise.all([first, ...asked.filter((_, at) => at !== 1)]);
  deepEqual(rest.map((one) => one?.name), ["k8s-0", "k8s-a", "k8s-c", "k8s-d"]);
});

Deno.test("connections of several volumes are read in one call, and each caller sees those of its volume alone", async () => {
  const { context, asked } = arrayThat(
    (names) =>
      names.filter((name) => name !== "k8s-d").flatMap((name) =>
        ["host-1", "host-2"].map((host) => ({ volume: { name }, host: { name: host }, lun: 1 }))
      ),
    FLASHARRAY,
  );
  const rows = new ConnectionRows(context);
  await rows.ofVolume("k8s-first");
  const found = await Promise.all(["k8s-0", ...NAMES].map((name) => rows.ofVolume(name)));
  deepEqual(found.map((few) => few.map((row) => row.volume?.name)), [
    ["k8s-0", "k8s-0"],
    ["k8s-a", "k8s-a"],
    ["k8s-b", "k8s-b"],
    ["k8s-c", "k8s-c"],
    [],
  ]);
  equal(asked.length, 3);
});

Deno.test("a volume with more snapshots than a page has hides none of the others' from their delete", async () => {
  const { context } = arrayThat(
    (names) =>
      names.flatMap((name) =>
        name === "k8s-b" ? [{ name: "k8s-b.kept", source: { name: "k8s-b" }, created: 1 }] : []
      ),
    FLASHARRAY,
  );
  const page = context.rest.page.bind(context.rest);
  // Several names in one call: the array says that more follows.
  context.rest.page = async (call, options) => {
    const answer = await page(call, options);
    return Array.isArray(call.query?.source_names) ? { ...answer, nextToken: "more" } : answer;
  };
  const snapshots = new Snapshots(context, VOLUME_SNAPSHOTS);
  await snapshots.keptOf("k8s-first");
  const kept = await Promise.all(["k8s-0", ...NAMES].map((name) => snapshots.keptOf(name)));
  deepEqual(kept.map((few) => few.map(({ name }) => name)), [[], [], ["k8s-b.kept"], [], []]);
});

Deno.test("snapshots of several volumes are read in one call, and keep their own volume alone", async () => {
  const { context, asked } = arrayThat(
    (names) =>
      names.filter((name) => name === "k8s-c").map((name) => ({
        name: `${name}.kept`,
        source: { name },
        created: 1,
      })),
    FLASHARRAY,
  );
  const snapshots = new Snapshots(context, VOLUME_SNAPSHOTS);
  await snapshots.keptOf("k8s-first");
  const kept = await Promise.all(["k8s-0", ...NAMES].map((name) => snapshots.keptOf(name)));
  deepEqual(kept.map((few) => few.length), [0, 0, 0, 1, 0]);
  equal(asked.length, 3);
});

Deno.test("two spellings of one name that is gone are each told so, in a call of their own", async () => {
  let calls = 0;
  const { context, asked } = arrayThat(
    (names) => {
      if (++calls > 20) throw new Error("asked again and again");
      return names.some((name) => name.toLowerCase() === "k8s-a")
        ? { message: "Volume does not exist.", context: "k8s-a" }
        : names.map(volume);
    },
    FLASHARRAY,
  );
  const objects = volumes(context);
  await objects.find("k8s-first");
  const found = await Promise.all(["k8s-0", "K8S-A", "k8s-a"].map((name) => objects.find(name)));
  deepEqual(found.map((one) => one?.name), ["k8s-0", undefined, undefined]);
  deepEqual(asked.slice(2).map((names) => names.join()), ["K8S-A,k8s-a", "K8S-A", "k8s-a"]);
});
