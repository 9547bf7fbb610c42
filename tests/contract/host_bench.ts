import type { ConnectOptions } from "../../src/arrays/array.ts";
import { FLASHARRAY_DIALECT } from "../../src/arrays/flasharray/status.ts";
import { type RestCall, RestClient } from "../../src/arrays/rest/client.ts";
import { HttpsClient } from "../../src/net/https.ts";
import { silentLogger } from "../../src/log.ts";
import { MiB } from "../../src/size.ts";
import { type ArrayBench, withArray } from "./array_bench.ts";

/** As a class for one writer asks for it. */
export const ISCSI: ConnectOptions = {
  protocol: "iscsi",
  exclusive: true,
  preempt: true,
  readOnly: false,
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
      const hosts = async () => (await rest.call<Host>({ method: "GET", path: "hosts" })).items;
      try {
        await test({ ...bench, admin: (call) => rest.call(call), hosts });
      } finally {
        https.close();
      }
    });
}
