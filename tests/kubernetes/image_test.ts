/**
 * The very image in a cluster, with nothing beside it: one `helm install` with `simulate.enabled`
 * gives a driver whose arrays answer, and pods with volumes.
 */
import assert from "node:assert/strict";
import { removeFolder } from "../../scripts/mounts.ts";
import { ROOT } from "../../scripts/program.ts";
import { runTool } from "../../scripts/shell.ts";
import { until } from "../../src/async/wait.ts";
import { simulated, startImages } from "./image_cluster.ts";
import { type Kubectl, WAIT_MS } from "./kubectl.ts";
import { claim, counter, pod } from "./objects.ts";
import { cannotRun, Steps } from "./steps.ts";

const ignore = await cannotRun("the image in Kubernetes");
const NAMESPACE = "pso";
const SIMULATOR = "pure-csi-simulator";

let cluster: Kubectl;
let dir: string;
const steps = new Steps(() => cluster?.events());

const helm = async (...args: string[]) =>
  await runTool("helm4", [...args, "--namespace", NAMESPACE], {
    env: {
      ...cluster.env,
      HELM_CACHE_HOME: `${dir}/helm/cache`,
      HELM_CONFIG_HOME: `${dir}/helm/config`,
      HELM_DATA_HOME: `${dir}/helm/data`,
    },
  });

/** Loop devices of images of the fleet. */
async function devices(): Promise<string[]> {
  const list = await runTool("losetup", ["--noheadings", "--output", "BACK-INO,BACK-FILE"]);
  const fleet = `${dir}/fleet/plane`;
  const images = new Set<number | null>();
  for (const array of await namesIn(fleet)) {
    for (const id of await namesIn(`${fleet}/${array}/images`)) {
      images.add((await Deno.stat(`${fleet}/${array}/images/${id}`)).ino);
    }
  }
  // By the inode: of a container that has ended, the kernel tells no path.
  return list.split("\n").filter((line) => images.has(Number(line.trim().split(/\s+/)[0])));
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch {
    return [];
  }
}

Deno.test.beforeAll(async () => {
  if (ignore) return;
  dir = await Deno.makeTempDir({ prefix: "k-" });
  cluster = await startImages(steps, dir, "image");
});

Deno.test.afterAll(async () => {
  if (ignore) return;
  await cluster?.down();
  await removeFolder(dir);
  steps.print();
});

/** A test of the running cluster. What it starts lives on between tests. */
function scenario(name: string, work: () => Promise<void>): void {
  Deno.test({ name, ignore, sanitizeOps: false, sanitizeResources: false, fn: work });
}

scenario(
  "one helm install with simulate.enabled: block and file volumes in pods, RWX on two nodes",
  async () => {
    const { simulate, nodeServer } = simulated(`${dir}/fleet`);
    await steps.timed("helm install --wait", () =>
      helm(
        ...["install", "pure-csi", `${ROOT}/deploy/helm/pure-csi`, "--create-namespace"],
        ...["--set-json", `simulate=${JSON.stringify(simulate)}`],
        ...["--set-json", `nodeServer=${JSON.stringify(nodeServer)}`],
        ...["--wait", "--timeout", `${WAIT_MS / 1000}s`],
      ));
    await steps.timed("block and file claims Bound, pods Ready", async () => {
      await cluster.apply(
        claim("block"),
        claim("file", { storageClass: "pure-file", access: "ReadWriteMany" }),
        counter("writer", 1, "block"),
        counter("counter", 1, "file"),
        pod("reader", 2, { claim: "file" }),
      );
      await cluster.running("writer", "counter", "reader");
    });
    assert.match(await cluster.exec("writer", "grep ' /data ' /proc/mounts"), / xfs rw/);
    const seen = Number(await cluster.exec("reader", "tail -n 1 /data/count"));
    await until(
      "the reader sees what the other node writes",
      async () => Number(await cluster.exec("reader", "tail -n 1 /data/count")) > seen,
      {
        timeoutMs: 30_000,
      },
    );
  },
);

/** What the counting pods have written is all there, and grows. */
async function writesGoOn(): Promise<void> {
  for (const name of ["writer", "counter"]) {
    const before = Number(await cluster.exec(name, "tail -n 1 /data/count"));
    await until(
      `${name} writes`,
      async () => Number(await cluster.exec(name, "tail -n 1 /data/count")) > before,
      { timeoutMs: 30_000 },
    );
    const lines = await cluster.exec(name, "wc -l </data/count; tail -n 1 /data/count");
    const [count, last] = lines.split("\n").map((line) => Number(line.trim()));
    assert.ok(Math.abs((count ?? 0) - (last ?? 0)) <= 1, `${name}: ${lines}`); // it writes on
  }
}

for (
  const [how, force] of [["ends", []], ["is deleted by force", [
    "--grace-period=0",
    "--force",
  ]]] as const
) {
  scenario(
    `the simulator's pod ${how} while pods write: each image has one loop device, and no write is lost`,
    async () => {
      const before = await devices();
      assert.equal(before.length, 2, before.join("\n"));
      await steps.timed(`the simulator's pod ${how}, and the next one is ready`, async () => {
        await cluster.kubectl(
          ...[
            "delete",
            "pod",
            "--namespace",
            NAMESPACE,
            "--selector",
            `app=${SIMULATOR}`,
            ...force,
          ],
        );
        await cluster.kubectl(
          ...["rollout", "status", `deployment/${SIMULATOR}`, "--namespace", NAMESPACE],
          `--timeout=${WAIT_MS / 1000}s`,
        );
      });
      await writesGoOn();
      assert.equal((await devices()).length, 2, "no image has a second one");
    },
  );
}

scenario("after pods, claims and release are gone nothing is left on the hosts", async () => {
  await steps.timed("pods and claims are deleted", async () => {
    await cluster.delete("pod", "--all");
    await cluster.delete("pvc", "--all");
    await until(
      "the last volume is gone",
      async () => (await cluster.get("pv")).items.length === 0,
      { timeoutMs: WAIT_MS, intervalMs: 500 },
    );
  });
  assert.deepEqual((await cluster.get("volumeattachments")).items, []);
  await steps.timed("helm uninstall --wait", () => helm("uninstall", "pure-csi", "--wait"));
  await until("no loop device of the fleet", async () => (await devices()).length === 0, {
    timeoutMs: 30_000,
  });
});
