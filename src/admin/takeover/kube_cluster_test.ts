import { deepEqual, equal, rejects } from "node:assert/strict";
import type { HttpRequest } from "../../net/https.ts";
import { KubeClient } from "../../kube/client.ts";
import { KUBE_LIMITS } from "../../kube/limits.ts";
import { kubeCluster } from "./kube_cluster.ts";

const RECORD = "helm.sh/release.v1";

/** A cluster whose API answers each call as `answer` says. */
function cluster(answer: (path: string) => { status: number; body: unknown }) {
  const paths: string[] = [];
  const fetch = ({ path }: HttpRequest) => {
    paths.push(path);
    const { status, body } = answer(path);
    return Promise.resolve({ status, text: JSON.stringify(body), headers: {} });
  };
  const access = () => Promise.resolve({ fetch, token: undefined });
  const kube = new KubeClient({ address: "10.0.0.1:443", access, close: () => {} });
  return { cluster: kubeCluster(kube, "prod"), paths };
}

Deno.test("a take-over is given nothing that it did not ask for, whatever the server lists", async () => {
  const items = [{ type: RECORD, metadata: { name: "one" } }, { type: "Opaque" }, {}];
  const { cluster: prod, paths } = cluster(() => ({ status: 200, body: { items } }));
  const path = "/api/v1/namespaces/pso/secrets";
  deepEqual(await prod.list({ path, fields: { type: RECORD } }), [items[0]]);
  // A page of records is small: each may have 1.4 MiB.
  deepEqual(paths, [`${path}?fieldSelector=type%3Dhelm.sh%2Frelease.v1&limit=2`]);
});

Deno.test("a take-over knows a kind that the cluster does not have from one without objects", async () => {
  const { cluster: prod } = cluster(() => ({ status: 404, body: { message: "no such kind" } }));
  deepEqual(await prod.list({ path: "/apis/x/v1/ys" }), []);
  equal(await prod.find("/apis/x/v1/ys/z"), undefined);
});

Deno.test("a take-over gives up a list that has no end", async () => {
  const { cluster: prod, paths } = cluster(() => ({
    status: 200,
    body: { items: [], metadata: { continue: "more" } },
  }));
  await rejects(prod.list({ path: "/api/v1/pods" }), /has more than 1000 pages/);
  equal(paths.length, KUBE_LIMITS.pages);
});
