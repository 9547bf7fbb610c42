import type { Page } from "../../arrays/array.ts";
import { allEnded } from "../../async/all_ended.ts";
import type { FleetMember } from "../../arrays/fleet.ts";
import { isPsoError, PsoError } from "../../errors.ts";
import type { NodeIdentity } from "../../handoff.ts";
import { nameKey } from "../../names.ts";
import type { ControllerContext } from "../context.ts";
import type { HealthFinding, HealthPage, ListRequest, VolumeHealth } from "../requests.ts";
import { type LocatedVolume, nameIn, placeKey, type VolumePlace } from "../volume_locator.ts";
import { type HostNodes, nodesOfHosts } from "../attachments/host_nodes.ts";
import { sideFindings } from "../stretched/health.ts";
import { namesShownElsewhere } from "../stretched/listing.ts";
import { allPlaces, surelyOnAny } from "../stretched/places.ts";
import { knowledgeOf, publishedNodeIds, surelyOn } from "./attachments.ts";
import { arrayFindings, type ArrayHealth, arrayHealth, pathFindings } from "./array_health.ts";
import { volumesOf, type VolumesPart } from "./inquiry.ts";
import { listAcross } from "./listing.ts";

/** A volume by its name, with what is wrong. */
interface NamedHealth {
  name: string;
  findings: HealthFinding[];
}

/** Begins the token of a part that looks for volumes that are gone; the last name follows. */
const GONE = "gone ";
/**
 * The same for what is told of an array that does not answer. An array's own tokens hold no space.
 */
const SILENT = "silent ";
/** Names that an array is asked for at once. */
const NAMES_AT_ONCE = 50;

/**
 * ControllerListVolumeHealth: array by array, the volumes with which something is wrong. Of an
 * array that does not answer these are all that it may hold.
 */
export async function listVolumeHealth(
  context: ControllerContext,
  request: ListRequest,
  signal: AbortSignal,
): Promise<HealthPage> {
  const { cluster, locator, published, tokens } = context;
  const arrays = new Map<FleetMember, Promise<ArrayHealth>>();
  const healthOf = (member: FleetMember) => {
    const known = arrays.get(member) ?? arrayHealth(member, signal);
    arrays.set(member, known);
    return known;
  };
  const { items, nextToken } = await listAcross(
    request,
    { arrays: locator.listOrder(), tokens },
    async ({ member }, part) => {
      const isSilent = member.problem !== undefined;
      if (part.token !== undefined && part.token.startsWith(SILENT) !== isSilent) {
        throw new PsoError(
          "stale_token",
          `array ${member.array.label} answers ${isSilent ? "no more" : "again"} since the page ` +
            "before: start the list again with an empty starting_token",
        );
      }
      if (isSilent) return await silentPart(context, { member, ...part }, signal);
      const array = await healthOf(member);
      return await healthPart(context, { member, array, ...part }, signal);
    },
  );
  const entries = items.map(({ listed: { member, arrayId }, item: { name, findings } }) => {
    const [handle] = published.handlesOf(placeKey({ member, name }));
    const known = handle ?? cluster.oldHandleOf({ member, name });
    return { volumeId: known ?? locator.idOf(arrayId, name), findings };
  });
  return { entries, nextToken };
}

/** The part of an array that does not answer, from memory: its volumes in the order of names. */
async function silentPart(
  context: ControllerContext,
  { member, limit, token = SILENT }: VolumesPart,
  signal: AbortSignal,
): Promise<Page<NamedHealth>> {
  const after = token.slice(SILENT.length);
  const findings = arrayFindings(member, { alerts: [], paths: new Map() });
  const names = new Set([...context.fleet.ownNames(member), ...publishedNames(context, member)]);
  const left = [...names].filter((name) => name > after).sort();
  const part = left.slice(0, limit);
  const elsewhere = await namesShownElsewhere(context, { member, names: part }, signal);
  const items = part.filter((name) => !elsewhere.has(name)).map((name) => ({ name, findings }));
  return left.length > part.length ? { items, nextToken: `${SILENT}${part.at(-1)}` } : { items };
}

/** Which part of an array is looked at, and how the array itself is. */
interface HealthPart extends VolumesPart {
  array: ArrayHealth;
}

async function healthPart(
  context: ControllerContext,
  { array, ...part }: HealthPart,
  signal: AbortSignal,
): Promise<Page<NamedHealth>> {
  const { member, token } = part;
  if (token?.startsWith(GONE)) {
    return await gonePart(context, { ...part, token: token.slice(GONE.length) }, signal);
  }
  const users = usersBefore(context, member);
  const page = await volumesOf(context, part, signal);
  const hostNodes = await nodesOfHosts(context, { member, volumes: page.items }, signal);
  const all = await allEnded(page.items.map(async (volume) => ({
    name: volume.name,
    findings: await findingsOf(context, { member, volume, array, users, hostNodes }, signal),
  })));
  const items = all.filter(({ findings }) => findings.length > 0);
  const hasMore = publishedNames(context, member).length > 0;
  return { items, nextToken: page.nextToken ?? (hasMore ? GONE : undefined) };
}

/** Names of volumes that nodes have on the array, in lower case. */
function publishedNames(
  { published, cluster }: ControllerContext,
  member: FleetMember,
): string[] {
  const own = published.volumes().flatMap((key) => nameIn(member, key) ?? []);
  return [...new Set([...own, ...cluster.namesOn(member)])];
}

