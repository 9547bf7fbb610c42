// A sidecar that is killed in the middle of its call: what it asked for is never done by half.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import net from "node:net";
import { status } from "@grpc/grpc-js";
import { connectCsi } from "../../scripts/csi_client.ts";
import { until } from "../../src/async/wait.ts";
import { WRITER } from "../support/rpc_rows.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";
import { gibibytes } from "./service_rows.ts";
import { withSocket } from "./service_socket.ts";

/** So long the array takes for the create: the connection is cut before. */
const DELAY_MS = 1_500;
/** A guard, not a promise. */
const ENDS_MS = 30_000;

/** Connections to a socket that break when it is told so, as those of a process that is killed. */
async function breakable(
  { path, target }: { path: string; target: string },
  work: (cut: () => void) => Promise<void>,
): Promise<void> {
  const open = new Set<net.Socket>();
  const server = net.createServer((caller) => {
    const served = net.connect(target);
    for (const [from, to] of [[caller, served], [served, caller]] as const) {
      open.add(from);
      from.on("error", () => {});
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  try {
    await work(cut);
  } finally {
    cut();
    await new Promise((resolve) => server.close(resolve));
  }
}

Deno.test("what a caller asked for that vanished is brought to its end, and who repeats the call gets the whole", () =>
  ProvisionerBed.run(
    { flasharrays: 1 },
    (bed) =>
      withSocket(bed, async ({ controller, endpoint, folder }) => {
        const path = `${folder}/sidecar.sock`;
        await breakable({ path, target: endpoint.path }, async (cut) => {
          const request = {
            name: "pvc-1",
            volumeCapabilities: [WRITER],
            capacityRange: gibibytes(1),
          };
          const match = { method: "POST", path: "/volumes" };
          await bed.fault({ action: "delay", value: DELAY_MS, match, times: 1 });
          const sidecar = connectCsi(`unix://${path}`, { ownConnection: true });
          const lost = sidecar.controller.createVolume(request).catch(() => "lost");
          await until("the call", () => endpoint.running() === 1, { timeoutMs: ENDS_MS });
          cut();
          await rejects(controller.createVolume(request), { code: status.ABORTED });
          await until("its end", () => endpoint.running() === 0, { timeoutMs: ENDS_MS });
          deepEqual(await bed.volumes(), { "fa-1": ["k8s-pvc-1"] });
          const { volume } = await controller.createVolume(request);
          ok(volume?.volumeId.endsWith("/k8s-pvc-1"));
          sidecar.close();
          equal(await lost, "lost");
        });
      }),
  ));
