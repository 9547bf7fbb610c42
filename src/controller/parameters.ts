import type { VolumeKind } from "../arrays/array.ts";
import { PsoError } from "../errors.ts";
import { CLASS_PROTOCOLS, type Protocol, REAL_FILE_PROTOCOLS } from "../protocols.ts";
import { nearest } from "../nearest.ts";
import { hasOpenQuote, splitWords } from "../words.ts";
import {
  BANDWIDTH_TAKEN,
  GROUPS_TAKEN,
  IOPS_TAKEN,
  isNone,
  ONE_LINE,
  oneOf,
  plainText,
  readBandwidth,
  readGroups,
  readIops,
  refuse,
  TEXT_MAX,
} from "./parameters/parameter_values.ts";
import {
  type LabelTerm,
  parseLabelPairs,
  parseLabelSelector,
  parseSelectorObject,
} from "./placement/label_selector.ts";
import { IMPORT_PARAMETERS, type ImportRights } from "./import/import_parameters.ts";
import {
  CONTAINER_PARAMETERS,
  type ContainerWish,
  refuseLimitsOfNothing,
} from "./parameters/container_parameters.ts";
import { OWN_TAGS, readTags, TAGS_TAKEN } from "./tags.ts";

/** What a StorageClass asks for. */
export interface ClassParameters extends ImportRights, ContainerWish {
  /** `backend`; absent = by capability and fleet. */
  kind?: VolumeKind;
  /** `createoptions`: options of mkfs, word by word; block only. */
  mkfsOptions?: string[];
  /** `exportrules`: file only. */
  exportRules?: string;
  /** `iops_limit` per second, block only; `null` = asked to have none. */
  iopsLimit?: number | null;
  /** `bandwidth_limit` per second, block only; `null` = asked to have none. */
  bandwidthLimitBytes?: number | null;
  /** `tags`: block only. */
  tags?: Record<string, string>;
  /** `protection_groups`: block only. */
  protectionGroups?: string[];
  /** `array_selector`, `labels` and `selector`: only arrays whose Labels meet all terms. */
  arraySelector: LabelTerm[];
  /** `arrayID`: only this array, by its own id in lower case. */
  arrayId?: string;
  /** `protocol`; absent = `flasharray.sanType`. */
  protocol?: Protocol | "auto";
  /** What csi-provisioner's --extra-create-metadata tells, for tags. */
  claim: { name?: string; namespace?: string; volume?: string };
}

/** Keys of Kubernetes' own: metadata in CreateVolume, and the whole raw class in GetCapacity. */
const METADATA_PREFIX = "csi.storage.k8s.io/";
/** Old keys that csi-provisioner uses itself and passes on too. */
const IGNORED = /^(fstype|csi[a-z]*secretname(space)?)$/i;

const KINDS: Record<string, VolumeKind> = { block: "block", file: "file" };

const FILE_NAMES = REAL_FILE_PROTOCOLS.map((name) => `\`${name}\``).join(" or ");

/** A parameter that a StorageClass may have: how it is read, and what its page says of it. */
export interface ClassParameter {
  /** As a class writes it; any mix of upper and lower case is read. */
  name: string;
  /** What it takes, as a refusal says it after "wanted". */
  takes: string;
  /** What holds when the class does not have it. */
  default: string;
  appliesTo: VolumeKind | "both";
  /** Refused for a volume of the kind that it does not apply to; else such a volume ignores it. */
  isRefusedElsewhere: boolean;
  /** A VolumeAttributesClass may have it too, and changes it on a volume that is there. */
  isMutable?: true;
  meaning: string;
  /** A value that is accepted. */
  example: string;
  /** Which releases of PSO had it, and what is different here. */
  heritage: string;
  /** Puts the value into its field. `invalid`, with what is wanted, for any other value. */
  read: (value: string, parameters: ClassParameters) => void;
}

