// The arrays as this machine sees them: what only a controller remembers is left out.
import type { VolumeKind } from "../../arrays/array.ts";
import type { Config } from "../../config/model.ts";
import type { SpreadGroup } from "../../controller/placement/spread_group.ts";
import { messageOf } from "../../errors.ts";
import type { ArrayLook } from "../check/array_look.ts";
import type { AskedArray } from "./judgement.ts";

const KINDS: Readonly<Record<Config["arrays"][number]["kind"], VolumeKind>> = {
  flasharray: "block",
  flashblade: "file",
};

/** What decides how an array's volumes are counted. */
interface CountScope {
  config: Pick<Config, "placement" | "clusterId">;
  /** Absent: the volume is in none. */
  group?: SpreadGroup;
}

/** Every array of the looks as placement judges it now. Never throws. */
export function arraysFromHere(
  looks: readonly ArrayLook[],
  scope: CountScope,
): Promise<AskedArray[]> {
  return Promise.all(looks.map((look) => arrayOf(look, scope)));
}

async function arrayOf(look: ArrayLook, scope: CountScope): Promise<AskedArray> {
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
): Promise<Pick<AskedArray, "problem" | "volumes" | "group">> {
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
