import type { FleetMember, Stretch } from "../../arrays/fleet.ts";
import { PsoError } from "../../errors.ts";
import { usersOf } from "../calls/attachments.ts";
import type { MeantPlace } from "../attachments/cluster_view.ts";
import { awaitNoUser } from "../attachments/users.ts";
import type { ControllerContext } from "../context.ts";
import { placeKey } from "../volume_locator.ts";
import { allPlaces } from "./places.ts";
import { podWordOf, silentAdvice, type SilentSide } from "./silence.ts";

/** Something that is to be done by one array of a stretched pod while another one is silent. */
interface Without {
  stretch: Stretch;
  place: MeantPlace;
  /** Completes "Cannot …": `publish p1::k8s-pvc-1 to node n1`. */
  what: string;
  /** The array that it goes through. */
  by: FleetMember;
  silent: readonly SilentSide[];
  /**
   * It takes the volume from every node but this one, `""` being none: what cannot be done on the
   * silent array. Absent: it takes it from nobody.
   */
  endsUsersBut?: string;
}

/**
 * `unavailable` or `in_use` unless it is safe though an array of the pod is silent: the one that
 * it goes through is online, and, where users lose the volume, the silent one serves nobody and no
 * user is known. Nothing is asked while none is silent.
 */
export async function requireSafe(
  context: ControllerContext,
  { stretch, place, what, by, silent, endsUsersBut }: Without,
  signal: AbortSignal,
): Promise<void> {
  if (silent.length === 0) return;
  const { cluster, published } = context;
  const { pod } = stretch;
  const { label } = by.array;
  const refuse = (why: string) => {
    const advice = silentAdvice(stretch, { silent, by });
    return new PsoError(
      "unavailable",
      `Cannot ${what} while an array of pod ${pod} is silent: ${why}; ${advice}`,
    );
  };
  const word = await podWordOf(by, pod, signal);
  if (word.own !== "online") throw refuse(`${label} says that pod ${pod} is ${word.own} there`);
  if (endsUsersBut === undefined) return;
  const why = endsUsersBut === "" ? "nobody may have the volume" : "the volume is for one node";
  const serving = silent.find((one) => word.of(one.member) !== "offline");
  if (serving) {
    throw refuse(
      `${why}, and by ${label} pod ${pod} is ${word.of(serving.member)} on ` +
        `${serving.member.array.label}, which cannot be asked who has the volume there`,
    );
  }
  // The silent array serves nobody now. When it is back it serves whom it was connected to.
  const places = allPlaces(context, place);
  const users = places.flatMap((one) => usersOf(context, one));
  const others = [...new Set(users)].filter((user) => user !== endsUsersBut);
  const knowsAll = cluster.isFollowed || places.some((one) => {
    const key = placeKey(one);
    return published.sawAllOf(key) || published.isExclusive(key, endsUsersBut);
  });
  if (others.length > 0 || !knowsAll) {
    const who = others.length > 0 ? others.join(", ") : "a node that this controller does not know";
    throw refuse(`${why}, and ${who} may have it on the silent array`);
  }
  await awaitNoUserAnywhere(context, {
    place,
    what: `${what} without ${silent[0]?.member.array.label}`,
    needs: (attachment) => attachment.node !== endsUsersBut,
  }, signal);
}

/** As awaitNoUser(), by every array of the volume's pod: it is one volume. */
export async function awaitNoUserAnywhere(
  context: Pick<ControllerContext, "cluster" | "fleet">,
  taking: Parameters<typeof awaitNoUser>[1],
  signal: AbortSignal,
): Promise<void> {
  for (const place of allPlaces(context, taking.place)) {
    await awaitNoUser(context.cluster, { ...taking, place }, signal);
  }
}
