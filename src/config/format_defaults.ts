import { findFsType, FS_TYPES } from "../file_systems.ts";
import { mkfsOptionsFault } from "../options/mkfs_options.ts";
import { refusedMountOption, unknownMountOptions } from "../options/mount_options.ts";
import type { Settings } from "./settings.ts";

const PAGE = "docs/formatting-options.md";

/**
 * `flasharray.defaultFSOpt`. An error when no file system's mkfs may have these options. Options
 * that only another file system than the default one takes are a warning: classes may name that one
 * each, as clusters of PSO did.
 */
export function readMkfsOptions(settings: Settings): string[] {
  const options = settings.texts("flasharray.defaultFSOpt");
  const { path, problems } = settings.at("flasharray.defaultFSOpt");
  const type = findFsType(settings.text("flasharray.defaultFSType")) ?? "xfs";
  const fault = mkfsOptionsFault(type, options);
  if (fault === undefined) return options;
  const found = `holds an option that mkfs must not get: ${fault}`;
  if (FS_TYPES.every((other) => mkfsOptionsFault(other, options) !== undefined)) {
    const fix = `take it out; ${PAGE} lists what may be given`;
    problems.error(path, { found, fix });
  } else {
    const fix = `volumes of ${type} are refused until it is taken out, or until their class has ` +
      "createoptions of its own";
    problems.warn(path, { found, fix });
  }
  return options;
}

/**
 * `flasharray.defaultMountOpt`. An error for what no node mounts with; what is known for no file
 * system is a warning, because clusters of PSO may have it and mount with it.
 */
export function readMountOptions(settings: Settings): string[] {
  const options = settings.texts("flasharray.defaultMountOpt");
  const { path, problems } = settings.at("flasharray.defaultMountOpt");
  const refused = refusedMountOption(options);
  if (refused !== undefined) {
    const fix = `take it out; ${PAGE} lists what may be given`;
    problems.error(path, { found: `holds a mount option that no node takes: ${refused}`, fix });
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
