import type { VolumeKind } from "../../arrays/array.ts";
import { PsoError } from "../../errors.ts";
import { nearest } from "../../nearest.ts";
import {
  CLASS_PARAMETERS,
  type ClassParameters,
  isMetadataKey,
  parameterNamed,
} from "../parameters.ts";

/** The parameters that a VolumeAttributesClass may have. */
export const MUTABLE_NAMES: readonly string[] = CLASS_PARAMETERS.flatMap(({ name, isMutable }) =>
  isMutable ? [name] : []
);

/**
 * Reads the parameters of a VolumeAttributesClass, their keys in any case; Kubernetes' own keys are
 * no attributes. `invalid` for a key that cannot be changed later, for one that comes twice, and
 * for a wrong value: nothing that is asked for is passed over.
 */
export function parseMutable(raw: Record<string, string>): Partial<ClassParameters> {
  const parameters: ClassParameters = { arraySelector: [], claim: {} };
  const seen = new Set<string>();
  for (const [key, value] of Object.entries(raw)) {
    if (isMetadataKey(key)) continue;
    const parameter = parameterNamed(key);
    if (!parameter?.isMutable) throw notMutable(key);
    if (seen.has(parameter.name)) {
      throw new PsoError(
        "invalid",
        `the VolumeAttributesClass has the parameter ${parameter.name} twice, wanted it once`,
      );
    }
    seen.add(parameter.name);
    parameter.read(value, parameters);
  }
  const { arraySelector: _none, claim: _nobody, ...changes } = parameters;
  return changes;
}

/**
 * `invalid` for a parameter of a VolumeAttributesClass that volumes of the kind do not have: a
 * limit or a rule that is passed over is believed to hold.
 */
export function refuseMutableOfOtherKind(
  raw: Record<string, string>,
  { kind, what }: { kind: VolumeKind; what: string },
): void {
  const key = Object.keys(raw).find((name) => {
    const row = parameterNamed(name);
    return row?.isMutable && row.appliesTo !== "both" && row.appliesTo !== kind;
  });
  if (key === undefined) return;
  const has = CLASS_PARAMETERS.flatMap(({ name, isMutable, appliesTo }) =>
    isMutable && appliesTo === kind ? [name] : []
  );
  throw new PsoError(
    "invalid",
    `${what} is a ${kind} volume and its VolumeAttributesClass has ${key}, ` +
      `wanted for this kind only ${has.join(", ")}`,
  );
}

function notMutable(key: string): PsoError {
  const near = nearest(key, MUTABLE_NAMES);
  const why = parameterNamed(key) !== undefined
    ? "belongs into a StorageClass, because it cannot be changed later"
    : `is unknown${near === undefined ? "" : `, did you mean ${near}`}`;
  return new PsoError(
    "invalid",
    `VolumeAttributesClass parameter ${JSON.stringify(key)} ${why}; ` +
      `wanted one of ${MUTABLE_NAMES.join(", ")}`,
  );
}
