// `pso-bin admin place` by what the leader knows, which this machine does not.
import { deepEqual, equal, match } from "node:assert/strict";
import { adminApps } from "../../src/admin/app.ts";
import { GiB } from "../../src/size.ts";
import { type AdminResult, runAdmin } from "../support/admin_bed.ts";
import { type FakeCluster, fakeCluster, installIn } from "../support/fake_cluster.ts";
import { type BedOptions, ProvisionerBed } from "./provisioner_bed.ts";

const POD = "/api/v1/namespaces/pso/pods/pure-provisioner-1";
const PAGE = `${POD}:9808/proxy/placement`;

const claimOf = (parameters: Record<string, string>) => `
kind: PersistentVolumeClaim
metadata:
  name: orders
  namespace: shop
  annotations: {pso.purestorage.com/spread: db}
spec:
  storageClassName: gold
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 10Gi}}
---
kind: StorageClass
metadata: {name: gold}
provisioner: pure-csi
parameters: ${JSON.stringify(parameters)}
`;

/** A controller that leads an installation, and this machine beside it. */
interface LeaderBed {
  bed: ProvisionerBed;
  cluster: FakeCluster;
  /** `admin place` for the claim, by the kubeconfig; words follow. */
  place: (parameters?: Record<string, string>, ...words: string[]) => Promise<AdminResult>;
  /** The same answer, for programs. */
  judged: (parameters?: Record<string, string>) => Promise<Answer>;
}

/** What `-o json` has. */
interface Answer {
  chosen?: string;
  error?: string;
  seenBy: { who: string; pod?: string; oldestSeconds?: number; why?: string; fix?: string };
  arrays: {
    array: string;
    place?: number;
    reason?: string;
    remark?: string;
    parts?: Record<string, number>;
  }[];
}

async function withLeader(
  options: BedOptions,
  work: (leader: LeaderBed) => Promise<void>,
): Promise<void> {
  const cluster = fakeCluster();
  try {
    await ProvisionerBed.run(options, async (bed) => {
      const FlashArrays = bed.served.arrays.map(({ address, token }) => ({
        MgmtEndPoint: `http://${address}`,
        APIToken: token,
      }));
      installIn(cluster, { arrays: JSON.stringify({ FlashArrays }), now: Date.now() });
      const { open } = adminApps({
        mode: "controller",
        version: "7.0.0",
        ready: () => [],
        metrics: () => "",
        placement: (question) => bed.provisioner.placementView(question),
      });
      cluster.answers.set(PAGE, (query) => open.request(`/placement${query}`));
      const place: LeaderBed["place"] = (parameters = {}, ...words) =>
        runAdmin(["place", "-f", "pvc.yaml", "--kubeconfig", "/k/config", ...words], {
          files: { "/k/config": cluster.kubeconfig, "pvc.yaml": claimOf(parameters) },
        });
      const judged = async (parameters?: Record<string, string>) =>
        JSON.parse((await place(parameters, "-o", "json")).said);
      await work({ bed, cluster, place, judged });
    });
  } finally {
    await cluster.stop();
  }
}

Deno.test("15.1: admin place says what the leader would do, by what the leader alone remembers", () =>
  withLeader({}, async ({ bed, cluster, place, judged }) => {
    await bed.create("large", { capacityRange: { requiredBytes: 5_000 * GiB, limitBytes: 0 } });
    const [full = "", other = ""] = Object.entries(await bed.volumes())
      .toSorted(([, a], [, b]) => b.length - a.length).map(([name]) => name);
    const { chosen, seenBy, arrays } = await judged();
    equal(chosen, other);
    deepEqual([seenBy.who, seenBy.pod], ["leader", "pure-provisioner-1"]);
    const gapOf = (list: Answer["arrays"]) => {
      const [best, last] = [other, full].map((name) =>
        list.find(({ array }) => array === name)?.parts?.capacity ?? NaN
      );
      return (best ?? NaN) - (last ?? NaN);
    };
    equal(gapOf(arrays) > 0.2, true, "what was placed lately counts for the leader");
    const page = cluster.answers.get(PAGE) ?? 404;
    cluster.answers.set(PAGE, 403);
    const here = await judged();
    equal(Math.abs(gapOf(here.arrays)) < 0.01, true, "and this machine knows nothing of it");
    cluster.answers.set(PAGE, page);
    await bed.provisioner.createVolume(
      bed.request("orders", { capacityRange: { requiredBytes: 10 * GiB, limitBytes: 0 } }),
      bed.signal,
    );
    equal((await bed.volumes())[other]?.length, 1, "the leader does what was said");
    const { code, said } = await place({}, "--explain");
    equal(code, 0, said);
    match(
      said,
      /^As the leader pure-provisioner-1 sees it: its figures .* are \d+ s old at most$/m,
    );
  }));

