import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { FakeKubeApi } from "../../tests/support/fake_kube_api.ts";
import { KubeClient } from "./client.ts";
import type { KubeEvent } from "./events.ts";
import { obstacles, RELEASE_ANNOTATION, UPSTREAM_LEASES } from "./obstacles.ts";

const NOW = Date.UTC(2026, 0, 1);
const OWN = { namespace: "pso", name: "leader" };

function bed(release?: string) {
  const api = new FakeKubeApi();
  const clock = { monotonicMs: 0, wallMs: NOW };
  const kube = new KubeClient(api.server());
  const told: KubeEvent[] = [];
  const ask = obstacles({
    kube,
    own: OWN,
    driver: "pure-csi",
    release,
    clock: () => clock,
    tell: (event) => void told.push(event),
  });
  return { api, clock, ask, told };
}

function renewed(ms: number, holderIdentity = "old-0_x") {
  return { spec: { holderIdentity, renewTime: new Date(ms).toISOString() } };
}

for (const name of UPSTREAM_LEASES) {
  Deno.test(`a candidate waits while the lease ${name} of an earlier PSO is renewed, anywhere`, async () => {
    const { api, clock, ask } = bed();
    equal(await ask(), undefined);
    api.put({ namespace: "old-place", name }, renewed(NOW - 29_000));
    match(await ask() ?? "", new RegExp(`old-0_x renews the lease old-place/${name}; scale`));
    clock.wallMs += 2_000;
    clock.monotonicMs += 2_000;
    equal(await ask(), undefined);
  });
}

Deno.test("a holder whose clock is wrong is known by its lease's changes", async () => {
  const { api, clock, ask } = bed();
  const lease = { namespace: "old", name: "pure-csi" };
  api.put(lease, renewed(NOW - 3_600_000));
  equal(await ask(), undefined, "left over from long ago");
  api.put(lease, renewed(NOW - 3_598_000));
  match(await ask() ?? "", /old\/pure-csi/);
  clock.monotonicMs += 30_000;
  equal(await ask(), undefined);
});

Deno.test("a candidate that is held back tells the holder, the lease and what to do by an Event, again every ten minutes", async () => {
  const { api, clock, ask, told } = bed();
  const lease = { namespace: "tenant", name: "pure-csi" };
  equal(await ask(), undefined);
  equal(told.length, 0, "nothing holds it back");
  const look = async (holder: string) => {
    api.put(lease, renewed(clock.wallMs, holder));
    return await ask();
  };
  const problem = await look("old-0_x");
  deepEqual(told, [{
    type: "Warning",
    reason: "LeadershipHeldBack",
    action: "TakeLease",
    note: problem,
  }]);
  match(
    problem ?? "",
    /: old-0_x renews the lease tenant\/pure-csi; scale its workload to 0, or, if no PSO is there, take the right to write that lease away from who renews it$/,
  );
  for (const holder of ["old-0_x", "other", "old-0_x"]) {
    clock.monotonicMs += 199_000;
    clock.wallMs += 199_000;
    await look(holder);
  }
  equal(told.length, 1, "whoever writes the lease writes no flood of Events");
  clock.monotonicMs += 10_000;
  clock.wallMs += 10_000;
  await look("other");
  deepEqual(told.map(({ note }) => / at work: (\S+) renews/.exec(note)?.[1]), ["old-0_x", "other"]);
});

Deno.test("a lease without a holder and our own one are no obstacle", async () => {
  const { api, ask } = bed();
  api.put({ namespace: "old", name: "pure-csi" }, renewed(NOW, ""));
  api.put(OWN, renewed(NOW));
  equal(await ask(), undefined);
  const own = { namespace: "pso", name: "pure-csi" };
  api.put(own, renewed(NOW));
  const kube = new KubeClient(api.server());
  const clock = () => ({ monotonicMs: 0, wallMs: NOW });
  const tell = () => {};
  equal(await obstacles({ kube, own, driver: "pure-csi", clock, tell })(), undefined);
});

Deno.test("a controller of another installation does not lead, and names both", async () => {
  const { api, ask } = bed("pso/two");
  equal(await ask(), undefined, "no CSIDriver yet");
  api.put({ name: "pure-csi" });
  equal(await ask(), undefined, "one without the annotation");
  api.put({ name: "pure-csi" }, {
    metadata: { annotations: { [RELEASE_ANNOTATION]: "storage/one" } },
  });
  match(await ask() ?? "", /belongs to the installation storage\/one, and .* to pso\/two: uninst/);
  api.put({ name: "pure-csi" }, { metadata: { annotations: { [RELEASE_ANNOTATION]: "pso/two" } } });
  equal(await ask(), undefined);
});

Deno.test("what may not be looked at is no permission to lead", async () => {
  const { api, ask } = bed("pso/two");
  api.fault = "forbidden";
  await rejects(ask(), /403/);
});

Deno.test("a holder and an installation of any length are named in short, on one line", async () => {
  const long = `other\n${"x".repeat(2 ** 20)}`;
  const { api, ask } = bed("pso/two");
  api.put({ name: "pure-csi" }, { metadata: { annotations: { [RELEASE_ANNOTATION]: long } } });
  match(await ask() ?? "", /installation other x{190,193}…, and/);
  api.remove({ name: "pure-csi" });
  api.put({ namespace: "old", name: "pure-csi" }, renewed(NOW, long));
  match(await ask() ?? "", /at work: other x{190,193}… renews/);
});
