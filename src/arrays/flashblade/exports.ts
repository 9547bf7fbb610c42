import { addressKey } from "../../net/address.ts";
import { KeyedQueue } from "../../async/keyed_queue.ts";
import { PsoError } from "../../errors.ts";
import type { Attachment, NodeIdentity } from "../../handoff.ts";
import { isOwnVolumeName, nameKey } from "../../names.ts";
import type {
  ConnectOptions,
  ExportChange,
  HostObject,
  NodeKnowledge,
  NodeOptions,
  VolumeChanges,
} from "../array.ts";
import { changedRules } from "./rule_change.ts";
import { identitiesOf } from "../node_knowledge.ts";
import {
  areEqual,
  areStatic,
  type ExportRule,
  formatRules,
  isLetIn,
  isNamed,
  isOwnRule,
  parseRules,
  withAddresses,
  withoutAddresses,
} from "./export_rules.ts";
import { fileAttachmentOf, type FlashBladeFacts } from "./ports.ts";
import type { FileSystemItem } from "./wire.ts";
import { isRefusal } from "../rest/refusals.ts";
import type { ArrayContext } from "../rest/named_objects.ts";

/** What exports need to know of the array besides its REST. */
interface ExportContext extends ArrayContext {
  /** The array's own name and data address; asked for when this process has no facts yet. */
  facts: (signal?: AbortSignal) => Promise<FlashBladeFacts>;
  /** The live file system of that name. */
  find: (name: string, signal?: AbortSignal) => Promise<FileSystemItem | undefined>;
}

/** An export that is to be there. */
interface WantedExport extends ConnectOptions {
  node: NodeIdentity;
}

/** What the file system shows now. */
interface SeenRules {
  rules: readonly ExportRule[];
  /** Who may mount it is an administrator's affair alone. */
  isStatic: boolean;
}

/** Which nodes may mount the file systems of one FlashBlade. */
export class Exports {
  readonly #context: ExportContext;
  /**
   * Changes of one file system's rules, one after another: the rules are read, changed and written
   * back, and FlashBlade has no compare-and-set that would notice a change in between.
   */
  readonly #changes = new KeyedQueue();

  constructor(context: ExportContext) {
    this.#context = context;
  }

