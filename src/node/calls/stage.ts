import { type Capability, isReadOnly } from "../../capability.ts";
import { PsoError } from "../../errors.ts";
import { type FsType, toFsType } from "../../file_systems.ts";
import { isReadOnlyMount, type Mount } from "../../host/mountinfo.ts";
import type { NodeContext } from "../context.ts";
import type { StageRequest } from "../requests.ts";
import type { StageRecord } from "../stage_record.ts";

/** A stage in progress: the request with everything that follows from it. */
export interface Stage {
  request: StageRequest;
  capability: Capability;
  /** Where the mount belongs, as mountinfo names it. */
  place: string;
  record: StageRecord;
  /** Writes the record down as it is now. */
  save: () => Promise<void>;
}

/** The file system of a block volume: the one that the class names, else the configured default. */
export function fsTypeOf(
  { flasharray }: Pick<NodeContext, "flasharray">,
  { access }: Capability,
): FsType {
  return access.type === "mount" && access.fsType !== ""
    ? toFsType(access.fsType)
    : toFsType(flasharray.defaultFsType);
}

/** Whether nobody is to write through this stage, by its mode or by a mount flag `ro`. */
export function wantsReadOnly({ mode, access }: Capability): boolean {
  return isReadOnly(mode) || (access.type === "mount" && access.mountFlags.includes("ro"));
}

/** The refusal of a place where something other than the volume is mounted. */
export function foreignMountError({ place, request }: Stage, existing: Mount): PsoError {
  return new PsoError(
    "in_use",
    `${place} holds ${existing.type} from ${existing.source}, which is not volume ` +
      `${request.volumeId}: unmount it by hand`,
  );
}

/** `conflict` when a staged file system is writable and must not be, or the other way round. */
export function requireSameAccess({ capability, place, request }: Stage, existing: Mount): void {
  const wanted = wantsReadOnly(capability);
  if (capability.access.type === "block" || isReadOnlyMount(existing) === wanted) return;
  const [is, asked] = wanted ? ["writable", "read-only"] : ["read-only", "writable"];
  throw new PsoError(
    "conflict",
    `volume ${request.volumeId} is staged ${is} at ${place}, and ${asked} is asked for: unstage ` +
      "it first",
  );
}
