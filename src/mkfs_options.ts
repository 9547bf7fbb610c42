// Options of mkfs that a class may give. Controller and node judge them alike: the one before it
// makes a volume, the other before it formats.

import { FILE_SYSTEMS, findFsType } from "./file_systems.ts";

/**
 * A data, log, realtime or journal device beside the volume's own, or a path of one (mkfs.xfs(8) -d
 * name, -l logdev, -r rtdev; mke2fs(8) -J device): mkfs would write to it, and nothing proves it
 * blank.
 */
const OTHER_DEVICE = /(^|[=,])\/dev\/|(^|[,lrdJ])(name|logdev|rtdev|device)=/;

const REMEDY = "remove it from the class, or from flasharray.defaultFSOpt";

/** Why these options must not reach mkfs of `fsType`; `undefined` when they may. */
export function mkfsOptionsFault(fsType: string, options: readonly string[]): string | undefined {
  const known = findFsType(fsType);
  const forced = known &&
    options.find((option) => FILE_SYSTEMS[known].refusedMkfsOption.test(option));
  if (forced !== undefined) {
    return `createoptions ${forced} is refused for ${fsType}: this driver never forces a format ` +
      `and chooses the UUID; ${REMEDY}`;
  }
  const other = options.find((option) => OTHER_DEVICE.test(option));
  if (other === undefined) return undefined;
  return `createoptions ${other} is refused for ${fsType}: it names another device, and only ` +
    `the volume's own is written; ${REMEDY}`;
}