/** Volumes that are published and not there any more. */
async function gonePart(
  context: ControllerContext,
  { member, limit, token = "" }: VolumesPart,
  signal: AbortSignal,
): Promise<Page<NamedHealth>> {
  const left = publishedNames(context, member).filter((name) => name > token).sort();
  const names = left.slice(0, Math.min(limit, NAMES_AT_ONCE));
  if (names.length === 0) return { items: [] };
  const { items: live } = await member.array.listVolumes({ names, limit: names.length }, signal);
  const there = new Set(live.map(({ name }) => nameKey(name)));
  const items: NamedHealth[] = [];
  for (const name of names.filter((one) => !there.has(one))) {
    const findings = await goneFindings(context, { member, name }, signal);
    if (findings.length > 0) items.push({ name, findings });
  }
  return left.length > names.length ? { items, nextToken: `${GONE}${names.at(-1)}` } : { items };
}

/**
 * What became of a volume that is published and not live: nothing, if a delete or an unpublish of
 * our own came meanwhile.
 */
async function goneFindings(
  context: ControllerContext,
  { member, name }: VolumePlace,
  signal: AbortSignal,
): Promise<HealthFinding[]> {
  const users = () => surelyOn(context, { member, name });
  if (users().length === 0) return [];
  const trace = await member.array.traceVolume(name, signal);
  const nodes = users();
  if (trace?.isLive || nodes.length === 0) return [];
  const what = `${name} on array ${member.array.label}, which ${nodes.join(", ")} uses,`;
  return trace
    ? [{
      status: "inaccessible",
      reason: "VolumeDestroyed",
      message: `${what} was destroyed on the array: recover it there before it is eradicated`,
    }]
    : [{
      // Not "data loss": one that was renamed is as little to be found.
      status: "inaccessible",
      reason: "VolumeGone",
      message: `${what} is not there any more by this name, nor among what can be recovered: ` +
        "somebody renamed or eradicated it",
    }];
}

/** Volume → nodes that had it before the array was asked. */
type Users = ReadonlyMap<string, readonly string[]>;

function usersBefore(context: ControllerContext, member: FleetMember): Users {
  return new Map(
    publishedNames(context, member).map((name) => [
      placeKey({ member, name }),
      surelyOnAny(context, { member, name }),
    ]),
  );
}

/** A live volume, how its array is, and who had it before the two were read. */
interface Look extends LocatedVolume {
  array: ArrayHealth;
  users: Users;
  hostNodes: HostNodes;
}

async function findingsOf(
  context: ControllerContext,
  { array, ...look }: Look,
  signal: AbortSignal,
): Promise<HealthFinding[]> {
  const { volume, member } = look;
  return [
    ...arrayFindings(member, array),
    ...pathFindings(volume, array),
    ...await connectionFindings(context, look, signal),
  ];
}

/**
 * Nodes that have the volume and that its array, or one of its stretched pod, does not let in.
 * What the list says of connections is asked again by the node's initiators or addresses, and of
 * memory after that: an unpublish that came meanwhile is no fault, nor what another controller did
 * that led in between.
 */
async function connectionFindings(
  context: ControllerContext,
  { member, volume, users, hostNodes }: Omit<Look, "array">,
  signal: AbortSignal,
): Promise<HealthFinding[]> {
  const { nodes } = context;
  const place = { member, name: volume.name };
  const shown = new Set(publishedNodeIds(context, { member, volume, hostNodes }));
  const having = (users.get(placeKey(place)) ?? []).flatMap((name) =>
    nodes.identitiesOf(name).slice(0, 1)
  );
  const here: NodeIdentity[] = [];
  const notHere: NodeIdentity[] = [];
  for (const node of having) {
    const known = knowledgeOf(context, place, node);
    const holds = shown.has(nodes.nodeIdOf(node.name) ?? node.name) ||
      await member.array.holds(volume.name, node, { known, signal });
    if (holds) here.push(node);
    else if (surelyOnAny(context, place).includes(node.name)) notHere.push(node);
  }
  const { findings, nowhere } = await sideFindings(context, { place, here, notHere }, signal);
  if (nowhere.length === 0) return findings;
  const lost = nowhere.map(({ name }) => name).join(", ");
  return [...findings, {
    status: "inaccessible",
    reason: "Disconnected",
    message: `${volume.name} is published to ${lost}, and array ${member.array.label} ` +
      "does not let that in any more: somebody took it away there; move the pods to another node",
  }];
}

/** ControllerGetVolumeHealth, under the handle that the caller used. */
export async function getVolumeHealth(
  context: ControllerContext,
  volumeId: string,
  signal: AbortSignal,
): Promise<VolumeHealth> {
  const { locator } = context;
  const places = locator.placesByHandle(volumeId);
  const users = new Map(
    places.flatMap((place) => allPlaces(context, place)).map((
      place,
    ) => [placeKey(place), surelyOnAny(context, place)]),
  );
  try {
    const located = await locator.find(volumeId, signal, { hosts: true });
    if (located) {
      const { member, volume } = located;
      const array = await arrayHealth(member, signal);
      const hostNodes = await nodesOfHosts(context, { member, volumes: [volume] }, signal);
      return {
        volumeId,
        findings: await findingsOf(context, { ...located, array, users, hostNodes }, signal),
      };
    }
  } catch (error) {
    const member = locator.placeByHandle(volumeId)?.member;
    if (!member?.problem || !isPsoError(error, "unavailable", "timeout")) throw error;
    return { volumeId, findings: arrayFindings(member, { alerts: [], paths: new Map() }) };
  }
  for (const place of places) {
    const findings = await goneFindings(context, place, signal);
    if (findings.length > 0) return { volumeId, findings };
  }
  throw new PsoError("not_found", `volume ${volumeId} does not exist on any array`);
}
