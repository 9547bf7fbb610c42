// The page /placement of a controller's admin endpoint: how it is asked for and read.
import type { VolumeKind } from "../../arrays/array.ts";
import type { containerNamed } from "../../arrays/fleet.ts";
import {
  FEATURE_FAULTS,
  type PlacementArray,
  type PlacementStatus,
} from "../../controller/placement/placement.ts";
import type {
  PlacementQuestion,
  PlacementRules,
  ViewedArray,
} from "../../controller/placement/placement_view.ts";
import { PsoError } from "../../errors.ts";
import { foreignText } from "../../foreign_text.ts";
import { isObject, type KubeObject } from "../../kube/client.ts";
import { type Container, nameKey } from "../../names.ts";
import { PROTOCOLS } from "../../protocols.ts";
import { at, mapAt, objectsAt, textAt, textsAt } from "../check/kube_object.ts";
import type { AskedArray } from "./judgement.ts";

const KINDS: readonly VolumeKind[] = ["block", "file"];
const FEATURES = Object.keys(FEATURE_FAULTS) as (keyof typeof FEATURE_FAULTS)[];
/** A key of a group is at most 200 characters long, a name in a pod 127. */
const VALUE_MAX = 256;
const CONTAINERS: Readonly<Record<string, Container["what"]>> = {
  pod: "pod",
  volumeGroup: "volume group",
};

/** What stands behind `/placement?`. */
export function queryOf({ group, container }: PlacementQuestion): string {
  const query = new URLSearchParams();
  if (group) query.set("group", group.key);
  if (group?.together) query.set("together", "true");
  for (const [key, what] of Object.entries(CONTAINERS)) {
    if (container?.what === what) query.set(key, container.name);
  }
  return query.toString();
}

/** The question of a query; undefined for one that queryOf() does not make. */
export function questionOf(query: URLSearchParams): PlacementQuestion | undefined {
  const known = ["group", "together", ...Object.keys(CONTAINERS)];
  const entries = [...query];
  if (entries.some(([key, value]) => !known.includes(key) || value.length > VALUE_MAX)) {
    return undefined;
  }
  const group = query.get("group");
  const [container] = Object.entries(CONTAINERS).flatMap(([key, what]) => {
    const name = query.get(key);
    return name ? [{ what, name }] : [];
  });
  return {
    ...(group ? { group: { key: group, together: query.get("together") === "true" } } : {}),
    ...(container ? { container } : {}),
  };
}

/** What a leader told of its arrays, as placement takes it. */
export interface LeaderView {
  rules: PlacementRules;
  arrays: AskedArray[];
  /** How old the oldest figures of an array are; absent: no array has told any. */
  oldestMs?: number;
}

/** The answer of /placement. `unavailable` for one that is not of its form. */
export function readLeaderView(answer: KubeObject, container: Container | undefined): LeaderView {
  const arrays = objectsAt(answer, "arrays").map((one) => arrayIn(one, container));
  const ages = arrays.flatMap(({ ageMs }) => ageMs ?? []);
  return {
    rules: rulesIn(answer.rules),
    arrays: arrays.map(({ array }) => array),
    ...(ages.length === 0 ? {} : { oldestMs: Math.max(...ages) }),
  };
}

function rulesIn(rules: unknown): PlacementRules {
  const sanType = textAt(rules, "flasharray", "sanType");
  const wanted = sanType === "auto" ? sanType : protocolsIn([sanType])[0];
  if (wanted === undefined) throw unreadable("rules.flasharray.sanType");
  return {
    clusterId: wordAt(rules, "clusterId"),
    placement: {
      headroomPercent: numberAt(rules, "placement", "headroomPercent"),
      volumesPerArray: numberAt(rules, "placement", "volumesPerArray"),
    },
    flasharray: { sanType: wanted, defaultFsType: wordAt(rules, "flasharray", "defaultFsType") },
    topology: {
      enable: at(rules, "topology", "enable") === true,
      nodeLabels: textsAt(rules, "topology", "nodeLabels"),
    },
  };
}

