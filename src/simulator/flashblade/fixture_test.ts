/** A simulated FlashBlade over a local plane, for the tests beside. */
import { until } from "../../async/wait.ts";
import { type Bench, testRun, withFleet } from "../fixture_test.ts";
import type { SimulateOptions } from "../simulate.ts";

export const NEWEST = "2.28";

/** Mounts and loop devices of this machine that have to do with `folder`. */
export async function hostState(folder: string): Promise<string> {
  const mounts = await testRun("findmnt", ["-rn", "-t", "xfs", "-o", "TARGET,SOURCE"], {
    okCodes: [0, 1],
  });
  const loops = await testRun("losetup", ["-n", "-O", "NAME,BACK-FILE"]);
  return [mounts, loops].flatMap(({ stdout }) =>
    stdout.split("\n").filter((line) => line.includes(folder))
  ).join("\n");
}

/** A loop device goes a moment after its last mount when another process looks at it just then. */
export async function nothingLeft(folder: string): Promise<void> {
  await until(`nothing of ${folder} left on the host`, async () => await hostState(folder) === "", {
    timeoutMs: 10_000,
  });
}

/** Runs `test` against one FlashBlade; afterwards nothing of it is mounted or attached. */
export function bladeTest(
  name: string,
  test: (bench: Bench) => Promise<void>,
  options: Partial<SimulateOptions> & { version?: string } = {},
): void {
  const { version = NEWEST, ...simulate } = options;
  Deno.test(name, async () => {
    let folder = "";
    await withFleet({ flasharrays: 0, flashblades: 1, ...simulate }, async (bench) => {
      bench.array.version = version;
      folder = bench.root;
      await test(bench);
    });
    await nothingLeft(folder);
  });
}

export const NFS = { v3_enabled: true, v4_1_enabled: true, rules: "*(rw,no_root_squash)" };

export function sized(provisioned: number, more: Record<string, unknown> = {}) {
  return { provisioned, hard_limit_enabled: true, nfs: NFS, ...more };
}

/** Where a client finds the file system on this host. */
export function exported(root: string, client: string, name: string): string {
  return `${root}/hosts/${client}/${name}`;
}

export function clientsOf(root: string): string[] {
  return [...Deno.readDirSync(`${root}/hosts`)].flatMap(({ name: client }) =>
    [...Deno.readDirSync(`${root}/hosts/${client}`)].map(({ name }) => `${client}/${name}`)
  ).sort();
}
