import { equal, match, rejects } from "node:assert/strict";
import { FakeKubeApi } from "../../tests/support/fake_kube_api.ts";
import { KubeClient } from "./client.ts";
import { obstacles, RELEASE_ANNOTATION, UPSTREAM_LEASES } from "./obstacles.ts";

const NOW = Date.UTC(2026, 0, 1);
const OWN = { namespace: "pso", name: "leader" };

function bed(release?: string) {
  const api = new FakeKubeApi();
  const clock = { monotonicMs: 0, wallMs: NOW };
  const kube = new KubeClient(api.server());
  const ask = obstacles({ kube, own: OWN, driver: "pure-csi", release, clock: () => clock });
  return { api, clock, ask };
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

Deno.test("a lease without a holder and our own one are no obstacle", async () => {
  const { api, ask } = bed();
  api.put({ namespace: "old", name: "pure-csi" }, renewed(NOW, ""));
  api.put(OWN, renewed(NOW));
  equal(await ask(), undefined);
  const own = { namespace: "pso", name: "pure-csi" };
  api.put(own, renewed(NOW));
  const kube = new KubeClient(api.server());
  const clock = () => ({ monotonicMs: 0, wallMs: NOW });
  equal(await obstacles({ kube, own, driver: "pure-csi", clock })(), undefined);
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
