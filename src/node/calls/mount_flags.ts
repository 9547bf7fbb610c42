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
