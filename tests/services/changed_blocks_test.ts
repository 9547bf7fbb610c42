/**
 * Changed blocks (SnapshotMetadata), with the driver in pods of the chart: upstream's sidecar
 * csi-snapshot-metadata serves them, and a backup tool by upstream's library reads them.
 */
import assert from "node:assert/strict";
import { parse } from "@std/yaml";
import { until } from "../../src/async/wait.ts";
import { MiB } from "../../src/size.ts";
import { definitions } from "../chart/helm.ts";
import { Bed } from "../kubernetes/bed.ts";
import { type ChartCluster, CONTROLLERS, NAMESPACE } from "../kubernetes/chart_cluster.ts";
import { BASELINE, EXAMPLES } from "../kubernetes/examples.ts";
import { type KubeObject, WAIT_MS } from "../kubernetes/kubectl.ts";
import { bothReady, leaderOf } from "../kubernetes/leaders.ts";
import { buildKube } from "../support/kube.ts";
import { TlsAuthority } from "../support/tls_authority.ts";

const bed = await Bed.make("changed blocks of snapshots", { services: true });

const HOST = `pure-csi-snapshot-metadata.${NAMESPACE}.svc`;
const SECRET = "pure-csi-snapshot-metadata-tls";
/** The backup tool: tests/kube/modules/snapshot-metadata. */
const TOOL = "changed-blocks";
const IMAGE = `registry.example.com/${TOOL}:1.1.0`;

/** Of the device: simulated arrays read all of two images to compare them. */
const SIZE_MIB = 256;

/** Whole MiB of the device: the first of them, and the one after the last. */
type Range = readonly [from: number, to: number];

/** What is written before the first snapshot: the first and the last MiB among it. */
const FIRST: readonly Range[] = [[0, 1], [64, 68], [255, 256]];
/** And between the two: into what is there, and where nothing was. */
const SECOND: readonly Range[] = [[66, 67], [128, 130]];
const BOTH: readonly Range[] = [[0, 1], [64, 68], [128, 130], [255, 256]];

/** Where the examples raw-block and changed-blocks are. */
const inUsers = ["--namespace", BASELINE];

async function write(cluster: ChartCluster, ranges: readonly Range[]): Promise<void> {
  for (const [from, to] of ranges) {
    const where = `bs=1M seek=${from} count=${to - from} conv=notrunc,fsync`;
    await cluster.kubectl(
      ...["exec", "raw", ...inUsers, "--", "sh", "-c"],
      `dd if=/dev/urandom of=/dev/raw-volume ${where} 2>/dev/null`,
    );
  }
}

/** A pod with the backup tool. There is no DNS here: the service's name means that address to it. */
function toolPod(name: string, ip: string): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: BASELINE },
    spec: {
      serviceAccountName: "backup",
      terminationGracePeriodSeconds: 0,
      hostAliases: [{ ip, hostnames: [HOST] }],
      containers: [{ name: "main", image: IMAGE, command: ["sleep", "infinity"] }],
    },
  };
}

/** What the backup tool prints in that pod. */
async function asked(cluster: ChartCluster, name: string, ...args: string[]): Promise<string> {
  return await cluster.kubectl(
    ...["exec", name, ...inUsers, "--", TOOL, "-namespace", BASELINE],
    ...args,
  );
}

interface Record {
  volume_capacity_bytes: number;
  /** `null` for none. */
  block_metadata: { byte_offset?: number; size_bytes: number }[] | null;
}

/** The ranges in MiB, neighbours put together; each must begin and end at a whole MiB. */
function rangesIn(records: readonly Record[]): Range[] {
  const found: [number, number][] = [];
  for (
    const { byte_offset = 0, size_bytes } of records.flatMap((one) => one.block_metadata ?? [])
  ) {
    const [from, to] = [byte_offset / MiB, (byte_offset + size_bytes) / MiB];
    const last = found.at(-1);
    if (last?.[1] === from) last[1] = to;
    else found.push([from, to]);
  }
  return found;
}

async function listed(cluster: ChartCluster, name: string, ...args: string[]): Promise<Range[]> {
  return rangesIn(JSON.parse(await asked(cluster, name, ...args)));
}

const certificate = async (cluster: ChartCluster): Promise<unknown> =>
  (await cluster.get("secret", SECRET, "--namespace", NAMESPACE)).data;

