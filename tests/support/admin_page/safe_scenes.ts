/** The commands of docs/admin.md that bring back what was deleted from an array with SafeMode. */
import { testFleet } from "../../../src/simulator/fixture_test.ts";
import { type FakeCluster, fakeCluster, installIn, pvOf } from "../fake_cluster.ts";
import { type PageScenes, type Scene, secretEntryOf, send, volume } from "./page_bed.ts";
import { deleteTagged, register } from "./right_scenes.ts";

const KUBE = "--kubeconfig prod.kubeconfig";
const LOST = ["a", "b"];
const HOUR_MS = 3_600_000;

/** In this order: each meets what those before it left. */
export async function safeScenes(): Promise<PageScenes> {
  const fleet = await testFleet({
    flasharrays: 1,
    flashblades: 0,
    http: false,
    eradication: { isManual: false },
  });
  const [array] = fleet.arrays;
  if (!array) throw new Error("an array is needed");
  const cluster = fakeCluster();
  installIn(cluster, {
    arrays: JSON.stringify({ FlashArrays: [await secretEntryOf(array)] }),
    now: Date.now(),
  });
  register({ cluster }, "node-a");
  const files = { "prod.kubeconfig": cluster.kubeconfig };
  const repair = `pso-bin admin doctor ${KUBE} --repair`;
  const scenes: Scene[] = [
    {
      name: "undelete safe",
      line: `pso-bin admin undelete ${KUBE}`,
      files,
      before: () => deleteTagged(array, volume("4")),
    },
    {
      name: "repair asked",
      line: repair,
      files,
      answers: ["y", "n"],
      laterMs: HOUR_MS,
      before: () => loseBound(array, cluster),
    },
    { name: "repair agreed", line: `${repair} --yes`, files, laterMs: HOUR_MS },
    { name: "repair none", line: `${repair} --yes`, files, laterMs: HOUR_MS },
  ];
  return {
    scenes,
    stop: async () => {
      await cluster.stop();
      await fleet.stop();
    },
  };
}

/** Volumes that were destroyed behind the driver's back, while claims have them. */
async function loseBound(
  array: Parameters<typeof send>[0],
  { items }: FakeCluster,
): Promise<void> {
  const { items: [{ id }] } = await send(array, ["GET /arrays"]);
  for (const digit of LOST) {
    await send(
      array,
      [`POST /volumes?names=${volume(digit)}`, { provisioned: 1048576 }],
      [`PATCH /volumes?names=${volume(digit)}`, { destroyed: true }],
    );
  }
  items.set(
    "/api/v1/persistentvolumes",
    LOST.map((digit) => {
      const name = volume(digit).slice(4);
      const pv = pvOf(name, { handle: `${id.slice(0, 8)}/${volume(digit)}` });
      return { ...pv, metadata: { name, uid: `uid-${digit}` } };
    }),
  );
}
