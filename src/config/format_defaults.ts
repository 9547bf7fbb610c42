import { DEFAULT_FS_TYPE, findFsType, FS_TYPES } from "../file_systems.ts";
import { mkfsOptionsFault } from "../options/mkfs_options.ts";
import { refusedMountOption, unknownMountOptions } from "../options/mount_options.ts";
import type { Settings } from "./settings.ts";

const PAGE = "docs/formatting-options.md";

/**
 * `flasharray.defaultFSOpt`. Options that mkfs must not get are a warning and no error: a cluster of
 * PSO may hold them, and must start to serve the volumes that it has. Creates and formats that
 * would use them are refused one by one.
 */
export function readMkfsOptions(settings: Settings): string[] {
  const options = settings.texts("flasharray.defaultFSOpt");
  const { path, problems } = settings.at("flasharray.defaultFSOpt");
  const type = findFsType(settings.text("flasharray.defaultFSType")) ?? DEFAULT_FS_TYPE;
  const fault = mkfsOptionsFault(type, options);
  if (fault !== undefined) {
    problems.warn(path, {
      found: `holds an option that mkfs must not get: ${fault}`,
      fix: `volumes of ${type} are refused until it is taken out, or until their class has ` +
        `createoptions of its own; ${PAGE} lists what may be given`,
    });
  }
  return options;
}

/**
 * `flasharray.defaultMountOpt`. What no node mounts with, and what is known for no file system, is a
 * warning, for the reason that readMkfsOptions() says: nodes refuse the one and try the other.
 */
export function readMountOptions(settings: Settings): string[] {
  const options = settings.texts("flasharray.defaultMountOpt");
  const { path, problems } = settings.at("flasharray.defaultMountOpt");
  const refused = refusedMountOption(options);
  if (refused !== undefined) {
    const fix =
      `block volumes cannot be mounted until it is taken out; ${PAGE} lists what may be given`;
    problems.warn(path, { found: `holds a mount option that no node takes: ${refused}`, fix });
  }
  const unknown = options.filter((option) =>
    FS_TYPES.every((type) => unknownMountOptions(type, [option]).length > 0)
  );
  if (refused === undefined && unknown.length > 0) {
    problems.warn(path, {
      found: `holds ${unknown.map((one) => JSON.stringify(one.slice(0, 60))).join(", ")}, known ` +
        `for neither ${FS_TYPES.join(" nor ")}`,
      fix: `volumes cannot be mounted if it is mistyped; ${PAGE} lists what is known`,
    });
  }
  return options;
}
