// File systems and their snapshots that many look up at once, over answers that a test chooses.
import { deepEqual, equal } from "node:assert/strict";
import { AnswerTooLargeError } from "../../net/https.ts";
import { Snapshots } from "../rest/snapshots.ts";
import { arrayThat } from "../../../tests/support/named_array.ts";
import { FileSystems } from "./file_systems.ts";
import { FILE_SYSTEM_SNAPSHOTS } from "./snapshots.ts";
import { FLASHBLADE_DIALECT } from "./status.ts";

type Give = Parameters<typeof arrayThat>[0];

function fileSystem(name: string) {
  return { name, id: `id of ${name}`, provisioned: 1, destroyed: false, nfs: { rules: name } };
}

/** What is looked up on a FlashBlade that answers so; a first look-up is over. */
async function bladeThat(give: Give) {
  const { context, asked } = arrayThat(give, { dialect: FLASHBLADE_DIALECT, label: "fb-1" });
  const snapshots = new Snapshots(context, FILE_SYSTEM_SNAPSHOTS);
  const fileSystems = new FileSystems({ ...context, snapshots });
  await fileSystems.findItem("first", {});
  await snapshots.keptOf("first");
  asked.length = 0;
  return { fileSystems, snapshots, asked };
}

const namesOf = (count: number) => Array.from({ length: count }, (_, at) => `k8s-${at}`);

Deno.test("15.12: file systems that many look up at once are read sixteen in a call, and each gets its own", async () => {
  const { fileSystems, asked } = await bladeThat((names) => names.toReversed().map(fileSystem));
  const names = namesOf(33);
  const found = await Promise.all(names.map((name) => fileSystems.findItem(name, {})));
  deepEqual(found.map((one) => one?.nfs?.rules), names);
  deepEqual(asked.map(({ length }) => length), [1, 16, 16]);
});

Deno.test("15.12: a file system that is gone is told to its caller alone", async () => {
  const { fileSystems } = await bladeThat((names) => {
    const context = names.find((name) => ["k8s-2", "k8s-5"].includes(name));
    return context === undefined
      ? names.map(fileSystem)
      : { message: "File system does not exist.", context };
  });
  const names = namesOf(8);
  const found = await Promise.all(names.map((name) => fileSystems.findItem(name, {})));
  deepEqual(
    found.map((one) => one?.name),
    names.map((name) => ["k8s-2", "k8s-5"].includes(name) ? undefined : name),
  );
});

Deno.test("15.12: a file system that an answer leaves out, or shows destroyed, is no live one, and harms no other", async () => {
  const { fileSystems } = await bladeThat((names) =>
    names.filter((name) => names.length === 1 || name !== "k8s-1").map((name) => ({
      ...fileSystem(name),
      destroyed: name === "k8s-3",
    }))
  );
  const names = namesOf(5);
  const found = await Promise.all(names.map((name) => fileSystems.findItem(name, {})));
  deepEqual(found.map((one) => one?.name), ["k8s-0", "k8s-1", "k8s-2", undefined, "k8s-4"]);
});

Deno.test("15.12: file systems with rules for so many nodes that no answer holds them are read in smaller parts", async () => {
  const { fileSystems, asked } = await bladeThat((names) => {
    if (names.length > 4) throw new AnswerTooLargeError("unavailable", "too much", { sent: true });
    return names.map(fileSystem);
  });
  const names = namesOf(17);
  const found = await Promise.all(names.map((name) => fileSystems.findItem(name, {})));
  deepEqual(found.map((one) => one?.name), names);
  deepEqual(asked.map(({ length }) => length), [1, 16, 8, 8, 4, 4, 4, 4]);
});

Deno.test("15.12: an answer about a file system that nobody asked for is used for none", async () => {
  const { fileSystems } = await bladeThat((names) =>
    [...names, ...names.length > 1 ? ["stranger"] : []].map(fileSystem)
  );
  const names = namesOf(5);
  const found = await Promise.all(names.map((name) => fileSystems.findItem(name, {})));
  deepEqual(found.map((one) => one?.name), names);
});

Deno.test("15.12: trouble of the FlashBlade is told to all who asked, once", async () => {
  const { fileSystems, asked } = await bladeThat((names) => {
    if (names[0] !== "first") throw new Error("the array went away");
    return names.map(fileSystem);
  });
  const signal = AbortSignal.timeout(5_000);
  const finds = namesOf(5).map((name) => fileSystems.findItem(name, { signal }));
  const ends = await Promise.allSettled(finds);
  deepEqual(ends.map(({ status }) => status), finds.map(() => "rejected"));
  equal(asked.filter(({ length }) => length > 1).length, 1);
});

Deno.test("15.12: snapshots of several file systems are read in one call, and keep their own file system alone", async () => {
  const { snapshots, asked } = await bladeThat((names) =>
    names.filter((name) => name === "k8s-3").map((name) => ({
      name: `${name}.kept`,
      source: { name },
      owner: { name },
      created: 1,
    }))
  );
  const kept = await Promise.all(namesOf(6).map((name) => snapshots.keptOf(name)));
  deepEqual(kept.map((few) => few.map(({ name }) => name)), [[], [], [], ["k8s-3.kept"], [], []]);
  deepEqual(asked.map(({ length }) => length), [1, 5]);
});
