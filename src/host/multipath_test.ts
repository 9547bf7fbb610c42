import assert from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import type { Host } from "./host.ts";
import { waitForMap } from "./multipath.ts";

const WWID = "3624a9370000000000000000000011010";
const OTHER = "3624a9370000000000000000000011011";

/** A host root with one map `dm-0` over some paths, and its link in /dev/mapper. */
async function rootWithMap(
  { wwid, paths }: { wwid: string; paths: string[] },
): Promise<Host & AsyncDisposable> {
  const root = await Deno.makeTempDir({ prefix: "pso-multipath-" });
  const map = `${root}/sys/class/block/dm-0`;
  for (const folder of ["dm", "holders", "slaves"]) {
    await Deno.mkdir(`${map}/${folder}`, { recursive: true });
  }
  await Deno.writeTextFile(`${map}/dm/uuid`, `mpath-${wwid}\n`);
  await Deno.writeTextFile(`${map}/dm/name`, "mpatha\n");
  for (const path of paths) {
    await Deno.mkdir(`${root}/sys/class/block/${path}/holders/dm-0`, { recursive: true });
    await Deno.mkdir(`${map}/slaves/${path}`);
  }
  await Deno.mkdir(`${root}/dev/mapper`, { recursive: true });
  await Deno.symlink("../dm-0", `${root}/dev/mapper/mpatha`);
  const run = () => Promise.reject(new Error("no tool is needed"));
  return {
    root,
    namespaces: "direct",
    run,
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

Deno.test("waitForMap() finds the map by whichever of its paths is in it already", async () => {
  await using host = await rootWithMap({ wwid: WWID, paths: ["sdb"] });
  const map = await waitForMap(host, { wwid: WWID, paths: ["sda", "sdb"] });
  assert.deepEqual(map, { name: "dm-0", alias: "mpatha", wwid: WWID, paths: ["sdb"], holders: [] });
});

Deno.test("waitForMap() never takes the map of another volume that holds a path of ours", async () => {
  await using host = await rootWithMap({ wwid: OTHER, paths: ["sda"] });
  const looking = waitForMap(host, { wwid: WWID, paths: ["sda"] }, AbortSignal.timeout(200));
  await assert.rejects(looking, (error) => isPsoError(error, "timeout"));
});