/** Every parameter that this driver knows. Reading and docs/class-parameters.md come from it. */
export const CLASS_PARAMETERS: readonly ClassParameter[] = [
  {
    name: "backend",
    takes: `one of ${Object.keys(KINDS).join(", ")}`,
    default: "`file` when the claim needs several writers on a file system and a FlashBlade is " +
      "configured, or when only FlashBlades are; else `block`",
    appliesTo: "both",
    isRefusedElsewhere: false,
    meaning: "What the volume is: a FlashArray volume (`block`) or a FlashBlade file system " +
      "(`file`).",
    example: "block",
    heritage: "All releases of PSO.",
    read(value, parameters) {
      parameters.kind = oneOf(this, value, KINDS);
    },
  },
  {
    name: "createoptions",
    takes: `${ONE_LINE}, with every quote closed`,
    default: "`flasharray.defaultFSOpt`",
    appliesTo: "block",
    isRefusedElsewhere: false,
    meaning: "Options of `mkfs`, as on a command line: quotes group words, nothing is expanded. " +
      "Only those of [formatting options](formatting-options.md) may be given: none that names a " +
      "file, a folder or a device of the node, forces a format or sets the UUID. The options " +
      "replace the default and are kept with the volume. Volumes of the kind `file` do not use " +
      "them.",
    example: "-q -i size=512",
    heritage: "PSO 5 and 6.",
    read(value, parameters) {
      const text = plainText(this, value);
      if (hasOpenQuote(text)) throw refuse(this, text.slice(0, 60));
      parameters.mkfsOptions = splitWords(text);
    },
  },
  {
    name: "exportrules",
    takes: ONE_LINE,
    default: "`flashblade.exportRules`; without it, an export to the nodes that use the volume",
    appliesTo: "file",
    isRefusedElsewhere: false,
    isMutable: true,
    meaning:
      "NFS export rules of the file system, as Purity//FB takes them. With fixed rules the " +
      "driver does not add and remove the nodes that they let in: every host that the rules name " +
      "can mount the volume. A node outside a block gets a rule of its own. Volumes of the kind `block` do not use them.",
    example: "10.20.0.0/16(rw,no_root_squash)",
    heritage: "PSO 6. Its default was `*(rw,no_root_squash)`, an export to every host.",
    read(value, parameters) {
      parameters.exportRules = plainText(this, value);
    },
  },
  {
    name: "iops_limit",
    takes: IOPS_TAKEN,
    default: "no limit",
    appliesTo: "block",
    isRefusedElsewhere: true,
    isMutable: true,
    meaning:
      "I/O operations per second that each volume of the class may do. Refused for volumes " +
      "of the kind `file`. Only arrays that can limit a volume are chosen.",
    example: "5000",
    heritage: "PSO 6.",
    read(value, parameters) {
      parameters.iopsLimit = isNone(value) ? null : readIops(this, value);
    },
  },
  {
    name: "bandwidth_limit",
    takes: BANDWIDTH_TAKEN,
    default: "no limit",
    appliesTo: "block",
    isRefusedElsewhere: true,
    isMutable: true,
    meaning: "Bytes per second that each volume of the class may move; K, M and G are powers of " +
      "1024. Refused for volumes of the kind `file`. Only arrays that can limit a volume are " +
      "chosen.",
    example: "100M",
    heritage: "PSO 6.",
    read(value, parameters) {
      parameters.bandwidthLimitBytes = isNone(value) ? null : readBandwidth(this, value);
    },
  },
  {
    name: "tags",
    takes: TAGS_TAKEN,
    default: "none but the driver's own",
    appliesTo: "block",
    isRefusedElsewhere: true,
    isMutable: true,
    meaning: "Tags that each volume of the class gets on its FlashArray beside the driver's own " +
      `(${OWN_TAGS.map((key) => `\`${key}\``).join(", ")}). They are set, never taken away. ` +
      "Refused for volumes of the kind `file`.",
    example: "tier=gold,team=billing",
    heritage: "New.",
    read(value, parameters) {
      const tags = readTags(value);
      if (tags === undefined) throw refuse(this, value.slice(0, TEXT_MAX));
      parameters.tags = tags;
    },
  },
  {
    name: "protection_groups",
    takes: GROUPS_TAKEN,
    default: "none but what default protection adds",
    appliesTo: "block",
    isRefusedElsewhere: true,
    isMutable: true,
    meaning: "Protection groups of the array that each volume of the class joins, those of its " +
      "pod for a volume in a [pod](pods.md). The driver makes no group, and takes no volume out " +
      "of one. Refused for volumes of the kind `file`.",
    example: "gold",
    heritage: "New.",
    read(value, parameters) {
      parameters.protectionGroups = readGroups(this, value);
    },
  },
  {
    name: "array_selector",
    takes: "terms k=v, k!=v, k in (v,w), k notin (v,w), k or !k, with commas between",
    default: "every array",
    appliesTo: "both",
    isRefusedElsewhere: false,
    meaning: "Only arrays whose `Labels` in the values file meet all terms are chosen.",
    example: "tier=gold,!test",
    heritage: "New. The FlexVolume driver had the like as `spec.selector` of a claim.",
    read(value, parameters) {
      parameters.arraySelector.push(...parseLabelSelector(value));
    },
  },
  {
    name: "labels",
    takes: "k=v, with commas between",
    default: "every array",
    appliesTo: "both",
    isRefusedElsewhere: false,
    meaning: "Only arrays that have all these `Labels` are chosen.",
    example: "tier=gold,rack=22",
    heritage: "New.",
    read(value, parameters) {
      const terms = parseLabelPairs(value);
      if (terms === undefined) throw refuse(this, value.slice(0, 60));
      parameters.arraySelector.push(...terms);
    },
  },
  {
    name: "selector",
    takes: "JSON or YAML with matchLabels, matchExpressions or both, their values being texts",
    default: "every array",
    appliesTo: "both",
    isRefusedElsewhere: false,
    meaning:
      "Only arrays whose `Labels` meet all of it are chosen: a selector as claims have it, " +
      "with the operators `In`, `NotIn`, `Exists` and `DoesNotExist`.",
    example: '{"matchLabels": {"tier": "gold"}}',
    heritage: "The FlexVolume driver had it as `spec.selector` of a claim, which csi-provisioner " +
      "refuses.",
    read(value, parameters) {
      const terms = parseSelectorObject(value);
      if (terms === undefined) throw refuse(this, value.slice(0, 60));
      parameters.arraySelector.push(...terms);
    },
  },
  {
    name: "arrayID",
    takes: "the id of an array, as `pso-bin admin arrays --wide` shows it",
    default: "every array",
    appliesTo: "both",
    isRefusedElsewhere: false,
    meaning: "Only this array is chosen. A claim waits while it cannot take the volume.",
    example: "5f8a2c1e-7b3d-4e6f-9a01-b2c3d4e5f607",
    heritage: "New. Portworx has the like as `portworx.io/pure-array-id`.",
    read(value, parameters) {
      const id = value.trim().toLowerCase();
      if (!/^[0-9a-f]{8}[0-9a-f-]{0,92}$/.test(id)) throw refuse(this, value.slice(0, 60));
      parameters.arrayId = id;
    },
  },
  ...CONTAINER_PARAMETERS,
  {
    name: "protocol",
    takes: `one of ${Object.keys(CLASS_PROTOCOLS).join(", ")}`,
    default: `\`flasharray.sanType\`; ${FILE_NAMES} for the kind \`file\``,
    appliesTo: "both",
    isRefusedElsewhere: false,
    meaning: "How nodes reach the volume; `auto` takes the best that array and node share. It is " +
      `fixed when the volume is created. The kind \`file\` takes ${FILE_NAMES} and \`auto\`; ` +
      `the kind \`block\` does not take ${FILE_NAMES}.`,
    example: "nvme-tcp",
    heritage:
      "New. PSO had one protocol per cluster, `flasharray.sanType`; its spellings are read.",
    read(value, parameters) {
      parameters.protocol = oneOf(this, value, CLASS_PROTOCOLS);
    },
  },
  ...IMPORT_PARAMETERS,
];

