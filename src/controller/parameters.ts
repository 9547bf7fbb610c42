import type { VolumeKind } from "../arrays/array.ts";
import { PsoError } from "../errors.ts";
import { type Protocol, PROTOCOLS } from "../handoff.ts";
import { nearest } from "../nearest.ts";
import { GiB, KiB, MiB } from "../size.ts";
import { type LabelTerm, parseLabelSelector } from "./label_selector.ts";

/** What a StorageClass asks for. */
export interface ClassParameters {
  /** `backend`; absent = by capability and fleet. */
  kind?: VolumeKind;
  /** `createoptions`: options of mkfs, block only. */
  createOptions?: string;
  /** `exportrules`: file only. */
  exportRules?: string;
  /** `iops_limit` per second, block only. */
  iopsLimit?: number;
  /** `bandwidth_limit` per second, block only. */
  bandwidthLimitBytes?: number;
  /** `array_selector`: only arrays whose Labels meet all terms. */
  arraySelector: LabelTerm[];
  /** `protocol`; absent = `flasharray.sanType`. */
  protocol?: Protocol | "auto";
  /** What csi-provisioner's --extra-create-metadata tells, for tags. */
  claim: { name?: string; namespace?: string; volume?: string };
}

/** QoS limits of a FlashArray volume (reference arrays A4; PSO 6 took the same). */
const IOPS_MIN = 100;
const IOPS_MAX = 100_000_000;
const BANDWIDTH_MIN_BYTES = MiB;
const BANDWIDTH_MAX_BYTES = 512 * GiB;
const BANDWIDTH_UNITS: Record<string, number> = { "": 1, K: KiB, M: MiB, G: GiB };
/**
 * mkfs options and export rules travel in volume_context or in a REST body: text for people, not a
 * file.
 */
const TEXT_MAX = 1024;

/** Keys of Kubernetes' own: metadata in CreateVolume, and the whole raw class in GetCapacity. */
const METADATA_PREFIX = "csi.storage.k8s.io/";
/** Old keys that csi-provisioner uses itself and passes on too. */
const IGNORED = /^(fstype|csi[a-z]*secretname(space)?)$/i;

const KINDS: Record<string, VolumeKind> = { block: "block", file: "file" };

/** PSO's spellings of `sanType` are taken for `protocol` too. */
const PROTOCOL_NAMES: Record<string, Protocol | "auto"> = {
  ...Object.fromEntries(
    PROTOCOLS.filter((protocol) => protocol !== "local").map((protocol) => [protocol, protocol]),
  ),
  auto: "auto",
  "nvmeof-rdma": "nvme-roce",
  "nvmeof-tcp": "nvme-tcp",
  "nvmeof-fc": "nvme-fc",
};

type Reader = (value: string, parameters: ClassParameters) => void;

/** One row per parameter that this driver knows. */
const READERS: Record<string, Reader> = {
  backend: (value, parameters) => {
    parameters.kind = oneOf("backend", value, KINDS);
  },
  createoptions: (value, parameters) => {
    parameters.createOptions = plainText("createoptions", value);
  },
  exportrules: (value, parameters) => {
    parameters.exportRules = plainText("exportrules", value);
  },
  iops_limit: (value, parameters) => {
    parameters.iopsLimit = readIops(value);
  },
  bandwidth_limit: (value, parameters) => {
    parameters.bandwidthLimitBytes = readBandwidth(value);
  },
  array_selector: (value, parameters) => {
    parameters.arraySelector = parseLabelSelector(value);
  },
  protocol: (value, parameters) => {
    parameters.protocol = oneOf("protocol", value, PROTOCOL_NAMES);
  },
};

function refuse(key: string, value: string, wanted: string): PsoError {
  return new PsoError(
    "invalid",
    `class parameter ${key} is ${JSON.stringify(value)}, wanted ${wanted}`,
  );
}

function oneOf<T>(key: string, value: string, table: Record<string, T>): T {
  const name = value.trim().toLowerCase();
  const found = Object.hasOwn(table, name) ? table[name] : undefined;
  if (found === undefined) throw refuse(key, value, `one of ${Object.keys(table).join(", ")}`);
  return found;
}

function plainText(key: string, value: string): string {
  const text = value.trim();
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (text.length > TEXT_MAX || /[\x00-\x1f\x7f]/.test(text)) {
    throw refuse(key, value.slice(0, 60), `one line of at most ${TEXT_MAX} characters`);
  }
  return text;
}

function readIops(value: string): number {
  const limit = /^\d{1,12}$/.test(value.trim()) ? Number(value) : NaN;
  if (limit >= IOPS_MIN && limit <= IOPS_MAX) return limit;
  throw refuse("iops_limit", value, `a whole number from ${IOPS_MIN} to ${IOPS_MAX}`);
}

function readBandwidth(value: string): number {
  const [, digits, unit] = /^(\d{1,15})\s*([KMG]?)$/.exec(value.trim().toUpperCase()) ?? [];
  const bytes = Number(digits ?? NaN) * (BANDWIDTH_UNITS[unit ?? ""] ?? NaN);
  if (bytes >= BANDWIDTH_MIN_BYTES && bytes <= BANDWIDTH_MAX_BYTES && bytes % 512 === 0) {
    return bytes;
  }
  const range = `${BANDWIDTH_MIN_BYTES} to ${BANDWIDTH_MAX_BYTES}`;
  throw refuse(
    "bandwidth_limit",
    value,
    `bytes per second (${range}, a multiple of 512) or a number with K, M or G, such as 100M`,
  );
}

/**
 * Reads the parameters of a StorageClass, their keys in any case. Kubernetes' own keys are ignored
 * but for the claim's names. `invalid` for an unknown key (with the nearest known one and all of
 * them) and for a wrong value (with what is wanted).
 */
export function parseParameters(raw: Record<string, string>): ClassParameters {
  const parameters: ClassParameters = { arraySelector: [], claim: {} };
  for (const [key, value] of Object.entries(raw)) {
    if (key.startsWith(METADATA_PREFIX)) {
      readMetadata(key.slice(METADATA_PREFIX.length), value, parameters);
      continue;
    }
    if (IGNORED.test(key)) continue;
    const name = key.toLowerCase();
    const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    if (reader === undefined) throw unknownKey(key);
    reader(value, parameters);
  }
  return parameters;
}

/** `invalid` for any parameter of a snapshot class but Kubernetes' own: there are none. */
export function refuseSnapshotParameters(raw: Record<string, string>): void {
  const key = Object.keys(raw).find((name) =>
    !name.startsWith(METADATA_PREFIX) && !IGNORED.test(name)
  );
  if (key !== undefined) {
    throw new PsoError(
      "invalid",
      `snapshot class parameter ${JSON.stringify(key)} is unknown: remove it, there are none`,
    );
  }
}

function readMetadata(key: string, value: string, { claim }: ClassParameters): void {
  if (key === "pvc/name") claim.name = value;
  else if (key === "pvc/namespace") claim.namespace = value;
  else if (key === "pv/name") claim.volume = value;
}

function unknownKey(key: string): PsoError {
  const known = Object.keys(READERS);
  const near = nearest(key, known);
  const meant = near === undefined ? "" : `, did you mean ${near}`;
  return new PsoError(
    "invalid",
    `class parameter ${JSON.stringify(key)} is unknown${meant}; known are ${known.join(", ")}`,
  );
}
