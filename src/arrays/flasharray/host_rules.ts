import { createHash } from "node:crypto";
import type { NodeIdentity } from "../../handoff.ts";
import { hostNameFor, initiatorKey, NAME_MAX, nameKey, psoHostNameFor } from "../../names.ts";
import type { NodeKnowledge } from "../array.ts";
import { identitiesOf } from "../node_knowledge.ts";
import {
  allInitiatorsOf,
  type HeldInitiator,
  type Initiators,
  initiatorsHeldBy,
  spelledInitiatorsOf,
} from "./initiators.ts";
import type { HostItem } from "./wire.ts";

// Whose a host object is, decided without a call. A host object is a set of initiators, and each
// of them reaches every volume that is connected to it. So a host is a node's only if nothing else
// is in it, or if its name says that this driver made it for that node.

/** What `-x` and its hash take of a second name. */
const SECOND_PART = 14;

/**
 * A name for a host object when the node's plain name is taken by another node or by another
 * protocol of this one. The same initiators give the same name.
 */
export function secondNameFor(plain: string, initiators: Initiators): string {
  const hash = createHash("sha256").update(initiators.names.toSorted().join(",")).digest("hex")
    .slice(0, SECOND_PART - 2);
  return `${plain.slice(0, NAME_MAX - SECOND_PART)}-x${hash}`;
}

/** A node in front of the host objects of an array: what it has, had, and what others have. */
export class HostOwner {
  /** The name that its host object gets. */
  readonly plainName: string;
  readonly #identities: readonly NodeIdentity[];
  readonly #current: ReadonlySet<string>;
  readonly #earlier: ReadonlySet<string>;
  readonly #known: NodeKnowledge;

  constructor(readonly node: NodeIdentity, known: NodeKnowledge | undefined) {
    this.plainName = hostNameFor(node.name);
    this.#known = known ?? {};
    this.#identities = identitiesOf(node, known);
    this.#current = spelledInitiatorsOf([node]);
    this.#earlier = spelledInitiatorsOf(this.#known.earlier ?? []);
  }

  /**
   * Whether the name tells that the host object is the node's: this driver gives it to no other
   * node.
   */
  isNamedForNode(hostName: string): boolean {
    return this.#isNamedAfter(this.plainName, hostName);
  }

  /**
   * Whether the node's host object may bear the name: also one that PSO gave, which another node may
   * have too. It counts only beside an initiator of the node.
   */
  mayBearName(hostName: string): boolean {
    return this.isNamedForNode(hostName) ||
      this.#isNamedAfter(psoHostNameFor(this.node.name), hostName);
  }

  #isNamedAfter(plainName: string, hostName: string): boolean {
    const [name, plain] = [nameKey(hostName), nameKey(plainName)];
    if (name === plain) return true;
    // A long name is cut before the hash, and another node's may begin alike: only a hash of what
    // this node is known to have had counts then.
    if (plain.length <= NAME_MAX - SECOND_PART) {
      return name.startsWith(`${plain}-x`) &&
        /^[0-9a-f]{12}$/.test(name.slice(plain.length + "-x".length));
    }
    return this.#identities.some((identity) =>
      Object.values(allInitiatorsOf(identity)).some((initiators) =>
        nameKey(secondNameFor(plainName, initiators)) === name
      )
    );
  }

  /** Whether the other node has the same name, or an initiator that this one has or had. */
  mayBe(other: NodeIdentity): boolean {
    return other.name === this.node.name ||
      [...spelledInitiatorsOf([other])].some((name) => this.#current.has(name) || this.had(name));
  }

  /** The host's initiators, of any kind, that the node does not have now. */
  extrasIn(host: HostItem): HeldInitiator[] {
    return initiatorsHeldBy(host).filter(({ name }) => !this.#current.has(initiatorKey(name)));
  }

  /** Whether the host holds an initiator, of any kind, that the node has now. */
  sharesWith(host: HostItem): boolean {
    return initiatorsHeldBy(host).some(({ name }) => this.#current.has(initiatorKey(name)));
  }

  /**
   * Whether the node had the initiator before, as far as this process knows, and no other node has
   * claimed it since: what a node has counts before what another one had.
   */
  had(name: string): boolean {
    return this.#earlier.has(initiatorKey(name)) && this.#known.otherNodeWith?.(name) === undefined;
  }

  /** Whether the host holds an initiator that the node had before. */
  hadOneOf(host: HostItem): boolean {
    return initiatorsHeldBy(host).some(({ name }) => this.had(name));
  }

  /** Whether the host holds initiators of known nodes of this cluster, and nothing else. */
  isOfNodes(host: HostItem): boolean {
    const held = initiatorsHeldBy(host);
    return held.length > 0 &&
      held.every(({ name }) =>
        this.#current.has(initiatorKey(name)) || this.had(name) ||
        this.#known.otherNodeWith?.(name) !== undefined
      );
  }

  /** An initiator of the host that another known node has, and that node's name. */
  otherNodeIn(host: HostItem): { port: string; node: string } | undefined {
    for (const { name } of this.extrasIn(host)) {
      const node = this.#known.otherNodeWith?.(name);
      if (node !== undefined) return { port: name, node };
    }
    return undefined;
  }

  /**
   * Why the volume must not be connected to a host that shares an initiator with the node: another
   * machine would reach it too. `undefined` when the host is the node's own. A port that the node
   * had before is no other machine's.
   */
  refusalOf(host: HostItem): string | undefined {
    const extras = this.extrasIn(host).filter(({ name }) => !this.had(name));
    if (extras.length === 0) return undefined;
    const other = this.otherNodeIn(host);
    if (other) return `${other.port}, which is node ${other.node}'s`;
    if (this.mayBearName(host.name ?? "")) return undefined;
    return extras.map(({ name }) => name).join(", ");
  }
}
