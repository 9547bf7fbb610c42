// The outputs in docs/admin.md are what the program prints. With PSO_WRITE_DOCS=1 they are written
// anew.
import assert from "node:assert/strict";
import { ROOT } from "../scripts/program.ts";
import { encodeNodeId } from "../src/handoff.ts";
import { TestClient, testFleet } from "../src/simulator/fixture_test.ts";
import type { ServedFleet } from "../src/simulator/simulate.ts";
import { runAdmin } from "./support/admin_bed.ts";
import { type FakeCluster, fakeCluster, installIn, pvOf } from "./support/fake_cluster.ts";

const PAGE = `${ROOT}/docs/admin.md`;

/** A command as a reader types it, and what it prints; `drop` leaves out what stands elsewhere. */
interface Shown {
  line: string;
  files?: Record<string, string>;
  drop?: RegExp;
  /** How much later it is for the command. */
  laterMs?: number;
}

const volume = (digit: string) => `k8s-pvc-${digit.repeat(8)}-1b2c-4d3e-8f4a-5b6c7d8e9f00`;

/** A claim with its class. */
const CLAIM = `
kind: PersistentVolumeClaim
metadata: {name: orders, namespace: shop}
spec: {storageClassName: gold, accessModes: [ReadWriteOnce], resources: {requests: {storage: 100Gi}}}
---
kind: StorageClass
metadata: {name: gold}
parameters: {iops_limit: "5000"}
`;

/** What the commands of the page meet, by the name of their output. */
async function scenes(fleet: ServedFleet, cluster: FakeCluster): Promise<Record<string, Shown>> {
  const [one, two, blade] = fleet.arrays;
  if (!one || !two || !blade) throw new Error("three arrays are needed");
  const entry = ({ address, token, ca }: typeof one, more: Record<string, string> = {}) => ({
    MgmtEndPoint: address,
    APIToken: token,
    CACert: ca,
    ...more,
  });
  const values = (arrays: unknown) => ({ "values.yaml": JSON.stringify({ arrays }) });
  const { CACert: _, ...pinned } = entry(two, { CertFingerprint: "AB:".repeat(31) + "CD" });
  const nfs = { NFSEndPoint: "10.22.0.3" };
  const stranger = "T-00000000-1111-4222-8333-444455556666";
  const healthy = { FlashArrays: [entry(one)], FlashBlades: [entry(blade, nfs)] };
  installIn(cluster, {
    arrays: JSON.stringify({ FlashArrays: [await withCa(entry(one))] }),
    now: Date.now(),
  });
  const config = { "prod.kubeconfig": cluster.kubeconfig };
  return {
    healthy: { line: "pso-bin admin check -f values.yaml", files: values(healthy) },
    "half broken": {
      line: "pso-bin admin check -f values.yaml",
      files: values({
        FlashArrays: [
          entry(one),
          pinned,
          entry(one, { MgmtEndPoint: one.address.replace("127.0.0.1", "localhost") }),
          { MgmtEndPoint: "127.0.0.1:1", APIToken: one.token },
        ],
        FlashBlades: [entry(blade, { ...nfs, APIToken: stranger })],
      }),
    },
    wrong: {
      line: "pso-bin admin check -f values.yaml",
      files: {
        "values.yaml": JSON.stringify({
          clusterID: "REPLACE_CLUSTER_ID_WITH_SOMETHING_THAT_IS_TOO_LONG_TO_BE_ONE",
          arrays: {
            FlashArrays: [{ MgmtEndPoint: "https://fa-1.example/api", Lables: {} }],
            FlashBlades: [{ MgmtEndPoint: "fb-1.example", APIToken: blade.token }],
          },
          flasharray: { sanType: "SCSI", iSCSILoginTimeout: "soon" },
          flashblde: {},
        }),
      },
    },
    "no file": { line: "pso-bin admin check -f value.yaml" },
    cluster: {
      line: "pso-bin admin check --kubeconfig prod.kubeconfig",
      files: config,
      drop: /\n\narrays\.FlashArrays[^]*?(?=\n\n(To do|\d+ objects))/,
    },
    place: {
      line: "pso-bin admin place --explain -f pvc.yaml --values values.yaml",
      files: { ...values(healthy), "pvc.yaml": CLAIM },
    },
    arrays: { line: "pso-bin admin arrays -f values.yaml", files: values(healthy) },
    volumes: { line: "pso-bin admin volumes --kubeconfig prod.kubeconfig", files: config },
    nodes: { line: "pso-bin admin nodes --kubeconfig prod.kubeconfig --wide", files: config },
    bundle: {
      line: "pso-bin admin support-bundle --kubeconfig prod.kubeconfig --out case-4711.tar",
      files: config,
    },
    "broken cluster": {
      line: "pso-bin admin check --kubeconfig prod.kubeconfig",
      files: config,
      drop: /\n\narrays\.FlashArrays[^]*?(?=\n\n(To do|\d+ objects))/,
    },
    doctor: {
      line: "pso-bin admin doctor --kubeconfig prod.kubeconfig",
      files: config,
      laterMs: 3_600_000,
    },
    undelete: {
      line: "pso-bin admin undelete --kubeconfig prod.kubeconfig",
      files: config,
    },
    "undelete one": {
      line: `pso-bin admin undelete --kubeconfig prod.kubeconfig --volume ${volume("4")} --yes`,
      files: config,
    },
  };
}

