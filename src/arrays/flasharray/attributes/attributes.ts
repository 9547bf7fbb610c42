import { isPsoError, messageOf, PsoError } from "../../../errors.ts";
import type { CreateVolumeSpec, VolumeChanges } from "../../array.ts";
import type { ArrayContext, NamedObjects } from "../../rest/named_objects.ts";
import type { Query } from "../../rest/query.ts";
import { mayBeAboutName, RestError } from "../../rest/refusals.ts";
import { type VolumeItem, volumeItem } from "../wire.ts";
import { groupNamesFor, joinProtectionGroups, refuseMissingGroup } from "./protection_groups.ts";

/** First REST 2.N in which POST volumes takes this. */
const SINCE = { protectionGroups: 16, tags: 39 };

/** What attributes need to know of the array. */
interface AttributesContext extends ArrayContext {
  volumes: NamedObjects<VolumeItem>;
}

/** A volume that the array was asked to make. */
interface MadeVolume {
  /** N of REST 2.N that was spoken. */
  minor: number;
  isCopy: boolean;
  signal?: AbortSignal;
}

/** Tags that are to be set, and what was done to the volume before. */
interface Tagging {
  tags: Record<string, string>;
  done: string;
}

/**
 * What a volume has beside its content and size: limits, tags and protection groups. Which of them
 * a release takes in the create itself is known here alone.
 */
export class Attributes {
  readonly #context: AttributesContext;

  constructor(context: AttributesContext) {
    this.#context = context;
  }

  /** What a create says of them, as far as REST 2.`minor` takes it. */
  inCreate(
    spec: CreateVolumeSpec,
    minor: number,
  ): { body: Record<string, unknown>; query: Query } {
    const { qos } = spec;
    const [tags, groups] = [tagsOf(spec), groupsOf(spec)];
    return {
      body: {
        ...(tags && minor >= SINCE.tags ? { tags: tagItems(tags) } : {}),
        ...(qos
          ? { qos: { iops_limit: qos.iopsLimit, bandwidth_limit: qos.bandwidthLimitBytes } }
          : {}),
      },
      // Nothing is said of default protection: what the administrator wants for new volumes holds
      // for these too.
      query: groups.length > 0 && minor >= SINCE.protectionGroups
        ? { add_to_protection_group_names: groups }
        : {},
    };
  }

  /** `invalid` when a create was refused because a protection group of the spec is not there. */
  refuseMissing(spec: CreateVolumeSpec, error: unknown): void {
    const group = groupsOf(spec).join(", ");
    refuseMissingGroup(this.#context, { volume: spec.name, group, error });
  }

  /** Sets on a volume that is there what its create could not say; nothing on newer releases. */
  async afterCreate(
    spec: CreateVolumeSpec,
    { minor, isCopy, signal }: MadeVolume,
  ): Promise<void> {
    if (minor < SINCE.protectionGroups) await this.#joinNew(spec, signal);
    // A clone is made without our own tags on older releases, unless its class has some: with the
    // look-up of its source and a call to grow it, a call for tags would be the fourth.
    const tags = isCopy && !spec.askedTags ? undefined : tagsOf(spec);
    if (tags && minor < SINCE.tags) {
      await this.#tag(spec.name, { tags, done: "was created" }, signal);
    }
  }

  async #joinNew(
    { name: volume, protectionGroups: groups }: CreateVolumeSpec,
    signal?: AbortSignal,
  ): Promise<void> {
    if (groups === undefined) return;
    try {
      await joinProtectionGroups(this.#context, { volume, groups }, signal);
    } catch (error) {
      if (!isPsoError(error, "invalid", "not_found")) throw error;
      // The volume is there: a final code would make the caller forget it.
      throw new PsoError("unavailable", `volume ${volume} was created: ${error.message}`, {
        cause: error,
      });
    }
  }

  /**
   * As StorageArray.modifyVolume. Limits are written without a look, because an array takes again
   * what it has: one call, and one for tags.
   */
  async change(name: string, changes: VolumeChanges, signal?: AbortSignal): Promise<void> {
    const { qos, tags, exports, protectionGroups } = changes;
    if (exports) {
      throw new PsoError(
        "unsupported",
        `volume ${name} on array ${this.#context.label()} has no export rules: leave them out`,
      );
    }
    // First: a group that is not there leaves all as it is.
    if (protectionGroups) await this.#join(name, protectionGroups, signal);
    if (qos) await this.#limit(name, qos, signal);
    if (tags) await this.#tag(name, { tags, done: qos ? "has its limits" : "is there" }, signal);
  }

  async #join(volume: string, groups: readonly string[], signal?: AbortSignal): Promise<void> {
    try {
      await joinProtectionGroups(this.#context, { volume, groups }, signal);
    } catch (error) {
      if (!mayBeAboutName(error)) throw error;
      await this.#context.volumes.need(volume, { signal, cause: error });
      throw error;
    }
  }

  async #limit(
    name: string,
    { iopsLimit, bandwidthLimitBytes }: NonNullable<VolumeChanges["qos"]>,
    signal?: AbortSignal,
  ): Promise<void> {
    const { rest, volumes } = this.#context;
    // An empty text takes a limit away; what the body does not have stays.
    const qos = {
      iops_limit: iopsLimit === null ? "" : iopsLimit,
      bandwidth_limit: bandwidthLimitBytes === null ? "" : bandwidthLimitBytes,
    };
    const call = {
      path: "volumes",
      item: volumeItem,
      query: { names: name },
      body: { qos },
      signal,
    };
    try {
      const item = (await rest.call<VolumeItem>({ ...call, method: "PATCH" })).items[0];
      if (item) return;
    } catch (error) {
      if (!mayBeAboutName(error)) throw error;
      await volumes.need(name, { signal, cause: error });
      throw error;
    }
    await volumes.need(name, { signal });
  }

  /** Sets tags on a volume on which something was `done` before; `done` is for the message. */
  async #tag(volume: string, { tags, done }: Tagging, signal?: AbortSignal): Promise<void> {
    const { rest, label } = this.#context;
    const query = { resource_names: volume };
    const path = "volumes/tags/batch";
    try {
      await rest.call({ method: "PUT", path, query, body: tagItems(tags), signal });
    } catch (error) {
      if (!(error instanceof RestError)) throw error;
      // Something was changed by now: a final code would make the caller forget it.
      throw new PsoError(
        "unavailable",
        `volume ${volume} on array ${label()} ${done} and cannot be tagged: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }
}

/** The protection groups of a new volume, by the names that the array has for them. */
function groupsOf({ name: volume, protectionGroups: groups = [] }: CreateVolumeSpec): string[] {
  return groupNamesFor({ volume, groups });
}

/** Every tag of a new volume; `undefined` when there is none. */
function tagsOf({ tags, askedTags }: CreateVolumeSpec): Record<string, string> | undefined {
  return tags || askedTags ? { ...askedTags, ...tags } : undefined;
}

/** One tag as REST takes it; a copyable tag would go to clones, which belong to another claim. */
interface TagItem {
  key: string;
  value: string;
  copyable: false;
}

function tagItems(tags: Record<string, string>): TagItem[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value, copyable: false }));
}
