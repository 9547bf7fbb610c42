import type { ArrayStatus, DataPort } from "../../arrays/array.ts";
import type { ArrayLook } from "./array_look.ts";
import { type FoundLevel, worstOf } from "./found.ts";

/** What is known of one array, for programs: the form of `-o json`. Holds no secret. */
export interface ArrayFacts {
  /** Where the configuration has it: `arrays.FlashArrays[0]`. */
  entry: string;
  address: string;
  kind: "flasharray" | "flashblade";
  /** The worst of what was found. */
  result: FoundLevel;
  suspended: boolean;
  labels: Readonly<Record<string, string>>;
  /** The array's own name, or what the configuration calls it; absent while neither is known. */
  name?: string;
  id?: string;
  model?: string;
  purity?: string;
  /** The REST version that is used. */
  rest?: string;
  restOffered?: readonly string[];
  features?: readonly string[];
  protocols?: readonly string[];
  /** Of a FlashArray that has any, each with its limits; a limit that is absent is none. */
  volumeGroups?: readonly VolumeGroupFacts[];
  dataPorts?: readonly DataPort[];
  capacityBytes?: number;
  usedBytes?: number;
  /** Whether the user's role suffices; absent when it could not be asked. */
  mayChange?: boolean;
  certificate?: CertificateFacts;
  /** How far its clock is behind the one here; negative: ahead. */
  clockBehindMs?: number;
}

/** A volume group of a FlashArray, and what all of its volumes may do together. */
interface VolumeGroupFacts {
  name: string;
  /** I/O operations per second. */
  iopsLimit?: number;
  /** Bytes per second. */
  bandwidthLimitBytes?: number;
}

/** The certificate that a server shows. */
interface CertificateFacts {
  issuer: string;
  selfSigned: boolean;
  /** ISO 8601; absent when it says no date. */
  expires?: string;
  /** SHA-256, for CertFingerprint. */
  fingerprint: string;
}

/** The facts of one look, without its findings. */
export function factsOf({ config, found, api, status, mayChange }: ArrayLook): ArrayFacts {
  const { path, managementAddress, kind, suspended, labels } = config;
  const certificate = api?.certificate;
  return {
    entry: path,
    address: managementAddress,
    kind,
    result: worstOf(found.all),
    suspended,
    labels,
    name: config.name ?? status?.name,
    id: status?.id,
    model: status?.model,
    purity: status?.version,
    rest: status?.restVersion,
    restOffered: api?.versions,
    features: status && [...status.features],
    protocols: status && [...status.protocols],
    volumeGroups: volumeGroupsOf(status),
    dataPorts: status?.dataPorts,
    capacityBytes: status?.capacityBytes,
    usedBytes: status?.usedBytes,
    mayChange,
    certificate: certificate && {
      issuer: certificate.issuer,
      selfSigned: certificate.isSelfSigned,
      expires: Number.isNaN(certificate.expiresMs)
        ? undefined
        : new Date(certificate.expiresMs).toISOString(),
      fingerprint: certificate.fingerprint,
    },
    clockBehindMs: api?.aheadMs === undefined ? undefined : Math.round(api.aheadMs),
  };
}

function volumeGroupsOf(status: ArrayStatus | undefined): VolumeGroupFacts[] | undefined {
  const groups = [...status?.containers?.["volume group"]?.values() ?? []];
  if (groups.length === 0) return undefined;
  return groups.map(({ name, limits: { iops, bandwidthBytes } = {} }) => ({
    name,
    iopsLimit: iops,
    bandwidthLimitBytes: bandwidthBytes,
  }));
}
