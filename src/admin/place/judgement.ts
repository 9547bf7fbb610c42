// What placement says of a claim: the controller's own rules over what the arrays say now.
import type { VolumeKind } from "../../arrays/array.ts";
import type { Config } from "../../config/model.ts";
import { classDemands } from "../../controller/calls/placing.ts";
import { kindFor } from "../../controller/calls/wanted_volume.ts";
import { parseParameters } from "../../controller/parameters.ts";
import {
  place,
  type PlacementArray,
  placementError,
  type PlacementRequest,
  roomOf,
} from "../../controller/placement/placement.ts";
import type { ScorePart } from "../../controller/placement/score.ts";
import { type SpreadGroup, spreadGroupOf } from "../../controller/placement/spread_group.ts";
import type { TopologyRequirement } from "../../controller/requests.ts";
import { newVolumeSize } from "../../controller/volume_size.ts";
import { messageOf } from "../../errors.ts";
import type { KubeObject } from "../../kube/client.ts";
import { volumeNameFor } from "../../names.ts";
import type { ArrayLook } from "../check/array_look.ts";
import { mapAt, objectsAt, textAt, textsAt } from "../check/kube_object.ts";
import type { FileClaim } from "./claim.ts";

/** What one array is to the claim. */
export interface JudgedArray {
  array: string;
  entry: string;
  id?: string;
  labels: Readonly<Record<string, string>>;
  roomBytes?: number;
  /** 1 = it gets the volume; absent: it cannot have it. */
  place?: number;
  score?: number;
  parts?: Readonly<Record<ScorePart, number>>;
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

/** What a claim is judged by. */
interface JudgementScope {
  config: Config;
  looks: readonly ArrayLook[];
  /** Absent: one without parameters. */
  storageClass?: KubeObject;
}

/** Judges by the parameters of the class as CreateVolume does; `invalid` as that refuses them. */
export async function judge(claim: FileClaim, scope: JudgementScope): Promise<Judgement> {
  const { config, looks, storageClass } = scope;
  const parameters = parseParameters(mapAt(storageClass, "parameters"));
  const { capabilities, requiredBytes } = claim;
  const members = looks.map(({ config: { kind } }) => ({ array: { kind: KINDS[kind] } }));
  const kind = kindFor({ parameters, capabilities }, { members });
  const { defaultFsType } = config.flasharray;
  const range = { requiredBytes, limitBytes: 0 };
  const request: PlacementRequest = {
    ...classDemands(kind, parameters, config),
    // The name comes from the claim's UID, which it gets when it is made: it decides ties alone.
    volumeName: volumeNameFor(config.clusterId, claim.name),
    requestName: claim.name,
    sizeBytes: newVolumeSize(range, { kind, capabilities, defaultFsType }),
    topology: config.topology.enable ? topologyOf(storageClass, config) : undefined,
  };
  const group = spreadGroupOf(claim.facts);
  const arrays = await Promise.all(looks.map((look) => arrayOf(look, { config, group })));
  const decision = place(request, arrays);
  const judged = arrays.map((array): JudgedArray => {
    const at = decision.candidates.findIndex((one) => one.array === array);
    const candidate = decision.candidates[at];
    const { status, label, labels, entry } = array;
    return {
      array: label,
      entry,
      id: status?.id,
      labels,
      roomBytes: status && roomOf(status, config.placement),
      ...(candidate
        ? { place: at + 1, score: candidate.score, parts: candidate.parts }
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

const KINDS: Readonly<Record<Config["arrays"][number]["kind"], VolumeKind>> = {
  flasharray: "block",
  flashblade: "file",
};

/** Where the class lets its volumes be: each combination of its values. */
function topologyOf(
  storageClass: KubeObject | undefined,
  { topology: { nodeLabels } }: Config,
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

/** What decides how an array's volumes are counted. */
interface CountScope {
  config: Config;
  group?: SpreadGroup;
}

/** An array as placement sees it; what only the controller remembers is left out. */
async function arrayOf(
  look: ArrayLook,
  scope: CountScope,
): Promise<PlacementArray & { entry: string }> {
  const { config: { path, managementAddress, kind, labels, suspended, name }, status } = look;
  const counted = await countsOf(look, scope);
  return {
    key: path,
    entry: path,
    label: name ?? status?.name ?? managementAddress,
    kind: KINDS[kind],
    labels,
    suspended,
    refuses: look.mayChange === false,
    status,
    recent: { unwrittenBytes: 0, unseenBytes: 0 },
    ...counted,
  };
}

/** What is counted on the array, or why it cannot be used: the others are judged all the same. */
async function countsOf(
  { array, found }: ArrayLook,
  { config: { placement, clusterId }, group }: CountScope,
): Promise<Pick<PlacementArray, "problem" | "volumes" | "group">> {
  if (array === undefined) {
    const failure = found.all.find(({ level }) => level === "fail");
    return { problem: failure?.what ?? "it does not answer" };
  }
  try {
    const groups = group ? [...await array.groupsOf()] : [];
    const volumes = placement.volumesPerArray > 0
      ? await countVolumes(array, `${clusterId}-`)
      : undefined;
    return {
      volumes,
      group: group && {
        together: group.together,
        volumes: groups.filter(([volume, key]) =>
          key === group.key && volume.startsWith(`${clusterId}-`)
        ).length,
      },
    };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

async function countVolumes(
  array: NonNullable<ArrayLook["array"]>,
  prefix: string,
): Promise<number> {
  let count = 0;
  let token: string | undefined;
  do {
    const { items, nextToken } = await array.listVolumes({ prefix, limit: 500, token });
    count += items.length;
    token = nextToken;
  } while (token !== undefined);
  return count;
}
