import { deepEqual, equal, ok } from "node:assert/strict";
import { FakeKubeApi } from "../../../tests/support/fake_kube_api.ts";
import { until } from "../../async/wait.ts";
import { FactTable } from "../../cluster/fact_table.ts";
import type { ClusterAttachment, ClusterNode, ClusterVolume } from "../../cluster/facts.ts";
import { silentLogger } from "../../log.ts";
import { KubeClient } from "../client.ts";
import { followCluster } from "./cluster_watch.ts";

const DRIVER = "pure-csi";
const WAIT = { timeoutMs: 5_000 };

/** What was told of a cluster. */
interface Told {
  nodes: FactTable<ClusterNode>;
  volumes: FactTable<ClusterVolume>;
  attachments: FactTable<ClusterAttachment>;
}

const tables = (told: Told) => [told.nodes, told.volumes, told.attachments];
const csiNode = (name: string) => ({ collection: "csinodes", name });
const registered = (nodeID: string) => ({ spec: { drivers: [{ name: DRIVER, nodeID }] } });
const attachment = { collection: "volumeattachments", name: "csi-1" };
const attached = {
  spec: { attacher: DRIVER, nodeName: "n1", source: { persistentVolumeName: "pv" } },
};

async function following(
  api: FakeKubeApi,
  test: (told: Told) => Promise<void>,
): Promise<void> {
  const told: Told = {
    nodes: new FactTable(() => {}),
    volumes: new FactTable(() => {}),
    attachments: new FactTable(() => {}),
  };
  const stop = new AbortController();
  const running = followCluster({
    kube: new KubeClient(api.server()),
    driver: DRIVER,
    sinks: told,
    log: silentLogger,
    wait: () => new Promise((resolve) => setTimeout(resolve, 1)),
  }, stop.signal);
  try {
    await test(told);
  } finally {
    stop.abort();
    await running;
  }
}

const whole = (told: Told) =>
  until("whole", () => tables(told).every(({ isWhole }) => isWhole), WAIT);

Deno.test("followCluster() reads in pages of 500, and then each change", async () => {
  const api = new FakeKubeApi();
  for (let at = 0; at < 501; at++) api.put(csiNode(`n${at}`), registered(`1;n${at};i`));
  api.put({ collection: "persistentvolumes", name: "pv" }, {
    spec: { csi: { driver: DRIVER, volumeHandle: "h" } },
  });
  api.put({ collection: "persistentvolumes", name: "other" }, { spec: { nfs: {} } });
  api.put(attachment, attached);
  await following(api, async (told) => {
    await whole(told);
    deepEqual(tables(told).map((table) => [...table.all()].length), [501, 1, 1]);
    const lists = api.calls.filter((call) => !call.includes("watch=true"));
    equal(lists.length, 4);
    ok(lists.every((call) => call.includes("limit=500")), lists.join("\n"));
    await until("watches", () => api.store.watches === 3, WAIT);
    api.put(csiNode("n0"), registered("1;n0;n"));
    await until("the new node_id", () => told.nodes.get("n0")?.nodeId === "1;n0;n", WAIT);
    api.put(csiNode("n0"), { spec: { drivers: [] } });
    await until("the driver is gone there", () => told.nodes.get("n0") === undefined, WAIT);
    api.remove(attachment);
    await until("the attachment is gone", () => told.attachments.get("csi-1") === undefined, WAIT);
  });
});

Deno.test("followCluster() is not whole while the lists are refused, and says why", async () => {
  const api = new FakeKubeApi();
  api.put(attachment, attached);
  api.fault = "forbidden";
  await following(api, async (told) => {
    await until("trouble", () => told.attachments.problem?.includes("403"), WAIT);
    equal(told.attachments.isWhole, false);
    api.fault = undefined;
    await whole(told);
    ok(told.attachments.get("csi-1"));
  });
});
