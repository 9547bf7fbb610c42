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
