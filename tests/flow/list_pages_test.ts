// Lists in small pages over real clients: every entry once, for as many calls as in large pages.
import { deepEqual, equal } from "node:assert/strict";
import type { ListRequest } from "../../src/controller/requests.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";

/** A page of a list, of whatever. */
interface ListPage {
  entries: unknown[];
  nextToken: string;
}

/** Every page of a list, and the calls that it cost. */
async function whole(
  bed: ProvisionerBed,
  maxEntries: number,
  list: (request: ListRequest) => Promise<ListPage>,
): Promise<{ entries: unknown[]; calls: string[] }> {
  const entries: unknown[] = [];
  const calls = await bed.calls(async () => {
    let startingToken = "";
    do {
      const page = await list({ maxEntries, startingToken });
      equal(page.entries.length <= maxEntries, true, `${page.entries.length} entries`);
      entries.push(...page.entries);
      startingToken = page.nextToken;
    } while (startingToken !== "");
  });
  return { entries, calls };
}

Deno.test("15.12: lists of volumes and of snapshots in small pages cost few calls, and give each once", () =>
  ProvisionerBed.run({ flasharrays: 2, flashblades: 1 }, async (bed) => {
    const { provisioner, signal } = bed;
    for (let index = 0; index < 24; index++) {
      const backend = index % 3 === 0 ? "file" : "block";
      const sourceVolumeId = await bed.create(`pvc-${index}`, { parameters: { backend } });
      const name = `snapshot-${index}`;
      await provisioner.createSnapshot({ name, sourceVolumeId, parameters: {} }, signal);
    }
    const lists: Record<string, (request: ListRequest) => Promise<ListPage>> = {
      volumes: (request) => provisioner.listVolumes(request, signal),
      snapshots: (request) =>
        provisioner.listSnapshots({ ...request, snapshotId: "", sourceVolumeId: "" }, signal),
    };
    for (const [what, list] of Object.entries(lists)) {
      const { entries: wanted } = await whole(bed, 1000, list);
      equal(wanted.length, 24, what);
      for (const maxEntries of [1, 3, 5]) {
        const { entries, calls } = await whole(bed, maxEntries, list);
        deepEqual(entries, wanted, `${what} in pages of ${maxEntries}`);
        // One for the first page, and one for what is left of each array.
        equal(calls.length <= 4, true, calls.join("\n"));
      }
    }
  }));

Deno.test("15.12: a list goes on at another controller in the middle of what was read ahead", () =>
  ProvisionerBed.run({ flasharrays: 1, flashblades: 0 }, async (bed) => {
    const made = [];
    for (let index = 0; index < 9; index++) made.push(await bed.create(`pvc-${index}`));
    const seen: string[] = [];
    let startingToken = "";
    do {
      const request = { maxEntries: 2, startingToken };
      const { entries, nextToken } = await bed.provisioner.listVolumes(request, bed.signal);
      seen.push(...entries.map(({ volume }) => volume.volumeId));
      startingToken = nextToken;
      await bed.restart();
      await bed.fleet.refresh(bed.signal);
    } while (startingToken !== "");
    deepEqual(seen.toSorted(), made.toSorted());
  }));