Deno.test("15.1: an array that is silent for the leader is told, though this machine reaches it", () =>
  withLeader({}, async ({ bed, judged, place }) => {
    bed.link("fa-1", "silent");
    await bed.fleet.refresh(bed.signal);
    const { chosen, arrays } = await judged();
    equal(chosen, "fa-2");
    match(
      arrays.find(({ array }) => array === "fa-1")?.reason ?? "",
      /^cannot be used now \(unreachable at the leader's last look; its log tells why\)$/,
    );
    const { said } = await place({}, "--explain");
    equal(said.includes(bed.served.arrays[0]?.address ?? ""), false, "no text of an array");
  }));

Deno.test("15.1: members of the group that the leader has just made count at once", () =>
  withLeader({
    claims: () =>
      Promise.resolve({
        namespace: "shop",
        annotations: { "pso.purestorage.com/spread": "db" },
        labels: {},
      }),
  }, async ({ bed, judged }) => {
    const parameters = {
      "csi.storage.k8s.io/pvc/name": "a",
      "csi.storage.k8s.io/pvc/namespace": "shop",
    };
    await bed.create("first", { parameters });
    const { arrays } = await judged();
    deepEqual(arrays.map(({ parts }) => parts?.group), [1, 0.5]);
  }));

Deno.test("15.1: an array that refused the leader's last create comes last, and is told where there is no other", () =>
  withLeader({ labels: { "fa-1": { tier: "gold" } } }, async ({ bed, place, judged }) => {
    const match403 = { match: { method: "POST", path: "/volumes" }, action: "status", value: 403 };
    await bed.fault({ ...match403, array: "fa-1", times: 99 });
    for (let at = 0; bed.fleet.members[0]?.refusal === undefined; at++) await bed.create(`a-${at}`);
    const { chosen, arrays } = await judged();
    equal(chosen, "fa-2");
    match(arrays[1]?.remark ?? "", /^comes last: it refused the last create$/);
    const { code, said } = await place({ labels: "tier=gold" });
    equal(code, 1, said);
    match(said, /goes to fa-1[^]*FAIL {2}refusal +it refused the last create of the leader/);
  }));

Deno.test("15.1: a claim for a pod is judged by the pods that the leader's arrays have", () =>
  withLeader({}, async ({ bed, judged }) => {
    await bed.admin("fa-2", { method: "POST", path: "pods", query: { names: "prod" }, body: {} });
    await bed.fleet.refresh(bed.signal);
    const { chosen, arrays } = await judged({ pod: "prod" });
    equal(chosen, "fa-2");
    equal(arrays.find(({ array }) => array === "fa-1")?.reason, "has no pod prod");
  }));

Deno.test("15.1: a claim for a volume group is judged by the limits that the groups of the leader's arrays have", () =>
  withLeader({}, async ({ bed, judged }) => {
    for (const [array, iops_limit] of [["fa-1", 2_000], ["fa-2", 3_000]] as const) {
      const body = { qos: { iops_limit } };
      const call = { path: "volume-groups", query: { names: "g1" }, body } as const;
      await bed.admin(array, { method: "POST", ...call });
    }
    await bed.fleet.refresh(bed.signal);
    const { chosen, arrays } = await judged({ volumeGroup: "g1", volumeGroupIopsLimit: "3000" });
    equal(chosen, "fa-2");
    match(arrays.find(({ array }) => array === "fa-1")?.reason ?? "", /g1 .*2,?000.*3,?000/);
  }));

/** How the leader cannot be asked, and what stands in the answer. */
const NOT_ASKED: { what: string; change: (cluster: FakeCluster) => void; why: RegExp }[] = [
  {
    what: "whose pod may not be reached",
    change: ({ answers }) => void answers.set(PAGE, 403),
    why: /lets you not reach its pod; get the rights to get pods and pods\/proxy/,
  },
  {
    what: "that is too old",
    change: ({ answers }) => void answers.set(PAGE, 404),
    why:
      /its pod pure-provisioner-1 is gone, or its program is too old for the question; ask again/,
  },
  {
    what: "that has lost the lead",
    change: ({ answers }) => {
      const { open } = adminApps({
        ...{ mode: "controller", version: "7.0.0", ready: () => [], metrics: () => "" },
        placement: () => undefined,
      });
      answers.set(PAGE, () => open.request("/placement"));
    },
    why: /its pod pure-provisioner-1 does not lead just now, or cannot be reached/,
  },
  {
    what: "that says nothing of use",
    change: ({ answers }) => void answers.set(PAGE, { rules: {}, arrays: [] }),
    why: /its answer has no rules\.flasharray\.sanType that this program understands/,
  },
  {
    what: "that is not there",
    change: ({ items }) => void items.delete("/apis/coordination.k8s.io/v1/namespaces/pso/leases"),
    why: /there is no Lease pso\/pure-csi-leader: no controller can lead; upgrade the release/,
  },
];

for (const { what, change, why } of NOT_ASKED) {
  Deno.test(`15.1: admin place asks the arrays itself beside a leader ${what}, and says so`, () =>
    withLeader({}, async ({ cluster, place, judged }) => {
      change(cluster);
      const { code, said } = await place();
      equal(code, 0, said);
      match(said, /^As this machine sees it: the leader was not asked, because /m);
      match(said, why);
      const { seenBy, arrays } = await judged();
      deepEqual([seenBy.who, arrays.length], ["workstation", 2]);
    }));
}

Deno.test("the page /placement tells no reasons of arrays, and answers no other question", () =>
  ProvisionerBed.run({}, async (bed) => {
    bed.link("fa-1", "unreachable");
    await bed.fleet.refresh(bed.signal);
    const { open, full } = adminApps({
      ...{ mode: "controller", version: "7.0.0", ready: () => [], metrics: () => "" },
      placement: (question) => bed.provisioner.placementView(question),
    });
    const text = await (await open.request("/placement")).text();
    match(text, /"state":"unreachable"/);
    equal(text.includes("ECONNREFUSED"), false, text);
    equal((await (await full.request("/placement")).text()).includes("ECONNREFUSED"), true);
    equal((await open.request("/placement?array=fa-1")).status, 400);
    equal((await open.request(`/placement?group=${"g".repeat(300)}`)).status, 400);
    const node = adminApps({
      ...{ mode: "node", version: "7.0.0", ready: () => [], metrics: () => "" },
    });
    equal((await node.open.request("/placement")).status, 404);
  }));
