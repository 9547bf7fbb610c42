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

/** What the letters behind a quantity of Kubernetes mean. */
const SCALES: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};
const QUANTITY = /^(\d{1,20}(?:\.\d{1,20})?)(?:([mkMGTPE]|[KMGTPE]i)|[eE](\d{1,2}))?$/;

/** Bytes of a quantity of Kubernetes, rounded up as it does; undefined for text that is none. */
export function bytesOfQuantity(text: string): number | undefined {
  const [, number, unit = "", exponent = "0"] = QUANTITY.exec(text) ?? [];
  const scale = SCALES[unit];
  if (number === undefined || scale === undefined) return undefined;
  return Math.ceil(Number(number) * scale * 10 ** Number(exponent));
}
