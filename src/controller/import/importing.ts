import type { Volume } from "../../arrays/array.ts";
import { arrayHintOf, type FleetMember, isIdentityProblem } from "../../arrays/fleet.ts";
import { refuseEmptyFleet } from "../../config/arrays/no_arrays.ts";
import { PsoError } from "../../errors.ts";
import { nameIn, nameKey } from "../../names.ts";
import { claimOf } from "../calls/claim_group.ts";
import { answerFor, createVolume } from "../calls/creation.ts";
import { findExistingVolume, searchOf } from "../calls/existing_volume.ts";
import { readWantedVolume, type WantedVolume } from "../calls/wanted_volume.ts";
import type { ControllerContext } from "../context.ts";
import { unmetTerm } from "../placement/label_selector.ts";
import type { ClaimFacts } from "../placement/spread_group.ts";
import type { CreateVolumeRequest, VolumeAnswer } from "../requests.ts";
import { topologyFault } from "../topology.ts";
import { importedIdOf } from "../volume_id.ts";
import { hostsOfStretched } from "../stretched/both_arrays.ts";
import { placeKey } from "../volume_locator.ts";
import { sizeMismatch } from "../volume_size.ts";
import { isMarked, mark } from "./marking.ts";
import { type Candidate, refuseOthers, refuseUsed } from "./rules.ts";
import { type ImportWish, importWishOf, type NamedOriginal, namedOriginalOf } from "./wish.ts";

/** A claim that wants a volume that is there, and the array that it names. */
interface Importing {
  wanted: WantedVolume;
  wish: ImportWish;
  claim: ClaimFacts;
  member: FleetMember;
}

/**
 * CreateVolume. A claim that names a volume by its annotation gets that volume, or a copy of it;
 * any other gets a new one.
 */
export async function createOrImport(
  context: ControllerContext,
  request: CreateVolumeRequest,
  signal: AbortSignal,
): Promise<VolumeAnswer> {
  const wanted = readWantedVolume(request, context);
  refuseEmptyFleet(context.fleet);
  const claim = await claimOf(context, wanted.parameters);
  const wish = importWishOf({
    claim,
    parameters: wanted.parameters,
    hasSource: request.contentSource !== undefined,
    deleteImported: context.options().deleteImported,
  });
  if (claim === undefined || wish === undefined) {
    return await createVolume(context, { wanted, claim }, signal);
  }
  const member = arrayNamed(context, wish);
  const importing = { wanted, wish, claim, member };
  return wish.isCopy
    ? await createCopy(context, importing, signal)
    : await takeIn(context, importing, signal);
}

/** `not_found` for no array of that name, `invalid` for several. */
function arrayNamed(
  { fleet }: ControllerContext,
  { array: text, name }: NamedOriginal,
): FleetMember {
  const named = fleet.members.filter((member) => isNamed(member, text));
  const [member, second] = named;
  if (member && !second) {
    if (isIdentityProblem(member)) throw member.problem;
    return member;
  }
  if (second) {
    throw new PsoError(
      "invalid",
      `Cannot import ${name}: ${named.length} arrays are called ${text}: write the id of the one ` +
        "that is meant into the annotation (`pso-bin admin arrays --wide`)",
    );
  }
  const unknown = fleet.members.filter(({ id, twin }) => id === undefined && !twin);
  const known = fleet.members.map(({ array }) => array.label).join(", ");
  throw new PsoError(
    unknown.length > 0 ? "unavailable" : "not_found",
    `Cannot import ${name}: no array is called ${text}; there are ${known}` +
      (unknown.length > 0 ? ", of which some have not answered yet: it is tried again" : ""),
  );
}

function isNamed({ array, id, twin }: FleetMember, text: string): boolean {
  const names = [
    array.label,
    array.configuredName,
    ...id === undefined ? [] : [id, arrayHintOf(id)],
  ];
  return !twin && names.some((name) => name.toLowerCase() === text.toLowerCase());
}

/** A clone of the volume, made as any other; what is there already is not judged again. */
async function createCopy(
  context: ControllerContext,
  importing: Importing,
  signal: AbortSignal,
): Promise<VolumeAnswer> {
  const { wanted, wish: { name }, claim, member } = importing;
  const { id } = await context.locator.statusOf(member, signal);
  const contentSource = { volumeId: importedIdOf(id, { name, isKept: false }) };
  const request = { ...wanted.request, contentSource };
  const { contentSource: _ours, ...answer } = await createVolume(context, {
    wanted: { ...wanted, request },
    claim,
    beforeNew: async () => refuseOthers(await candidateOf(context, importing, signal)),
  }, signal);
  return answer;
}

/**
 * The volume itself becomes the claim's. It keeps its name and its size, so that a repetition finds
 * it by the annotation, and by its tags that it is this claim's already.
 */
