/** A cluster in memory with PSO in it, behind HTTP: what a take-over changes is changed in it. */
import { KubeError, type KubeObject } from "../../src/kube/client.ts";
import type { FakeTakeoverCluster } from "./fake_takeover_cluster.ts";

/** A cluster that is served to everybody. */
export interface ServedTakeoverCluster {
  /** Text of a kubeconfig that leads to it. */
  kubeconfig: string;
  /** Calls that are refused, as `METHOD /path`, and with what words. */
  refused: Map<string, string>;
  stop(): Promise<void>;
}

/** Serves it over plain HTTP. The caller stops it. */
export function serveTakeoverCluster(cluster: FakeTakeoverCluster): ServedTakeoverCluster {
  const refused = new Map<string, string>();
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve(options, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const words = refused.get(`${request.method} ${pathname}`);
    if (words !== undefined) return status(403, words);
    try {
      if (request.method !== "GET") return await changed(cluster, request);
      if (!isCollection(pathname)) {
        const found = await cluster.find(pathname);
        return found ? Response.json(found) : status(404, `${pathname} not found`);
      }
      const selector = searchParams.get("fieldSelector")?.split(",") ?? [];
      const fields = Object.fromEntries(selector.map((one) => one.split("=")));
      return Response.json({ items: await cluster.list({ path: pathname, fields }) });
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      return status(error.status, error.message);
    }
  });
  const kubeconfig = JSON.stringify({
    "current-context": "prod",
    contexts: [{ name: "prod", context: { cluster: "prod" } }],
    clusters: [{ name: "prod", cluster: { server: `http://127.0.0.1:${server.addr.port}` } }],
  });
  return { kubeconfig, refused, stop: () => server.shutdown() };
}

function status(code: number, message: string): Response {
  return Response.json({ kind: "Status", code, message }, { status: code });
}

/** Whether a path ends with a kind, and not with a version or the name of an object. */
function isCollection(path: string): boolean {
  const [, rest] = /^\/(?:api\/v1|apis\/[^/]+\/v\w+)\/(.+)$/.exec(path) ?? [];
  const parts = rest?.split("/") ?? [];
  const own = parts[0] === "namespaces" && parts.length > 2 ? parts.slice(2) : parts;
  return own.length === 1;
}

async function changed(cluster: FakeTakeoverCluster, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const body = await request.json();
  if (request.method === "DELETE") {
    await cluster.remove(pathname, body.preconditions.uid);
    return Response.json({ kind: "Status" });
  }
  const calls: Record<string, (path: string, object: KubeObject) => Promise<KubeObject>> = {
    POST: cluster.create.bind(cluster),
    PUT: cluster.update.bind(cluster),
    PATCH: cluster.patch.bind(cluster),
  };
  const call = calls[request.method];
  return call ? Response.json(await call(pathname, body)) : status(405, "method not allowed");
}
