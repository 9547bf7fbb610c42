import type { ClusterSinks, FactSink } from "../../cluster/facts.ts";
import type { Logger } from "../../log.ts";
import type { KubeClient, KubeObject } from "../client.ts";
import { KUBE_LIMITS } from "../limits.ts";
import { KubeWatch } from "../watch.ts";
import { attachmentFact, nameOf, nodeFact, volumeFact } from "./facts.ts";

/** How a cluster is followed. */
interface ClusterWatchSetup {
  kube: KubeClient;
  /** The driver's name: what is of others is left out. */
  driver: string;
  sinks: ClusterSinks;
  log: Logger;
  /** As WatchSetup. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Objects of one kind, and who is told of them. */
interface Followed<T> {
  path: string;
  factOf: (object: KubeObject, driver: string) => T | undefined;
  sink: FactSink<T>;
}

/**
 * Tells the nodes, volumes and attachments of the driver, and every change of them, until the
 * signal. Of each object only its fact is kept. Never throws: what cannot be read is tried again.
 */
export async function followCluster(setup: ClusterWatchSetup, signal: AbortSignal): Promise<void> {
  const { sinks } = setup;
  const storage = "/apis/storage.k8s.io/v1";
  await Promise.all([
    follow(setup, { path: `${storage}/csinodes`, factOf: nodeFact, sink: sinks.nodes }, signal),
    follow(
      setup,
      { path: "/api/v1/persistentvolumes", factOf: volumeFact, sink: sinks.volumes },
      signal,
    ),
    follow(
      setup,
      { path: `${storage}/volumeattachments`, factOf: attachmentFact, sink: sinks.attachments },
      signal,
    ),
  ]);
}

function follow<T>(
  { kube, driver, log, wait }: ClusterWatchSetup,
  { path, factOf, sink }: Followed<T>,
  signal: AbortSignal,
): Promise<void> {
  const collection = { path, pageItems: KUBE_LIMITS.factItems as number };
  const watch = new KubeWatch({
    kube,
    collection,
    handlers: {
      begin: () => sink.begin(),
      put: (object) => {
        const fact = factOf(object, driver);
        if (fact !== undefined) sink.put(fact);
        else sink.remove(nameOf(object));
      },
      remove: (object) => sink.remove(nameOf(object)),
      listed: () => sink.listed(),
      trouble: (problem) => {
        sink.trouble(problem);
        if (problem === undefined) return log.info("state of the cluster is read again", { path });
        log.warn("state of the cluster cannot be read", { path, problem });
        // Objects that are large make a page larger than an answer may be.
        collection.pageItems = Math.max(KUBE_LIMITS.pageItems, collection.pageItems / 2);
      },
    },
    ...wait && { wait },
  });
  return watch.run(signal);
}
