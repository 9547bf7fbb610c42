import { CONFIG_LIMITS } from "../model.ts";

/** A key of an entry of `arrays.FlashArrays` or `arrays.FlashBlades`. */
export interface ArrayKey {
  name: string;
  type: "text" | "switch" | "secret" | "secret reference" | "labels";
  /** Kinds whose entries may have it. */
  kinds: readonly ("flasharray" | "flashblade")[];
  required: boolean;
  /** Characters of a `text` or `secret` at most; absent: as many as a file may have. */
  chars?: number;
  default?: string | boolean;
  meaning: string;
  /**
   * Spellings of earlier releases. Any other mix of upper and lower case is accepted too, as PSO's
   * driver did.
   */
  old?: readonly string[];
}

const BOTH = ["flasharray", "flashblade"] as const;

/**
 * Keys of one array's entry. Unlike elsewhere, an unknown key is an error here: a mistyped TLS or
 * token key must not pass.
 */
export const ARRAY_KEYS: readonly ArrayKey[] = [
  {
    name: "MgmtEndPoint",
    type: "text",
    kinds: BOTH,
    required: true,
    chars: CONFIG_LIMITS.textChars,
    meaning: "Management address: host name, IPv4 or IPv6 address, `:port` if it is not 443, " +
      "`https://` allowed before it.",
  },
  {
    name: "APIToken",
    type: "secret",
    kinds: BOTH,
    required: false,
    chars: CONFIG_LIMITS.tokenChars,
    meaning:
      "API token of a user with the role Storage Admin, made by `pureadmin create --api-token`. " +
      "Exactly one of `APIToken`, `APITokenFile` and " +
      "`APITokenSecret` is needed.",
  },
  {
    name: "APITokenFile",
    type: "text",
    kinds: BOTH,
    required: false,
    chars: CONFIG_LIMITS.textChars,
    meaning: "Path of a file that holds the token; a new content is taken up with no restart. In " +
      "the cluster below `/etc/pure` alone.",
  },
  {
    name: "APITokenSecret",
    type: "secret reference",
    kinds: BOTH,
    required: false,
    meaning:
      "`{name, key}` of an existing Kubernetes Secret in the driver's namespace that holds the " +
      "token; the chart mounts it " +
      "at `/etc/pure/tokens/<name>` in the controller. `key` is `token` when left out.",
  },
  {
    name: "NFSEndPoint",
    type: "text",
    kinds: ["flashblade"],
    required: true,
    chars: CONFIG_LIMITS.textChars,
    meaning: "Host name or IP address of a data interface, from which the nodes mount.",
    old: ["NfsEndPoint"],
  },
  {
    name: "Labels",
    type: "labels",
    kinds: BOTH,
    required: false,
    meaning:
      "Labels by which classes choose arrays; those named `topology.purestorage.com/*` are the " +
      "array's topology.",
  },
  {
    name: "Name",
    type: "text",
    kinds: BOTH,
    required: false,
    chars: CONFIG_LIMITS.nameChars,
    meaning: "What log, metrics and console call the array. Default: the name that the array " +
      "gives itself.",
  },
  {
    name: "Suspended",
    type: "switch",
    kinds: BOTH,
    required: false,
    default: false,
    meaning:
      "`true`: the array gets no new volumes, and no create waits for it. What it holds is served " +
      "as before. A claim that was tried there before may then exist twice: see " +
      "[Arrays that do not answer](silent-arrays.md).",
  },
  {
    name: "TLSVerify",
    type: "switch",
    kinds: BOTH,
    required: false,
    default: true,
    meaning:
      "`false` accepts any certificate: whoever answers at the address gets the API token. A " +
      "warning at every start.",
  },
  {
    name: "CACert",
    type: "text",
    kinds: BOTH,
    required: false,
    meaning:
      "CA certificates that the array's certificate must be signed by, instead of the system's and " +
      "Mozilla's: a PEM text, or the path of a PEM file, in the cluster below `/etc/pure` alone.",
  },
  {
    name: "CertFingerprint",
    type: "text",
    kinds: BOTH,
    required: false,
    chars: CONFIG_LIMITS.textChars,
    meaning:
      "SHA-256 fingerprint of the array's certificate, 64 hexadecimal digits with or without " +
      "colons. That very certificate is then " +
      "accepted, self-signed or not, and no other. `pso-bin admin check` prints it.",
  },
];
