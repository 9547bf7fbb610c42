import { podArrays, type Stretch, stretchOf } from "../../arrays/fleet.ts";
import { canJoin, type NodeIdentity } from "../../handoff.ts";
import { knowledgeOf } from "../calls/attachments.ts";
import { arrayFindings } from "../calls/array_health.ts";
import type { ControllerContext } from "../context.ts";
import type { HealthFinding } from "../requests.ts";
import type { VolumePlace } from "../volume_locator.ts";
import { surelyOnAny } from "./places.ts";

/** A volume as the array of the place shows it, with who has it there. */
interface SideLook {
  place: VolumePlace;
  /** Nodes that have it by that array. */
  here: readonly NodeIdentity[];
  /** Nodes that have it published, and not by that array. */
  notHere: readonly NodeIdentity[];
}

/** What is wrong with a volume in a stretched pod, and who has it by no array at all. */
interface SideFindings {
  findings: HealthFinding[];
  nowhere: readonly NodeIdentity[];
}

/**
 * Looks at the other arrays of a volume's stretched pod: who has the volume by some of them alone,
 * and whether one of them could serve it now. No call for any other volume, or for one that nobody
 * has.
 */
export async function sideFindings(
  context: ControllerContext,
  { place, here, notHere }: SideLook,
  signal: AbortSignal,
): Promise<SideFindings> {
  const stretch = stretchOf(context.fleet, place);
  if (!stretch) return { findings: [], nowhere: notHere };
  const findings = podFindings(stretch, place);
  const lacking = new Map([[place.member, [...notHere]]]);
  let nowhere = notHere;
  for (const member of stretch.members) {
    // What a silent array has connected is not known: it is told as silent.
    if (member === place.member || member.problem) continue;
    const holds = async (node: NodeIdentity) => {
      const known = knowledgeOf(context, { member, name: place.name }, node);
      return await member.array.holds(place.name, node, { known, signal });
    };
    const missing: NodeIdentity[] = [];
    for (const node of [...here, ...notHere]) if (!await holds(node)) missing.push(node);
    lacking.set(member, missing);
    nowhere = nowhere.filter((node) => missing.includes(node));
  }
  const isSilent = stretch.members.some(({ problem }) => problem) ||
    stretch.unidentified.length > 0;
  // An unpublish that came meanwhile is no fault.
  const sure = surelyOnAny(context, place);
  for (const [{ array: { label } }, nodes] of lacking) {
    const half = nodes.filter((node) =>
      !nowhere.includes(node) && canHaveBoth(node) && sure.includes(node.name)
    );
    if (half.length === 0) continue;
    const names = half.map(({ name }) => name).join(", ");
    findings.push({
      status: "degraded",
      reason: "NotOnAllArrays",
      message: `${place.name} is published to ${names}, and not by array ${label}, which has its ` +
        "stretched pod too: delete the pods that use it there, so that it is attached by both",
    });
  }
  return { findings, nowhere: isSilent ? [] : nowhere };
}

/** A node that has volumes by NVMe alone has each by one array. */
function canHaveBoth({ protocols }: NodeIdentity): boolean {
  return protocols.some((protocol) => canJoin({ protocol }));
}

/** Which of the pod's other arrays do not stand ready, by the last check; no call. */
function podFindings({ pod, members }: Stretch, { member: own }: VolumePlace): HealthFinding[] {
  const none = { alerts: [], paths: new Map() };
  const silent = members.filter((member) => member !== own && member.problem).flatMap((member) =>
    arrayFindings(member, none).slice(0, 1)
  );
  const away = podArrays(own, pod).filter(({ status }) => status !== "online");
  return [
    ...silent,
    ...away.map(({ name, status }): HealthFinding => ({
      status: "degraded",
      reason: "PodNotInSync",
      message: `pod ${pod} is ${status} on array ${name}: until it is online there, its volumes ` +
        "have one array alone",
    })),
  ];
}
