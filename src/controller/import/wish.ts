import { PsoError } from "../../errors.ts";
import type { ClassParameters } from "../parameters.ts";
import type { ClaimFacts } from "../placement/spread_group.ts";
import { isArrayName } from "../volume_id.ts";

/** The annotations of a claim that are about importing begin so. */
export const IMPORT_PREFIX = "pso.purestorage.com/import";
/** The annotation of a claim that names the volume: `<array>/<name>`. */
export const IMPORT_ANNOTATION = IMPORT_PREFIX;
const AS_ANNOTATION = `${IMPORT_PREFIX}-as`;
const RECLAIM_ANNOTATION = `${IMPORT_PREFIX}-reclaim`;

/** The volume that a claim wants to take in. */
export interface NamedOriginal {
  /** Name or id of its array, or the id's first 8 digits. */
  array: string;
  /** Its full name there. */
  name: string;
}

/** What the annotations of a claim ask for. */
export interface ImportWish extends NamedOriginal {
  /** A new volume with its content, and not the volume itself. */
  isCopy: boolean;
  /** Whether it stays on its array when its PersistentVolume is deleted. */
  isKept: boolean;
}

/** A claim whose annotations are judged. */
interface AskingClaim {
  claim: ClaimFacts | undefined;
  parameters: ClassParameters;
  /** It has a data source of its own. */
  hasSource: boolean;
  deleteImported: boolean;
}

/**
 * The volume that a claim's annotation names; undefined without one. `invalid` for an annotation
 * that is wrong, that its class does not allow in this namespace, or that goes with a data source.
 */
export function importWishOf(asking: AskingClaim): ImportWish | undefined {
  const { claim } = asking;
  if (claim === undefined) return undefined;
  const { annotations } = claim;
  const stray = [AS_ANNOTATION, RECLAIM_ANNOTATION].find((key) => Object.hasOwn(annotations, key));
  if (!Object.hasOwn(annotations, IMPORT_ANNOTATION)) {
    if (stray === undefined) return undefined;
    throw wrong(
      claim,
      `has the annotation ${stray} without ${IMPORT_ANNOTATION}: add that, or ` +
        "take it away",
    );
  }
  const wish = readWish(claim);
  refuseWish(asking, claim);
  if (asking.hasSource) {
    throw wrong(
      claim,
      `has a dataSource and the annotation ${IMPORT_ANNOTATION}: take one of the two away`,
    );
  }
  if (!wish.isCopy && !wish.isKept && !asking.deleteImported) {
    throw wrong(
      claim,
      `has the annotation ${RECLAIM_ANNOTATION}: delete, and deleteImported is false in the ` +
        "configuration: take the annotation away, so that the volume is kept",
    );
  }
  return wish;
}

/** The original that the annotations name; undefined for none, for a copy and for what is wrong. */
export function namedOriginalOf(
  annotations: Readonly<Record<string, string>>,
): NamedOriginal | undefined {
  const value = annotations[IMPORT_ANNOTATION];
  if (value === undefined || annotations[AS_ANNOTATION] !== undefined) return undefined;
  return parseOriginal(value);
}

/** The array ends at the first `/`: a volume in a volume group has another one in its name. */
function parseOriginal(value: string): NamedOriginal | undefined {
  const [, array, name] = /^\s*([^/]+)\/(\S+)\s*$/.exec(value) ?? [];
  return array !== undefined && name !== undefined && isArrayName(name)
    ? { array: array.trim(), name }
    : undefined;
}

function readWish(claim: ClaimFacts): ImportWish {
  const { annotations } = claim;
  const original = parseOriginal(annotations[IMPORT_ANNOTATION] ?? "");
  if (original === undefined) {
    throw wrongValue(claim, IMPORT_ANNOTATION, "<array>/<name of the volume on it>");
  }
  const as = annotations[AS_ANNOTATION];
  if (as !== undefined && as !== "copy") throw wrongValue(claim, AS_ANNOTATION, "copy");
  const reclaim = annotations[RECLAIM_ANNOTATION];
  if (reclaim !== undefined && reclaim !== "retain" && reclaim !== "delete") {
    throw wrongValue(claim, RECLAIM_ANNOTATION, "retain or delete");
  }
  const isCopy = as !== undefined;
  if (isCopy && reclaim !== undefined) {
    throw wrong(
      claim,
      `has the annotations ${AS_ANNOTATION} and ${RECLAIM_ANNOTATION}: a copy goes by the ` +
        "reclaimPolicy of its class, take the second one away",
    );
  }
  return { ...original, isCopy, isKept: reclaim !== "delete" };
}

function refuseWish(
  { parameters: { allowImport, importNamespaces } }: AskingClaim,
  claim: ClaimFacts,
): void {
  if (!allowImport) {
    throw wrong(
      claim,
      `has the annotation ${IMPORT_ANNOTATION}, and its class has no allowImport "true": use a ` +
        "class that has, or take the annotation away",
    );
  }
  if (importNamespaces && !importNamespaces.includes(claim.namespace)) {
    throw wrong(
      claim,
      `has the annotation ${IMPORT_ANNOTATION}, and importNamespaces of its class does not have ` +
        "this namespace: make the claim in one that it has, or add it to a new class",
    );
  }
}

function wrong({ namespace }: ClaimFacts, fault: string): PsoError {
  return new PsoError("invalid", `the claim in namespace ${namespace} ${fault}`);
}

function wrongValue(claim: ClaimFacts, key: string, wanted: string): PsoError {
  const value = (claim.annotations[key] ?? "").slice(0, 80);
  return wrong(claim, `has the annotation ${key}: ${JSON.stringify(value)}, wanted ${wanted}`);
}
