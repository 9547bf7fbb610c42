/** Bytes in a kibibyte; the units below follow in steps of 1024 (IEC 80000-13). */
export const KiB = 1024;
/** 2^20 bytes. */
export const MiB = 1024 * KiB;
/** 2^30 bytes. */
export const GiB = 1024 * MiB;
/** 2^40 bytes. */
export const TiB = 1024 * GiB;
/** 2^50 bytes. */
export const PiB = 1024 * TiB;

const UNITS: [string, number][] = [["PiB", PiB], ["TiB", TiB], ["GiB", GiB], ["MiB", MiB], [
  "KiB",
  KiB,
]];

/**
 * Bytes for people: the largest binary unit that keeps at least 1, with at most two decimals (`1.4
 * TiB`).
 */
export function formatSize(bytes: number): string {
  const [unit, scale] = UNITS.find(([, scale]) => bytes >= scale) ?? ["bytes", 1];
  return `${Number((bytes / scale).toFixed(2))} ${unit}`;
}

/** The smallest multiple of `step` that is at least `bytes`. */
export function roundUp(bytes: number, step: number): number {
  return Math.ceil(bytes / step) * step;
}