/** A Secret has the certificate itself. */
async function withCa<T extends { CACert?: string }>(entry: T): Promise<T> {
  const { CACert } = entry;
  return CACert === undefined ? entry : { ...entry, CACert: await Deno.readTextFile(CACert) };
}

/** Prepares what a scene needs and others must not see. */
async function prepare(name: string, { fleet, cluster }: Bed): Promise<void> {
  await fetch(`${fleet.control}/faults`, { method: "DELETE" }).then((answer) =>
    answer.body?.cancel()
  );
  if (name === "half broken") {
    const match = { method: "PATCH" };
    const body = JSON.stringify({ array: "fa-1", match, action: "status", value: 403, times: 9 });
    await (await fetch(`${fleet.control}/faults`, { method: "POST", body })).body?.cancel();
  }
  if (name === "undelete") await deleteOne(fleet);
  if (name === "doctor") await spoilVolumes({ fleet, cluster });
  if (name === "broken cluster") {
    cluster.answers.delete("/apis/snapshot.storage.k8s.io");
    cluster.items.set("/apis/coordination.k8s.io/v1/namespaces/pso/leases", [{
      metadata: { name: "pure-csi-leader" },
    }]);
    cluster.items.get("/api/v1/nodes")?.push({ metadata: { name: "node-b" } });
    cluster.items.get("/api/v1/persistentvolumes")?.push(
      pvOf(volume("9").slice(4), { handle: "k8s/x", phase: "Released" }),
    );
  }
}

/** A volume with the tags of a claim, which is deleted. */
async function deleteOne({ arrays: [array] }: ServedFleet): Promise<void> {
  if (!array) throw new Error("no array");
  const client = new TestClient(array);
  const tags = {
    cluster: "k8s",
    "pvc-namespace": "shop",
    "pvc-name": "orders",
    pv: "pvc-44444444",
  };
  try {
    await client.login();
    await client.ok(`POST /volumes?names=${volume("4")}`, { provisioned: 1073741824 });
    const items = Object.entries(tags).map(([key, value]) => ({ key, value, copyable: false }));
    await client.ok(`PUT /volumes/tags/batch?resource_names=${volume("4")}`, items);
    await client.ok(`PATCH /volumes?names=${volume("4")}`, { destroyed: true });
  } finally {
    client.close();
  }
}

/** A volume of one node that two hosts have, and a PersistentVolume without its volume. */
async function spoilVolumes({ fleet, cluster }: Bed): Promise<void> {
  const [array] = fleet.arrays;
  const [good] = cluster.items.get("/api/v1/persistentvolumes") ?? [];
  if (!array || !good) throw new Error("no array or no PersistentVolume");
  const spec = good.spec as { csi: { volumeHandle: string } };
  const handle = spec.csi.volumeHandle.replace(volume("1"), volume("3"));
  const attached = { accessModes: ["ReadWriteOnce"], capacity: { storage: "1Mi" } };
  cluster.items.set("/api/v1/persistentvolumes", [
    { ...good, spec: { ...spec, ...attached } },
    pvOf(volume("3").slice(4), { handle }),
  ]);
  cluster.items.set("/api/v1/nodes", [{ metadata: { name: "node-a" } }]);
  const iqn = (name: string) => `iqn.2026-01.example:${name}`;
  const node = { name: "node-a", iqn: iqn("node-a"), wwpns: [], addresses: [] };
  const nodeID = encodeNodeId({ ...node, protocols: ["iscsi"] });
  cluster.items.set("/apis/storage.k8s.io/v1/csinodes", [{
    metadata: { name: "node-a" },
    spec: { drivers: [{ name: "pure-csi", nodeID }] },
  }]);
  const source = { persistentVolumeName: volume("1").slice(4) };
  cluster.items.set("/apis/storage.k8s.io/v1/volumeattachments", [
    { spec: { attacher: "pure-csi", nodeName: "node-a", source } },
  ]);
  const client = new TestClient(array);
  try {
    await client.login();
    for (const host of ["node-a", "esx-7"]) {
      await client.ok(`POST /hosts?names=${host}`, { iqns: [iqn(host)] });
      const query = `host_names=${host}&volume_names=${volume("1")}`;
      await client.ok(`POST /connections?${query}`, {});
    }
  } finally {
    client.close();
  }
}

interface Bed {
  fleet: ServedFleet;
  cluster: FakeCluster;
}

