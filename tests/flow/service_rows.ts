// The rows of the controller service over a bed's provisioner.
import { controllerService } from "../../src/csi/controller_service.ts";
import { groupControllerService } from "../../src/csi/group_controller_service.ts";
import { Controller } from "../../src/csi/generated/csi_pb.ts";
import { GiB } from "../../src/size.ts";
import { RpcRows, WRITER } from "../support/rpc_rows.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";

/** A label that says where an array is. */
export const ZONE = "topology.purestorage.com/zone";

/**
 * The rows of the controller over one bed; they follow it through a restart. `topology`:
 * storagetopology.enable.
 */
export function rowsOf(bed: ProvisionerBed, topology = true): RpcRows {
  const provisioner = () => bed.provisioner;
  return new RpcRows([
    ...controllerService({ provisioner, topology: () => topology }),
    ...groupControllerService(provisioner),
  ]);
}

/** A CapacityRange; 0 = no limit. */
export function gibibytes(required: number, limit = 0) {
  return { requiredBytes: BigInt(required * GiB), limitBytes: BigInt(limit * GiB) };
}

/** Two FlashArrays in two zones, and the rows of a controller over them. */
export function withRows(
  test: (rows: RpcRows, bed: ProvisionerBed) => Promise<void>,
  topology = true,
): () => Promise<void> {
  const labels = { "fa-1": { [ZONE]: "a" }, "fa-2": { [ZONE]: "b" } };
  return () => ProvisionerBed.run({ labels }, (bed) => test(rowsOf(bed, topology), bed));
}

/** Creates a volume by its row and returns its id. */
export async function created(rows: RpcRows, name: string): Promise<string> {
  const { volume } = await rows.call(Controller.method.createVolume, {
    name,
    volumeCapabilities: [WRITER],
    capacityRange: gibibytes(1),
  });
  return volume?.volumeId ?? "";
}