  /**
   * As StorageArray.connect. Reads the rules of the file system, and writes all of them when they
   * are not what they must be; a change of one rule alone does not exist.
   */
  async connect(
    volume: string,
    node: NodeIdentity,
    options: ConnectOptions,
  ): Promise<Attachment> {
    const facts = await this.#context.facts(options.signal);
    const attachment = fileAttachmentOf(options.protocol, facts, {
      label: this.#context.label(),
      fileSystem: volume,
    });
    return await this.#changes.inTurn(nameKey(volume), async () => {
      const item = await this.#need(volume, options.signal);
      const rules = parseRules(item.nfs?.rules ?? "");
      const isStatic = isAccessOfAdministrator(item, rules);
      this.#refuseHiddenUser(volume, { ...options, node, rules, isStatic });
      if (isStatic) return attachment;
      const wanted = this.#wanted(volume, rules, { ...options, node });
      if (options.exclusive) await mayLoseRules({ rules, wanted, node }, options);
      if (!areEqual(rules, wanted)) await this.#write(volume, wanted, options.signal);
      return attachment;
    }, options.signal);
  }

  /**
   * As StorageArray.disconnect: drops our rules for every address that the node has or is known to
   * have had, unless another node that uses the file system has the same address. For all nodes:
   * every rule of ours.
   */
  async disconnect(
    volume: string,
    node: NodeIdentity | "all",
    { known, signal }: NodeOptions = {},
  ): Promise<boolean> {
    return await this.#changes.inTurn(nameKey(volume), async () => {
      const item = await this.#context.find(volume, signal);
      if (!item) return false;
      const rules = parseRules(item.nfs?.rules ?? "");
      const fixed = node === "all" ? rulesOfOthers(volume, rules.filter(isOwnRule), known) : [];
      const left = node === "all"
        ? rules.filter((rule) => !isOwnRule(rule) || fixed.includes(rule))
        : withoutAddresses(rules, addressesOf(node, known));
      const refuseRest = () => {
        if (fixed.length === 0) return true;
        throw new PsoError(
          "in_use",
          `file system ${volume} on array ${this.#context.label()} is still exported to ` +
            `${clientsIn(fixed)} (${NOT_KNOWN}): take the rule out on the array`,
        );
      };
      if (areEqual(rules, left)) return refuseRest();
      try {
        await this.#write(volume, left, signal);
      } catch (error) {
        // Something that the rules name may be what is missing: then the node is still let in.
        const isGone = isRefusal(error, "missing", "destroyed") &&
          await this.#context.find(volume, signal) === undefined;
        if (!isGone) throw error;
        return false;
      }
      return refuseRest();
    }, signal);
  }

  /** As StorageArray.holds: whether a rule of ours names one of the node's addresses. */
  async holds(
    volume: string,
    node: NodeIdentity,
    { known, signal }: NodeOptions = {},
  ): Promise<boolean> {
    const item = await this.#context.find(volume, signal);
    const rules = parseRules(item?.nfs?.rules ?? "");
    return withoutAddresses(rules, addressesOf(node, known)).length < rules.length;
  }

  /** As StorageArray.nodeOf: a FlashBlade has no host objects. */
  nodeOf(): undefined {
    return undefined;
  }

  /** As StorageArray.lookAtHosts: there is nothing to look at. */
  lookAtHosts(): Promise<void> {
    return Promise.resolve();
  }

  /** As StorageArray.listHosts: there are none. */
  listHosts(): Promise<HostObject[]> {
    return Promise.resolve([]);
  }

  /**
   * `in_use` when an exclusive volume must not be taken from another node that uses it, and no rule
   * of ours shows that node: an administrator's rules let it in, or both have one address.
   */
  #refuseHiddenUser(
    volume: string,
    { node, known, exclusive, preempt, rules, isStatic }: WantedExport & SeenRules,
  ): void {
    if (!exclusive || preempt) return;
    const own = new Set(node.addresses.map(addressKey));
    const user = known?.otherUsers?.find(({ addresses }) =>
      isStatic ||
      addresses.some((address) =>
        own.has(addressKey(address)) || isLetIn(rules, address, { readOnly: true })
      )
    );
    if (!user) return;
    throw new PsoError(
      "in_use",
      `file system ${volume} on array ${this.#context.label()} is published to node ` +
        `${user.name} and may serve one node only: unpublish it there before it is attached to ` +
        node.name,
    );
  }

  /**
   * The rules with this node in them. For an exclusive volume our other rules go, if the
   * configuration lets it be taken from other nodes; else `in_use`. A repeated publish to the node
   * that has it drops none: nobody else was given the volume meanwhile.
   */
  #wanted(volume: string, rules: ExportRule[], options: WantedExport): ExportRule[] {
    const { node, known, exclusive, preempt } = options;
    if (node.addresses.length === 0) {
      throw new PsoError(
        "unsupported",
        `file system ${volume} cannot be exported to node ${node.name}: ` +
          "the node has told no data address; set --data-address there",
      );
    }
    // What this process remembers is no proof: another one may have taken the volume meanwhile.
    const isRepeat = known?.isRepeat && node.addresses.every((address) => isNamed(rules, address));
    if (!exclusive || isRepeat) return withAddresses(rules, node.addresses, options);
    const everything = [...node.addresses, ...addressesOf(node, known)];
    const others = withoutAddresses(rules, everything).filter(isOwnRule);
    const fixed = preempt ? rulesOfOthers(volume, others, known) : others;
    if (fixed.length > 0) {
      const why = preempt ? ` (${NOT_KNOWN})` : "";
      throw new PsoError(
        "in_use",
        `file system ${volume} on array ${this.#context.label()} is exported to ` +
          `${clientsIn(fixed)}${why} and may serve one node only: ` +
          `detach it there before it is attached to ${node.name}`,
      );
    }
    const now = new Set(node.addresses.map(addressKey));
    const kept = rules.filter((rule) => !isOwnRule(rule) || now.has(addressKey(rule.client)));
    return withAddresses(kept, node.addresses, options);
  }

  async #need(volume: string, signal?: AbortSignal): Promise<FileSystemItem> {
    const item = await this.#context.find(volume, signal);
    if (item) return item;
    throw new PsoError(
      "not_found",
      `file system ${volume} is not on array ${this.#context.label()}`,
    );
  }

  /** As StorageArray.modifyVolume. One call, and one more when the rules are to be others. */
  async modify(
    volume: string,
    { qos, tags, exports }: VolumeChanges,
    signal?: AbortSignal,
  ): Promise<void> {
    if (qos || tags) {
      throw new PsoError(
        "unsupported",
        `file system ${volume} on array ${this.#context.label()} has no limits of IOPS or ` +
          "bandwidth and no tags: leave them out",
      );
    }
    if (exports) await this.#changeRules(volume, exports, signal);
  }

  async #changeRules(volume: string, change: ExportChange, signal?: AbortSignal): Promise<void> {
    await this.#changes.inTurn(nameKey(volume), async () => {
      const { nfs } = await this.#need(volume, signal);
      const rules = parseRules(nfs?.rules ?? "");
      const shown = `file system ${volume} on array ${this.#context.label()}`;
      const policy = nfs?.export_policy?.name ?? undefined;
      const wanted = changedRules(rules, { ...change, shown, policy });
      if (!areEqual(rules, wanted)) await this.#write(volume, wanted, signal);
    }, signal);
  }

  async #write(volume: string, rules: ExportRule[], signal?: AbortSignal): Promise<void> {
    const body = { nfs: { rules: formatRules(rules) } };
    await this.#context.rest.call({
      method: "PATCH",
      path: "file-systems",
      query: { names: volume },
      body,
      lane: "attach",
      signal,
    });
  }
}