/** What differs between two runs, put as on the page. */
function steady(text: string, { fleet }: Bed): string {
  const groups = text.split("\n\n").map((group) => {
    const at = fleet.arrays.findIndex(({ address }) =>
      group.startsWith("arrays.") &&
      group.split("\n")[0]?.replace("localhost", "127.0.0.1").endsWith(address)
    );
    if (group.startsWith("arrays.FlashArrays[3]")) {
      return group.replaceAll(/127\.0\.0\.1(:1)?/g, "10.21.0.99");
    }
    const own = at < 0 ? group : group.replaceAll(/127\.0\.0\.1(?!:)/g, `10.21.0.${at + 1}`);
    return fleet.arrays.reduce(
      (left, { address }, index) =>
        left.replaceAll(`${address} takes`, `10.21.0.${index + 1}:443 takes`)
          .replaceAll(address.replace("127.0.0.1", "localhost"), `fa-${index + 1}.example`)
          .replaceAll(
            new RegExp(`^((?:OK|WARN|FAIL) .*)${RegExp.escape(address)}`, "gm"),
            (_, before) => before + `10.21.0.${index + 1}`.padEnd(address.length),
          )
          .replaceAll(address, `10.21.0.${index + 1}`),
      own,
    );
  });
  return groups.join("\n\n")
    .replaceAll("[3] 127.0.0.1:1,", "[3] 10.21.0.99,")
    .replaceAll(/\blocalhost(:\d+)?/g, "fa-1.example")
    .replaceAll(/fa-1\.example is [\d.:, ]+$/gm, "fa-1.example is 10.21.0.1")
    .replaceAll(/\(\d+ ms\)/g, "(2 ms)")
    .replaceAll(
      /([0-9A-F]{2}:){31}[0-9A-F]{2}/g,
      (print) => print.startsWith("AB:AB") ? "AB:AB:…:CD" : "5E:29:…:C7",
    )
    .replaceAll(/expires \d{4}-\d\d-\d\d \(\d+ days\)/g, "expires 2036-11-23 (3649 days)")
    .replaceAll(
      /\bid [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi,
      "id f9410590-126d-427a-9621-c5b62e495534",
    )
    .replaceAll(/\bserial [0-9A-F]{24}/g, "serial 4E7D3A90B1C25F6800011000")
    .replaceAll(/\bcreated 2[\d:.TZ-]+/g, "created 2026-11-26T09:30:00.000Z")
    .replaceAll(/\b(handle|volumeHandle:) [0-9a-f]{8}\//g, "$1 f9410590/")
    .replaceAll(/\b23 h 5\d min/g, "23 h 59 min")
    .replaceAll(/\d+ (bytes|[KMG]iB) of 20 TiB/g, "0 bytes of 20 TiB");
}

/** Every scene's block as the page has it. */
async function blocks(): Promise<Map<string, string>> {
  const fleet = await testFleet({ flasharrays: 2, flashblades: 1, http: false });
  const cluster = fakeCluster();
  const printed = new Map<string, string>();
  try {
    await makeVolumes({ fleet, cluster });
    for (
      const [name, { line, files, drop, laterMs = 0 }] of Object.entries(
        await scenes(fleet, cluster),
      )
    ) {
      await prepare(name, { fleet, cluster });
      const env = { PATH: Deno.env.get("PATH") ?? "" };
      const now = () => Date.now() + laterMs;
      const words = line.split(" ").slice(2);
      const { code, said } = await runAdmin(words, { files, real: true, env, now });
      const shown = steady(drop ? said.replace(drop, "") : said, { fleet, cluster }).trimEnd();
      printed.set(name, `\`\`\`\n$ ${line}\n${shown}\n$ echo $?\n${code}\n\`\`\``);
    }
    return printed;
  } finally {
    await cluster.stop();
    await fleet.stop();
  }
}

/** One volume that a claim has, and one that nobody has. */
async function makeVolumes({ fleet, cluster }: Bed): Promise<void> {
  const [array] = fleet.arrays;
  if (!array) throw new Error("no array");
  const client = new TestClient(array);
  try {
    await client.login();
    for (const digit of ["1", "2"]) {
      await client.ok(`POST /volumes?names=${volume(digit)}`, { provisioned: 1048576 });
    }
    const { items: [{ id }] } = await client.ok("GET /arrays");
    cluster.items.set("/api/v1/persistentvolumes", [
      pvOf(volume("1").slice(4), { handle: `${id.slice(0, 8)}/${volume("1")}` }),
    ]);
  } finally {
    client.close();
  }
}

Deno.test("docs/admin.md shows what the program prints", async () => {
  let page = await Deno.readTextFile(PAGE);
  const names = [...page.matchAll(/<!-- printed: (.+) -->/g)].map(([, name]) => name);
  const printed = await blocks();
  assert.deepEqual(names.toSorted(), [...printed.keys()].toSorted());
  for (const [name, block] of printed) {
    const marked = new RegExp(`(<!-- printed: ${name} -->\n)(\`\`\`\n[^]*?\n\`\`\`)?`);
    if (Deno.env.get("PSO_WRITE_DOCS")) page = page.replace(marked, (_, mark) => mark + block);
    else assert.equal(marked.exec(page)?.[2], block, name);
  }
  if (Deno.env.get("PSO_WRITE_DOCS")) await Deno.writeTextFile(PAGE, page);
});
