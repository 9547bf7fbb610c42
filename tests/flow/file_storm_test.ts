// Many file claims at once, over real clients and simulated FlashBlades: what their lives cost.
import { deepEqual, equal, ok } from "node:assert/strict";
import { N1, N2, ProvisionerBed, RWX } from "./provisioner_bed.ts";

const CLAIMS = 40;
const FILE = { capabilities: [RWX], parameters: { backend: "file" } };
/** So long that those who come meanwhile are gathered. */
const SLOW = { flasharrays: 0, flashblades: 2, latencyMs: 20 };

Deno.test("15.12: in a storm of file claims the look-ups of all cost less than one call for each claim", async () => {
  await ProvisionerBed.run(SLOW, async (bed) => {
    const names = Array.from({ length: CLAIMS }, (_, at) => `pvc-${at}`);
    // One after another: each is an image with a file system of its own in the simulator.
    const ids: string[] = [];
    for (const name of names) ids.push(await bed.create(name, FILE));
    const callsOf = async (work: (id: string, at: number) => Promise<unknown>) =>
      await bed.calls(() => Promise.all(ids.map(work)));
    const lookUps = (calls: string[]) => calls.filter((call) => call.startsWith("GET ")).length;
    const changes = (calls: string[]) => calls.length - lookUps(calls);

    const nodeOf = (at: number) => at % 2 === 0 ? N1 : N2;
    const published = await callsOf((id, at) => bed.publish(id, nodeOf(at), { capability: RWX }));
    equal(changes(published), CLAIMS);
    const shown = await Promise.all(ids.map((id) => bed.publishedTo(id)));
    deepEqual(shown.map(({ length }) => length), ids.map(() => 1));
    const { provisioner, signal } = bed;
    const unpublished = await callsOf((volumeId, at) =>
      provisioner.unpublishVolume({ volumeId, nodeId: nodeOf(at).name }, signal)
    );
    equal(changes(unpublished), CLAIMS);
    const deleted = await callsOf((id) => provisioner.deleteVolume(id, signal));
    equal(changes(deleted), CLAIMS);
    deepEqual(await bed.volumes(), { "fb-1": [], "fb-2": [] });

    const spent = [published, unpublished, deleted].map(lookUps);
    ok(spent.reduce((sum, one) => sum + one) < CLAIMS, `look-ups: ${spent.join(", ")}`);
  });
});