async function takeIn(
  context: ControllerContext,
  importing: Importing,
  signal: AbortSignal,
): Promise<VolumeAnswer> {
  const { wanted, wish: { name, isKept }, claim, member } = importing;
  await context.fence.settled(signal);
  const made = await findExistingVolume(context.fleet, searchOf(wanted, claim), signal);
  if (made) {
    throw new PsoError(
      "conflict",
      `Cannot import ${name} for ${wanted.request.name}: ${made.member.array.label} has a volume ` +
        `${wanted.name} that was made for the claim before it had its annotation; delete the ` +
        "claim and make it anew",
    );
  }
  const { id } = await context.locator.statusOf(member, signal);
  importedIdOf(id, { name, isKept }); // judged before anything is marked
  const place = placeKey({ member, name });
  const volume = await context.imports.turns.inTurn(place, async () => {
    const candidate = await candidateOf(context, importing, signal);
    refuseDraining(importing, candidate);
    refuseOtherContainer(importing, candidate.volume);
    refuseOthers(candidate);
    refuseUsed({ ...candidate, rivals: rivalsOf(context, candidate) });
    refuseUnfit(importing, candidate.volume);
    // Before it is this claim's, so that the array does not go that was taken out meanwhile.
    context.fleet.seen(member, candidate.volume.name);
    await mark(context, { ...importing, candidate }, signal);
    // What no change of an array has proved: that this process still leads.
    await context.fence.settled(signal);
    return candidate.volume;
  }, signal);
  // As the array spells it, whatever the annotation does.
  const volumeId = importedIdOf(id, { name: volume.name, isKept });
  context.log.info("volume imported", {
    volume: volume.name,
    array: member.array.label,
    claim: `${claim.namespace}/${wanted.parameters.claim.name}`,
    volumeId,
  });
  context.locator.learn(volumeId, id, volume.name);
  return await answerFor(context, { located: { member, volume }, wanted, volumeId }, signal);
}

/** What the array and Kubernetes say of the volume now. Cluster last: it changes more often. */
async function candidateOf(
  context: ControllerContext,
  { wanted, wish: { name }, claim, member }: Importing,
  signal: AbortSignal,
): Promise<Candidate> {
  const { array } = member;
  const { parameters, request } = wanted;
  const [volume, onArray] = await Promise.all([
    array.findVolume(name, { hosts: true, signal }),
    array.tagsOf(name, signal),
  ]);
  if (!volume) {
    throw new PsoError(
      "not_found",
      `Cannot import ${name}: array ${array.label} has no live volume of that name`,
    );
  }
  refuseOtherPlace({ wanted, member });
  const { inventory } = context;
  if (!inventory) throw new PsoError("unavailable", `Cannot import ${name}: ${NO_KUBERNETES}`);
  const place = { member, name: volume.name };
  const hosts = await hostsOfStretched(context, { place, what: `import ${name}` }, signal);
  const known = await inventory(signal);
  return {
    member,
    volume: hosts ? { ...volume, hosts } : volume,
    tags: onArray,
    given: array.kind === "block" ? onArray : context.imports.marksOf(placeKey({ member, name })),
    givenForMs: array.kind === "block" ? Infinity : context.fence.heldForMs,
    importer: {
      namespace: claim.namespace,
      name: parameters.claim.name ?? "",
      csiName: request.name,
    },
    inventory: known,
    options: context.options(),
    nowMs: Date.now(),
  };
}

const NO_KUBERNETES = "this controller has no API of Kubernetes to see who else has it; start it " +
  "with --kube";

/** What the class says of arrays holds for imported volumes, too. */
function refuseOtherPlace({ wanted, member }: Pick<Importing, "wanted" | "member">): void {
  const { kind, request, parameters: { arrayId, arraySelector } } = wanted;
  const { array, labels, id } = member;
  const term = unmetTerm(arraySelector, labels);
  const fault = array.kind !== kind
    ? `has ${array.kind} volumes, and the class asks for backend ${kind}`
    : arrayId !== undefined && arrayId !== id?.toLowerCase()
    ? `is not the arrayID ${arrayId} of the class`
    : term && `does not meet ${term.text} of the class`;
  const elsewhere = topologyFault(labels, request.topology);
  if (fault === undefined && elsewhere === undefined) return;
  throw new PsoError(
    fault === undefined ? "exhausted" : "invalid",
    `Cannot import for ${request.name}: array ${array.label} ${
      fault ?? elsewhere
    }; use a class or a ` +
      "place that fits",
  );
}

/** An array that was taken out of the configuration gets nothing new; what it has is found again. */
function refuseDraining(
  { wanted: { request }, member }: Importing,
  { given, volume }: Candidate,
): void {
  if (!member.draining || isMarked(given, request)) return;
  throw new PsoError(
    "exhausted",
    `Cannot import ${volume.name} for ${request.name}: array ${member.array.label} was taken out ` +
      "of the configuration and gets nothing new; put its entry back",
  );
}

/** `invalid` for an original that is not in the container that its class names: none is moved. */
function refuseOtherContainer(
  { wanted: { request, parameters: { container } }, member }: Importing,
  { name }: Volume,
): void {
  if (!container || nameKey(name).startsWith(nameKey(nameIn(container, "")))) return;
  const { what } = container;
  throw new PsoError(
    "invalid",
    `Cannot import ${name} for ${request.name}: it is not in the ${what} ${container.name} of ` +
      `the class on array ${member.array.label}; use a class without that ${what}, or import a copy`,
  );
}

/** `out_of_range` for another size than the claim's: nothing that was imported is grown unasked. */
function refuseUnfit({ wanted: { range, request } }: Importing, { name, sizeBytes }: Volume): void {
  const mismatch = sizeMismatch(sizeBytes, range);
  if (mismatch === undefined) return;
  throw new PsoError(
    "out_of_range",
    `Cannot import ${name} for ${request.name}: ${mismatch}; ask for what it has, and grow the ` +
      "claim once it is bound",
  );
}

/** The claims that name this volume as their original, whatever they call its array. */
function rivalsOf(
  { fleet }: ControllerContext,
  { member, volume, inventory }: Candidate,
): Candidate["inventory"]["claims"] {
  return inventory.claims.filter(({ annotations }) => {
    const original = namedOriginalOf(annotations);
    if (!original || nameKey(original.name) !== nameKey(volume.name)) return false;
    const named = fleet.members.filter((one) => isNamed(one, original.array));
    // A volume in a pod may be on two arrays.
    return named.includes(member) || (named.length > 0 && volume.name.includes("::"));
  });
}