bed.scenario("15.7: helm installs the chart with changed blocks switched on", async () => {
  const { cluster } = bed;
  await buildKube("snapshot-metadata");
  const kind = "cbt.storage.k8s.io_snapshotmetadataservices.yaml";
  await cluster.kubectl("apply", "--server-side", "-f", `${definitions()}/${kind}`);
  await cluster.kube("images", "registry.k8s.io/sig-storage/csi-snapshot-metadata:v1.1.0");
  await cluster.kube("image", IMAGE, `${cluster.env.KUBE_BIN}/${TOOL}`, "/bin/busybox");
  await cluster.kube("image", "docker.io/library/busybox:1.37.0", "/bin/busybox");
  cluster.values.snapshotMetadata = { enabled: true };
  await bed.timed("helm install --wait", () => cluster.install());
  await leaderOf(cluster);
  const { spec } = await cluster.get("snapshotmetadataservice", "pure-csi");
  assert.equal(spec.address, `${HOST}:50051`);
});

bed.scenario("15.7: two snapshots of a raw device, with known writes before each", async () => {
  const { cluster } = bed;
  await cluster.kubectl("apply", "-f", `${EXAMPLES}/namespaces.yaml`);
  const small = parse(await Deno.readTextFile(`${EXAMPLES}/raw-block/claim.yaml`)) as KubeObject;
  small.spec.resources.requests.storage = `${SIZE_MIB}Mi`;
  await cluster.apply(small);
  await cluster.kubectl("apply", "-f", `${EXAMPLES}/raw-block/pod.yaml`);
  await cluster.awaited("condition=Ready", "pod/raw", ...inUsers);
  const ready = "jsonpath={.status.readyToUse}=true";
  await write(cluster, FIRST);
  await cluster.kubectl("apply", "-f", `${EXAMPLES}/changed-blocks`);
  await cluster.awaited(ready, "volumesnapshot/raw-1", ...inUsers);
  await write(cluster, SECOND);
  const first = await cluster.get("volumesnapshot", "raw-1", ...inUsers);
  await cluster.apply({
    apiVersion: first.apiVersion,
    kind: first.kind,
    metadata: { name: "raw-2", namespace: BASELINE },
    spec: first.spec,
  });
  await cluster.awaited(ready, "volumesnapshot/raw-2", ...inUsers);
});

bed.scenario("15.7: a backup tool reads through the Service what was written", async () => {
  const { cluster } = bed;
  const service = await cluster.get("service", "pure-csi-snapshot-metadata", "-n", NAMESPACE);
  await cluster.apply(toolPod("tool", service.spec.clusterIP));
  await cluster.awaited("condition=Ready", "pod/tool", ...inUsers);
  await bed.timed("changed blocks are read, four times", async () => {
    assert.deepEqual(await listed(cluster, "tool", "-snapshot", "raw-1"), FIRST);
    assert.deepEqual(await listed(cluster, "tool", "-snapshot", "raw-2"), BOTH);
    assert.deepEqual(await listed(cluster, "tool", "-base", "raw-1", "-snapshot", "raw-2"), SECOND);
    assert.deepEqual(await listed(cluster, "tool", "-base", "raw-1", "-snapshot", "raw-1"), []);
  });
  const [one] = JSON.parse(await asked(cluster, "tool", "-snapshot", "raw-1"));
  assert.equal(one.volume_capacity_bytes, SIZE_MIB * MiB);
});

bed.scenario("15.7: a tool goes on where it was, in portions that it chooses", async () => {
  const { cluster } = bed;
  const from = ["-offset", String(67 * MiB), "-most", "1"];
  const records = JSON.parse(await asked(cluster, "tool", "-snapshot", "raw-2", ...from));
  assert.deepEqual(rangesIn(records), [[67, 68], [128, 130], [255, 256]]);
  for (const { block_metadata } of records) assert.equal(block_metadata.length, 1);
});

bed.scenario("15.7: leader and standby both answer", async () => {
  const { cluster } = bed;
  await bothReady(cluster);
  const pods = await cluster.pods(CONTROLLERS);
  assert.equal(pods.length, 2);
  const leader = await leaderOf(cluster);
  for (const { metadata, status } of pods) {
    const name = metadata.name === leader ? "of-leader" : "of-standby";
    await cluster.apply(toolPod(name, status.podIP));
    await cluster.awaited("condition=Ready", `pod/${name}`, ...inUsers);
    assert.deepEqual(
      await listed(cluster, name, "-base", "raw-1", "-snapshot", "raw-2"),
      SECOND,
      name,
    );
  }
  assert.equal(await leaderOf(cluster), leader);
});

