import type { Capability } from "../../capability.ts";
import { PsoError } from "../../errors.ts";
import { refusedMountOption, unknownMountOptions } from "../../options/mount_options.ts";
import type { MountedType } from "../../options/mount_tables.ts";
import type { NodeContext } from "../context.ts";

/** How many names of unknown options are remembered; what comes later is not logged. */
const UNKNOWN_MAX = 100;

/** The flags of a volume, and what is to be mounted with them. */
interface FlagsInUse {
  volumeId: string;
  capability: Capability;
  type: MountedType;
}

/**
 * Refuses mount flags that would change what is mounted, where, or by whom (`invalid`). One that is
 * unknown passes, because volumes of earlier releases have their flags for good; its name is logged
 * once.
 */
export function checkMountFlags(
  { log, unknownMountOptions: logged }: Pick<NodeContext, "log" | "unknownMountOptions">,
  { volumeId, capability: { access }, type }: FlagsInUse,
): void {
  if (access.type === "block") return;
  const fault = refusedMountOption(access.mountFlags);
  if (fault !== undefined) {
    throw new PsoError(
      "invalid",
      `volume ${volumeId} is not mounted: mount option ${fault}; take it out of mountOptions of ` +
        "the PV and of its class",
    );
  }
  for (const option of unknownMountOptions(type, access.mountFlags)) {
    if (logged.has(option) || logged.size >= UNKNOWN_MAX) continue;
    logged.add(option);
    log.warn("mount option unknown, given to mount as it is", { volume: volumeId, type, option });
  }
}

/**
 * `discard` and `nodiscard` say one thing each way; `noatime` and `noexec` are names of their own.
 */
function opposite(flag: string): string {
  return flag.startsWith("no") ? flag.slice(2) : `no${flag}`;
}

function nameOf(flag: string): string {
  return flag.split("=")[0] ?? flag;
}

/** Where the options of a mount come from. */
interface MountFlags {
  /** Those that the file system must have. */
  fixed: readonly string[];
  /** Those of the configuration. */
  defaults: readonly string[];
  /** Those of the class. */
  wanted: readonly string[];
}

/**
 * Mount options for a new mount: those that must be, those wanted, and the defaults that neither
 * repeat nor contradict the wanted ones.
 */
export function combineMountFlags({ fixed, defaults, wanted }: MountFlags): string[] {
  const names = new Set(wanted.map(nameOf));
  const usable = defaults.filter((flag) =>
    !names.has(nameOf(flag)) && !names.has(opposite(nameOf(flag)))
  );
  return [...new Set([...fixed, ...usable, ...wanted.filter((flag) => flag !== "rw")])];
}