function arrayIn(
  one: KubeObject,
  container: Container | undefined,
): { array: AskedArray; ageMs?: number } {
  const kind = KINDS.find((known) => known === one.kind);
  if (kind === undefined) throw unreadable("kind");
  const label = foreignText(wordAt(one, "label"));
  const state = textAt(one, "state");
  const group = isObject(one.group)
    ? { together: one.group.together === true, volumes: numberAt(one.group, "volumes") }
    : undefined;
  return {
    array: {
      key: wordAt(one, "key"),
      label,
      kind,
      labels: mapAt(one, "labels"),
      suspended: one.suspended === true,
      draining: one.draining === true,
      refuses: one.refuses === true,
      status: isObject(one.status) ? statusIn(one.status, container) : undefined,
      problem: state === "" ? undefined : foreignText(
        textAt(one, "problem") || `${state} at the leader's last look; its log tells why`,
      ),
      recent: {
        unwrittenBytes: numberAt(one, "recent", "unwrittenBytes"),
        unseenBytes: numberAt(one, "recent", "unseenBytes"),
      },
      slowdown: numberIn(one.slowdown),
      crowding: numberIn(one.crowding),
      volumes: numberIn(one.volumes),
      group,
    } satisfies Record<keyof PlacementArray, unknown>,
    ageMs: numberIn(one.ageMs),
  };
}

function statusIn(
  status: NonNullable<ViewedArray["status"]> | KubeObject,
  container: Container | undefined,
): AskedArray["status"] {
  const said = at(status, "container");
  const containers = container && at(status, "saysContainers") === true
    ? {
      [container.what]: new Map(isObject(said) ? [[nameKey(container.name), stateIn(said)]] : []),
    }
    : undefined;
  return {
    id: foreignText(wordAt(status, "id")),
    restVersion: foreignText(wordAt(status, "restVersion")),
    capacityBytes: numberAt(status, "capacityBytes"),
    usedBytes: numberAt(status, "usedBytes"),
    provisionedBytes: numberIn(at(status, "provisionedBytes")),
    features: new Set(FEATURES.filter((one) => textsAt(status, "features").includes(one))),
    protocols: new Set(protocolsIn(textsAt(status, "protocols"))),
    containers,
  } satisfies Record<keyof PlacementStatus, unknown>;
}

type ContainerState = NonNullable<ReturnType<typeof containerNamed>>;

function stateIn(said: KubeObject): ContainerState {
  const fault = textAt(said, "fault");
  const arrays = objectsAt(said, "arrays").map((one) => ({
    id: textAt(one, "id"),
    name: foreignText(textAt(one, "name")),
    status: foreignText(textAt(one, "status")),
  }));
  const { limits } = said;
  return {
    name: foreignText(textAt(said, "name")),
    fault: fault === "" ? undefined : foreignText(fault),
    roomBytes: numberIn(said.roomBytes),
    arrays: arrays.length === 0 ? undefined : arrays,
    limits: isObject(limits)
      ? { iops: numberIn(limits.iops), bandwidthBytes: numberIn(limits.bandwidthBytes) }
      : undefined,
  } satisfies Record<keyof ContainerState, unknown>;
}

function protocolsIn(words: readonly string[]) {
  return PROTOCOLS.filter((protocol) => words.includes(protocol));
}

function wordAt(object: unknown, ...path: string[]): string {
  const text = textAt(object, ...path);
  if (text === "") throw unreadable(path.join("."));
  return text;
}

function numberIn(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function numberAt(object: unknown, ...path: string[]): number {
  const value = numberIn(at(object, ...path));
  if (value === undefined) throw unreadable(path.join("."));
  return value;
}

function unreadable(what: string): PsoError {
  return new PsoError("unavailable", `its answer has no ${what} that this program understands`);
}
