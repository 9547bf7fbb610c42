import type { ConnectOptions, NodeKnowledge } from "../../src/arrays/array.ts";
import { FLASHARRAY_DIALECT } from "../../src/arrays/flasharray/status.ts";
import { type RestCall, RestClient } from "../../src/arrays/rest/client.ts";
import { HttpsClient } from "../../src/net/https.ts";
import { silentLogger } from "../../src/log.ts";
import { MiB } from "../../src/size.ts";
import { asIs } from "../support/as_is.ts";
import { type ArrayBench, withArray } from "./array_bench.ts";

/** What a controller knows that has just started: which cluster it serves. */
export const KNOWN: NodeKnowledge = { cluster: "k8s" };
/** As a class for one writer asks for it. */
export const ISCSI: ConnectOptions = {
  protocol: "iscsi",
  exclusive: true,
  preempt: true,
  readOnly: false,
  known: KNOWN,
};
/** Of each volume of the bench. */
export const VOLUME_BYTES = 16 * MiB;

/** A host object as the array lists it. */
export interface Host {
  name: string;
  iqns: string[];
  nqns: string[];
  wwns: string[];
}

/** A FlashArray with two volumes, and an administrator beside our client. */
export interface HostBench extends ArrayBench {
  /** A call as an administrator would make it. */
  admin: (call: RestCall) => Promise<unknown>;
  hosts: () => Promise<Host[]>;
  addHost: (name: string, initiators: Partial<Host>) => Promise<void>;
  addVolume: (name: string) => Promise<void>;
  connect: (host: string, volume: string) => Promise<void>;
  /** Gives the volume a tag beside those that it has. */
  tag: (volume: string, key: string, value: string) => Promise<void>;
  /** The hosts that the volume is connected to. */
  hostsOf: (volume: string) => Promise<string[]>;
}

/** A test over such a bench. */
export function withHosts(test: (bench: HostBench) => Promise<void>): () => Promise<void> {
  return () =>
    withArray({ kind: "flasharray" }, async (bench) => {
      const https = new HttpsClient(bench.endpoint);
      const { token } = bench.endpoint;
      const rest = new RestClient({
        fetch: https.fetch,
        dialect: FLASHARRAY_DIALECT,
        token,
        label: () => "admin",
        log: silentLogger,
      });
      for (const name of ["k8s-pvc-1", "k8s-pvc-2"]) {
        await bench.array.createVolume({ name, sizeBytes: VOLUME_BYTES });
      }
      try {
        await test({ ...bench, ...callsOf(rest) });
      } finally {
        https.close();
      }
    });
}

function callsOf(rest: RestClient): Omit<HostBench, keyof ArrayBench> {
  const post = async (path: string, query: RestCall["query"], body: RestCall["body"] = {}) =>
    void await rest.call({ method: "POST", path, query, body });
  return {
    admin: (call) => rest.call(call),
    hosts: async () => (await rest.call({ method: "GET", path: "hosts", item: asIs<Host> })).items,
    addHost: (name, initiators) => post("hosts", { names: name }, initiators),
    addVolume: (name) => post("volumes", { names: name }, { provisioned: VOLUME_BYTES }),
    connect: (host, volume) => post("connections", { host_names: host, volume_names: volume }),
    tag: async (volume, key, value) => {
      const query = { resource_names: volume };
      const body = [{ key, value }];
      await rest.call({ method: "PUT", path: "volumes/tags/batch", query, body });
    },
    hostsOf: async (volume) => {
      const query = { volume_names: volume };
      const item = asIs<{ host: { name: string } }>;
      const call = { method: "GET", path: "connections", query, item } as const;
      const { items } = await rest.call(call);
      return items.map(({ host }) => host.name);
    },
  };
}
