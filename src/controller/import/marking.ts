import type { FleetMember } from "../../arrays/fleet.ts";
import { pause } from "../../async/wait.ts";
import { applyAttributes } from "../calls/modification.ts";
import { neverFinalWhenUnclear } from "../calls/unclear_outcome.ts";
import type { WantedVolume } from "../calls/wanted_volume.ts";
import type { ControllerContext } from "../context.ts";
import { type ClaimFacts, spreadGroupOf } from "../placement/spread_group.ts";
import type { CreateVolumeRequest } from "../requests.ts";
import { ownTags } from "../tags.ts";
import { placeKey } from "../volume_locator.ts";
import { contend, wonMarks } from "./contest.ts";
import { type Candidate, refuseOthers } from "./rules.ts";

/** A volume that may be taken in, and the claim that it is to be of. */
interface Marking {
  wanted: WantedVolume;
  claim: ClaimFacts;
  member: FleetMember;
  candidate: Candidate;
}

/** Whether all that an import does was done for this request. */
export function isMarked(given: Candidate["given"], { name }: CreateVolumeRequest): boolean {
  return given.get("pv") === name && given.has("imported");
}

/**
 * Gives the volume what its class asks for besides, and writes on the array whose it is now. The
 * tag `imported` comes with the last change, so that it proves all of them. Throws as refuseOthers()
 * when another cluster takes it in at the same moment.
 */
export async function mark(
  context: ControllerContext,
  { wanted, claim, member, candidate }: Marking,
  signal: AbortSignal,
): Promise<void> {
  const { request, parameters } = wanted;
  const { volume: { name }, given } = candidate;
  if (isMarked(given, request)) return;
  const { clusterId: cluster, deletePrefixes: ignored } = context.options();
  const [{ capabilities }, { storageClass }] = [request, claim];
  const tags = {
    ...ownTags(cluster, { ...parameters, capabilities, group: spreadGroupOf(claim), storageClass }),
    pv: request.name,
    imported: new Date().toISOString(),
  };
  const place = placeKey({ member, name });
  if (member.array.kind === "file") return context.imports.mark(place, tags);
  const what = `import ${name} on ${member.array.label} for ${request.name}`;
  const change = (changes: Parameters<typeof applyAttributes>[1]["changes"]) =>
    neverFinalWhenUnclear({
      what,
      final: [],
      work: () => applyAttributes(context, { member, name, changes }, signal),
    });
  await contend({ cluster, csiName: request.name, ignored }, {
    what: `Cannot ${what}`,
    tags: candidate.tags,
    read: () => member.array.tagsOf(name, signal),
    write: (tags) => change({ tags }),
    judge: (tags) => refuseOthers({ ...candidate, tags, given: tags }),
    wait: (ms) => pause(ms, signal),
  });
  context.imports.mark(place, tags);
  const { iopsLimit, bandwidthLimitBytes, protectionGroups } = parameters;
  await change({ iopsLimit, bandwidthLimitBytes, protectionGroups });
  await change({ tags: { ...parameters.tags, ...tags, ...wonMarks({ cluster }) } });
}
