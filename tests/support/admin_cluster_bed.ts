/** One simulated FlashArray and a healthy installation that uses it, for the verbs of `admin`. */
import { equal } from "node:assert/strict";
import { TestClient, testFleet } from "../../src/simulator/fixture_test.ts";
import type { FleetEntry } from "../../src/simulator/control.ts";
import { type AdminResult, runAdmin } from "./admin_bed.ts";
import { type FakeCluster, fakeCluster, installIn } from "./fake_cluster.ts";

export const PVS = "/api/v1/persistentvolumes";
export const PODS = "/api/v1/namespaces/pso/pods";
export const OLD_RESIZER = "quay.io/k/csi-resizer:v0.5.0";
export const volume = (digit: string) => `k8s-pvc-${digit.repeat(8)}-0000-4000-8000-000000000000`;

interface Bed {
  cluster: FakeCluster;
  array: FleetEntry;
  /** Of `secondToo`. */
  second?: FleetEntry;
  /** Of `bladeToo`. */
  blade?: FleetEntry;
  /** Sends a call to the array of the entry; throws its refusal. */
  send: (entry: FleetEntry, call: string, body?: unknown) => ReturnType<TestClient["ok"]>;
  /** Runs a verb by the kubeconfig, and without a values file. */
  run: (...words: string[]) => Promise<AdminResult>;
  /** Makes a volume on the array, and gives its handle. */
  make: (name: string) => Promise<string>;
}

/** What differs from one FlashArray and the time of day. */
interface BedOptions {
  /** A second FlashArray. */
  secondToo?: boolean;
  /** A FlashBlade beside the FlashArray. */
  bladeToo?: boolean;
  /** The arrays let nobody eradicate. */
  safeMode?: boolean;
  /** What the verbs take for the time. */
  now?: () => number;
  /** As AdminContext.confirm. */
  confirm?: (question: string) => Promise<boolean>;
}

/** One simulated FlashArray, and a healthy installation that uses it. */
export async function bed(
  test: (bed: Bed) => Promise<void>,
  { secondToo = false, bladeToo = false, safeMode, now = Date.now, confirm }: BedOptions = {},
): Promise<void> {
  const flasharrays = secondToo ? 2 : 1;
  const eradication = safeMode ? { isManual: false } : undefined;
  const served = await testFleet({ flasharrays, flashblades: bladeToo ? 1 : 0, eradication });
  const cluster = fakeCluster();
  try {
    const [array, ...others] = served.arrays;
    const [second, blade] = secondToo ? others : [undefined, ...others];
    if (array === undefined) throw new Error("no array");
    const entryOf = ({ address, token }: FleetEntry) => ({
      MgmtEndPoint: `http://${address}`,
      APIToken: token,
    });
    const FlashBlades = blade ? [{ ...entryOf(blade), NFSEndPoint: "10.0.0.3" }] : [];
    const FlashArrays = [array, ...second ? [second] : []].map(entryOf);
    const arrays = JSON.stringify({ FlashArrays, FlashBlades });
    installIn(cluster, { arrays, now: Date.now() });
    const files = { "/k/config": cluster.kubeconfig };
    await test({
      cluster,
      array,
      second,
      blade,
      send: sendTo,
      run: (...words) =>
        runAdmin([...words, "--kubeconfig", "/k/config"], {
          files,
          env: { PATH: Deno.env.get("PATH") ?? "" },
          now,
          confirm,
        }),
      make: (name) => makeVolume(array, name),
    });
  } finally {
    await cluster.stop();
    await served.stop();
  }
}

async function sendTo(entry: FleetEntry, call: string, body?: unknown) {
  const client = new TestClient(entry);
  try {
    await client.login(entry.kind === "flashblade" ? "/api/login" : undefined);
    return await client.ok(call, body);
  } finally {
    client.close();
  }
}

async function makeVolume({ address, token }: FleetEntry, name: string): Promise<string> {
  const call = async (path: string, init: RequestInit) => {
    const answer = await fetch(`http://${address}/api/2.26/${path}`, init);
    const body = await answer.json();
    equal(answer.status, 200, path);
    return { body, session: answer.headers.get("x-auth-token") ?? "" };
  };
  const { session } = await call("login", { method: "POST", headers: { "api-token": token } });
  const headers = { "x-auth-token": session };
  const body = JSON.stringify({ provisioned: 1048576 });
  await call(`volumes?names=${name}`, { method: "POST", headers, body });
  const { body: { items } } = await call("arrays", { headers });
  return `${items[0].id.slice(0, 8)}/${name}`;
}