const BY_NAME = new Map(
  CLASS_PARAMETERS.map((parameter) => [parameter.name.toLowerCase(), parameter]),
);

/** The parameter of that key, in any case; undefined for one that this driver does not know. */
export function parameterNamed(key: string): ClassParameter | undefined {
  return BY_NAME.get(key.toLowerCase());
}

/** Whether a key is Kubernetes' own, and says nothing to this driver but the claim's names. */
export function isMetadataKey(key: string): boolean {
  return key.startsWith(METADATA_PREFIX);
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
    const parameter = BY_NAME.get(key.toLowerCase());
    if (parameter === undefined) throw unknownKey(key);
    parameter.read(value, parameters);
  }
  refuseLimitsOfNothing(parameters);
  return parameters;
}

/** The first of these parameters that a volume of the kind must not have; undefined without one. */
export function parameterOfOtherKind(
  raw: Record<string, string>,
  kind: VolumeKind,
): string | undefined {
  const given = new Set(Object.keys(raw).map((key) => key.toLowerCase()));
  return CLASS_PARAMETERS.find(({ name, appliesTo, isRefusedElsewhere }) =>
    isRefusedElsewhere && appliesTo !== "both" && appliesTo !== kind &&
    given.has(name.toLowerCase())
  )?.name;
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
  const known = CLASS_PARAMETERS.map(({ name }) => name);
  const near = nearest(key, known);
  const meant = near === undefined ? "" : `, did you mean ${near}`;
  return new PsoError(
    "invalid",
    `class parameter ${JSON.stringify(key)} is unknown${meant}; known are ${known.join(", ")}`,
  );
}
