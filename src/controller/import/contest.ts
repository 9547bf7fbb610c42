import { PsoError } from "../../errors.ts";
import { CONTEST_PREFIX } from "../tags.ts";

/** The value of a mark that means nothing any more: tags are set, and never taken away. */
const ENDED = "ended";
/** Looks after which also the first of several gives up, and the pause between two of them. */
const LOOKS = 4, LOOK_MS = 250;

/** Tags of a volume. */
type Tags = ReadonlyMap<string, string>;

/** Who wants a volume for itself. */
export interface Contender {
  /** Its `clusterID`. */
  cluster: string;
  /** What the claim's volume is called in CSI: no other claim has it. */
  csiName: string;
  /** Clusters whose marks mean nothing. */
  ignored: readonly string[];
}

/** The volume for which clusters contend, and what is done with its tags. */
export interface Contested {
  /** Begins a refusal: `Cannot import data on fa-1 for pvc-1`. */
  what: string;
  /** As read before. */
  tags: Tags;
  read: () => Promise<Tags>;
  /** Sets these tags in one call; the others stay. */
  write: (tags: Record<string, string>) => Promise<void>;
  /** Throws for tags by which the volume is not to be had. */
  judge: (tags: Tags) => void;
  wait: (ms: number) => Promise<void>;
}

/** The mark of another cluster. */
interface Mark {
  cluster: string;
  key: string;
  csiName: string;
}

/**
 * Resolves for one at most of all clusters that want a volume at the same time. Each writes a mark
 * of its own and reads the marks of all after that, so that of two the later one sees the earlier.
 * Who sees another's takes its own back and throws `unavailable`, naming that cluster: the first of
 * several in the order of their names when the others stay, the rest at once. The mark of who won
 * stands until wonMarks() are written.
 */
export async function contend(contender: Contender, contested: Contested): Promise<void> {
  const { read, write, judge } = contested;
  const key = CONTEST_PREFIX + contender.cluster;
  let { tags } = contested;
  let mayBeMarked = isActive(tags.get(key));
  try {
    if (tags.get(key) !== contender.csiName) {
      refuseOthers(contested, othersIn(tags, contender));
      mayBeMarked = true;
      await write({ [key]: contender.csiName });
      tags = await read();
      mayBeMarked = tags.get(key) === contender.csiName;
    }
    tags = await awaitOthers(contender, contested, tags);
    judge(tags);
    refuseNotOwn(contender, contested, tags.get(key));
  } catch (error) {
    // Also when the answer to the mark was lost: no other cluster could have the volume else.
    if (mayBeMarked) await write({ [key]: ENDED }).catch(() => {});
    throw error;
  }
}

/** The tags that end the contest for the one that won it. */
export function wonMarks({ cluster }: Pick<Contender, "cluster">): Record<string, string> {
  return { [CONTEST_PREFIX + cluster]: ENDED };
}

/** The tags when no other mark stands any more. */
async function awaitOthers(
  contender: Contender,
  contested: Contested,
  tags: Tags,
): Promise<Tags> {
  for (let looks = 1, last = tags;; looks++) {
    const others = othersIn(last, contender);
    if (others.length === 0) return last;
    const isFirst = others.every(({ cluster }) => contender.cluster < cluster);
    if (!isFirst || looks === LOOKS) refuseOthers(contested, others);
    await contested.wait(LOOK_MS);
    last = await contested.read();
  }
}

function othersIn(tags: Tags, { cluster: own, ignored }: Contender): Mark[] {
  return [...tags].flatMap(([key, csiName]) => {
    if (!key.startsWith(CONTEST_PREFIX) || !isActive(csiName)) return [];
    const cluster = key.slice(CONTEST_PREFIX.length);
    return cluster === own || ignored.includes(cluster) ? [] : [{ cluster, key, csiName }];
  });
}

function isActive(mark: string | undefined): boolean {
  return mark !== undefined && mark !== ENDED;
}

function refuseOthers({ what }: Contested, [other]: readonly Mark[]): void {
  if (!other) return;
  throw new PsoError(
    "unavailable",
    `${what}: cluster ${other.cluster} is taking it in at this moment (its tag ` +
      `${other.key}=${other.csiName}); it is tried again by itself; if that cluster has given it ` +
      "up, take that tag away on the array",
  );
}

/** Two clusters with one `clusterID` write one mark, and the last of them has it. */
function refuseNotOwn(
  { cluster, csiName }: Contender,
  { what }: Contested,
  mark: string | undefined,
): void {
  if (mark === csiName) return;
  throw new PsoError(
    "unavailable",
    `${what}: its tag ${CONTEST_PREFIX}${cluster} is ${mark ?? "gone"} right after it was set to ` +
      `${csiName}; it is tried again by itself; if it stays so, see whether another cluster has ` +
      `the clusterID ${cluster}, too`,
  );
}
