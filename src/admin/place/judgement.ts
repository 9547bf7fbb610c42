// What placement says of a claim: the controller's own rules over what is known of the arrays.
import type { VolumeKind } from "../../arrays/array.ts";
import { classDemands } from "../../controller/calls/placing.ts";
import { kindFor } from "../../controller/calls/wanted_volume.ts";
import { type ClassParameters, parseParameters } from "../../controller/parameters.ts";
import { orderRemark, placementError } from "../../controller/placement/decision_told.ts";
import {
  place,
  type PlacementArray,
  type PlacementRequest,
  roomOf,
} from "../../controller/placement/placement.ts";
import type { PlacementRules } from "../../controller/placement/placement_view.ts";
import type { ScorePart } from "../../controller/placement/score.ts";
import { type SpreadGroup, spreadGroupOf } from "../../controller/placement/spread_group.ts";
import type { TopologyRequirement } from "../../controller/requests.ts";
import { newVolumeSize } from "../../controller/volume_size.ts";
import type { KubeObject } from "../../kube/client.ts";
import { volumeNameFor } from "../../names.ts";
import { mapAt, objectsAt, textAt, textsAt } from "../check/kube_object.ts";
import type { FileClaim } from "./claim.ts";

/** What one array is to the claim. */
export interface JudgedArray {
  /** What tells it apart: `AskedArray.key`. */
  key: string;
  array: string;
  /** Absent: a controller told of it, and does not say. */
  entry?: string;
  id?: string;
  labels: Readonly<Record<string, string>>;
  roomBytes?: number;
  /** 1 = it gets the volume; absent: it cannot have it. */
  place?: number;
  score?: number;
  parts?: Readonly<Record<ScorePart, number>>;
  /** What puts it behind others whatever its score. */
  remark?: string;
  /** Why it cannot have it. */
  reason?: string;
}

/** Where a claim's volume goes, and why. */
export interface Judgement {
  claim: string;
  sizeBytes: number;
  kind: VolumeKind;
  /** The claim's group, when it is in one. */
  group?: string;
  chosen?: string;
  /** As the Event of the claim has it, when no array takes it. */
  error?: string;
  arrays: JudgedArray[];
}

/** An array as placement sees it, with its entry in the configuration where that is known. */
export interface AskedArray extends PlacementArray {
  entry?: string;
}

/** A claim, with what its class asks for. */
export interface AskedClaim {
  claim: FileClaim;
  parameters: ClassParameters;
  /** Absent: one without parameters. */
  storageClass?: KubeObject;
  /** Absent: the claim is in none. */
  group?: SpreadGroup;
}

/** The claim with the parameters of the class; `invalid` as CreateVolume refuses them. */
export function askedClaim(claim: FileClaim, storageClass: KubeObject | undefined): AskedClaim {
  const parameters = parseParameters(mapAt(storageClass, "parameters"));
  return { claim, parameters, storageClass, group: spreadGroupOf(claim.facts) };
}

/** What a claim is judged by. */
export interface JudgementScope {
  rules: PlacementRules;
  arrays: readonly AskedArray[];
}

/** Judges as CreateVolume does; `invalid` as that refuses the claim. */
export function judge(
  { claim, parameters, storageClass, group }: AskedClaim,
  { rules, arrays }: JudgementScope,
): Judgement {
  const { capabilities, requiredBytes } = claim;
  const kind = kindFor(
    { parameters, capabilities },
    { members: arrays.map((array) => ({ array })) },
  );
  const { defaultFsType } = rules.flasharray;
  const range = { requiredBytes, limitBytes: 0 };
  const request: PlacementRequest = {
    ...classDemands(kind, parameters, rules),
    // The name comes from the claim's UID, which it gets when it is made: it decides ties alone.
    volumeName: volumeNameFor(rules.clusterId, claim.name),
    requestName: claim.name,
    sizeBytes: newVolumeSize(range, { kind, capabilities, defaultFsType }),
    topology: rules.topology.enable ? topologyOf(storageClass, rules) : undefined,
  };
  const decision = place(request, arrays);
  const judged = arrays.map((array): JudgedArray => {
    const at = decision.candidates.findIndex(({ array: { key } }) => key === array.key);
    const candidate = decision.candidates[at];
    const { key, status, label, labels, entry } = array;
    return {
      key,
      array: label,
      entry,
      id: status?.id,
      labels,
      roomBytes: status && roomOf(status, rules.placement),
      ...(candidate
        ? {
          place: at + 1,
          score: candidate.score,
          parts: candidate.parts,
          remark: orderRemark(candidate),
        }
        : { reason: decision.rejected.find(({ key }) => key === array.key)?.reason }),
    };
  });
  return {
    claim: claim.name,
    sizeBytes: request.sizeBytes,
    kind,
    group: group?.key,
    chosen: decision.candidates[0]?.array.label,
    error: decision.candidates.length > 0 ? undefined : placementError(request, decision).message,
    arrays: judged.sort((a, b) => (a.place ?? Infinity) - (b.place ?? Infinity) || 0),
  };
}

/** Where the class lets its volumes be: each combination of its values. */
function topologyOf(
  storageClass: KubeObject | undefined,
  { topology: { nodeLabels } }: PlacementRules,
): TopologyRequirement {
  const requisite = objectsAt(storageClass, "allowedTopologies").flatMap((term) =>
    objectsAt(term, "matchLabelExpressions").reduce<Record<string, string>[]>(
      (all, expression) =>
        all.flatMap((one) =>
          textsAt(expression, "values").map((value) => ({
            ...one,
            [textAt(expression, "key")]: value,
          }))
        ),
      [{}],
    )
  );
  return { requisite, preferred: [], labelKeys: nodeLabels };
}
