/** A bed's controller behind a socket of its own, and a gRPC client of it, as a sidecar has one. */
import { connectCsi, type CsiClient } from "../../scripts/csi_client.ts";
import { controllerService } from "../../src/csi/controller_service.ts";
import { type Endpoint, startEndpoint } from "../../src/csi/endpoint.ts";
import { silentLogger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import type { ProvisionerBed } from "./provisioner_bed.ts";

/** What is served, and a client of it. */
interface ServedSocket {
  controller: CsiClient["controller"];
  endpoint: Endpoint;
  /** Beside the socket, for others. */
  folder: string;
}

/** Serves the bed's controller while `work` runs. */
export async function withSocket(
  bed: ProvisionerBed,
  work: (served: ServedSocket) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "pso-socket-" });
  const endpoint = await startEndpoint({
    endpoint: `unix://${folder}/csi.sock`,
    driverName: "pure-csi",
    methods: controllerService({ provisioner: () => bed.provisioner, topology: () => false }),
    log: silentLogger,
    metrics: new Metrics(),
  });
  const csi = connectCsi(`unix://${endpoint.path}`, { ownConnection: true });
  try {
    await work({ controller: csi.controller, endpoint, folder });
  } finally {
    csi.close();
    await endpoint.stop();
    await Deno.remove(folder, { recursive: true });
  }
}