/** Waits until nobody needs a rule of ours that goes, if one goes that is not the node's own. */
async function mayLoseRules(
  { rules, wanted, node }: { rules: ExportRule[]; wanted: ExportRule[]; node: NodeIdentity },
  { known, signal }: ConnectOptions,
): Promise<void> {
  const own = new Set(
    identitiesOf(node, known).flatMap(({ addresses }) => addresses.map(addressKey)),
  );
  const goes = rules.some(({ client }) => !own.has(addressKey(client)) && !isNamed(wanted, client));
  if (goes) await known?.othersMayLose?.(signal);
}

/** Completes a sentence about a client of a file system that this cluster did not make. */
const NOT_KNOWN = "no known node of this cluster, which did not make the file system";

/**
 * Those of our rules that must stay. A file system that this cluster did not make may serve another
 * one, whose driver writes the same rules: only what lets a node of this cluster in may be dropped.
 */
function rulesOfOthers(
  volume: string,
  rules: readonly ExportRule[],
  known: NodeKnowledge | undefined,
): ExportRule[] {
  if (isOwnVolumeName(known?.cluster, volume)) return [];
  return rules.filter(({ client }) => !known?.isNodeAddress?.(client));
}

function clientsIn(rules: readonly ExportRule[]): string {
  return rules.map(({ client }) => client).join(", ");
}

/**
 * Every address that the node has or is known to have had, without those of other nodes that use
 * the volume: behind one translated address (NAT) stand several nodes.
 */
function addressesOf(node: NodeIdentity, known: NodeKnowledge | undefined): string[] {
  const others = known?.otherUsers ?? [];
  const inUse = new Set(others.flatMap(({ addresses }) => addresses.map(addressKey)));
  return identitiesOf(node, known).flatMap(({ addresses }) => addresses).filter((address) =>
    !inUse.has(addressKey(address))
  );
}

/**
 * True when an administrator alone decides who may mount the file system: by a rule for a name, `*`
 * or a netgroup and none of ours, or, without rules, by an export policy. Such access is never
 * changed.
 */
function isAccessOfAdministrator(item: FileSystemItem, rules: ExportRule[]): boolean {
  return areStatic(rules) || (rules.length === 0 && Boolean(item.nfs?.export_policy?.name));
}