bed.scenario("15.7: an account that may not read snapshots is refused", async () => {
  const { cluster } = bed;
  await cluster.apply({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "stranger", namespace: BASELINE },
  }, {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: { name: "backup-as-stranger", namespace: BASELINE },
    rules: [{
      apiGroups: [""],
      resources: ["serviceaccounts/token"],
      resourceNames: ["stranger"],
      verbs: ["create"],
    }],
  }, {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: "backup-as-stranger", namespace: BASELINE },
    roleRef: {
      apiGroup: "rbac.authorization.k8s.io",
      kind: "Role",
      name: "backup-as-stranger",
    },
    subjects: [{ kind: "ServiceAccount", name: "backup", namespace: BASELINE }],
  });
  // The tool finds everything as `backup`; the token that the service sees is the stranger's.
  const stranger = ["-account", `${BASELINE}/stranger`];
  await assert.rejects(
    asked(cluster, "tool", "-snapshot", "raw-1", ...stranger),
    /code = PermissionDenied/,
  );
});

bed.scenario("15.7: a token that was made for another audience is refused", async () => {
  await assert.rejects(
    asked(bed.cluster, "tool", "-snapshot", "raw-1", "-audience", "https://kubernetes.default.svc"),
    /code = Unauthenticated/,
  );
});

/** Both controllers, and how often their containers were started. */
async function starts(cluster: ChartCluster): Promise<string[]> {
  return (await cluster.pods(CONTROLLERS)).flatMap(({ metadata, status }) =>
    status.containerStatuses.map((one: { name: string; restartCount: number }) =>
      `${metadata.name} ${one.name} ${one.restartCount}`
    )
  ).sort();
}

bed.scenario("15.7: a certificate of another authority is served with no restart", async () => {
  const { cluster } = bed;
  const before = await starts(cluster);
  const inNamespace = ["--namespace", NAMESPACE];
  const patch = async (object: string[], change: unknown) =>
    void await cluster.kubectl("patch", ...object, "--type=merge", "-p", JSON.stringify(change));
  await TlsAuthority.use(async (authority) => {
    const extensions = `subjectAltName=DNS:${HOST}\nbasicConstraints=CA:FALSE\n`;
    await authority.make("renewed", { extensions, name: HOST });
    const caCert = btoa(authority.pem("ca"));
    await patch(["secret", SECRET, ...inNamespace], {
      data: {
        "ca.crt": caCert,
        "tls.crt": btoa(authority.pem("renewed")),
        "tls.key": btoa(authority.key("renewed")),
      },
    });
    await patch(["snapshotmetadataservice", "pure-csi"], { spec: { caCert } });
  });
  // kubelet looks at the Secrets of a pod that changed at once, and else within a minute or two.
  const annotation = "pso.test/renewed=yes";
  await cluster.kubectl("annotate", "pods", ...inNamespace, "-l", CONTROLLERS, annotation);
  for (const name of ["of-leader", "of-standby"]) {
    const isServed = () => listed(cluster, name, "-snapshot", "raw-1").catch(() => undefined);
    assert.deepEqual(
      await until(`the new certificate ${name}`, isServed, {
        timeoutMs: WAIT_MS,
        intervalMs: 1_000,
      }),
      FIRST,
    );
  }
  assert.deepEqual(await starts(cluster), before);
});

bed.scenario(
  "15.7: an upgrade keeps the certificate, and an uninstall leaves nothing",
  async () => {
    const { cluster } = bed;
    const before = await certificate(cluster);
    await cluster.install();
    assert.deepEqual(await certificate(cluster), before);
    assert.deepEqual(await listed(cluster, "tool", "-snapshot", "raw-1"), FIRST);
    assert.deepEqual(await cluster.forbidden(), []);
    await cluster.kubectl("delete", "-f", `${EXAMPLES}/namespaces.yaml`);
    await cluster.kubectl("delete", "-f", `${EXAMPLES}/changed-blocks`, "--ignore-not-found");
    await until("the volume is gone", async () => (await cluster.get("pv")).items.length === 0, {
      timeoutMs: WAIT_MS,
      intervalMs: 500,
    });
    await cluster.uninstall();
    await until("the last pod is gone", async () => (await cluster.pods("")).length === 0, {
      timeoutMs: WAIT_MS,
    });
    assert.deepEqual(await cluster.leftObjects(), []);
  },
);
