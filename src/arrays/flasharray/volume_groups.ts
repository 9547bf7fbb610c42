import { SingleFlight } from "../../async/single_flight.ts";
import { PsoError } from "../../errors.ts";
import { nameKey } from "../../names.ts";
import { NothingMadeError } from "../array.ts";
import type { GroupLimits } from "../containers/container_state.ts";
import {
  groupLimitsFault,
  groupLimitsOf,
  type NewVolumeGroup,
} from "../containers/group_limits.ts";
import { type ArrayContext, NamedObjects } from "../rest/named_objects.ts";
import { type GroupItem, GROUPS } from "./containers.ts";

/**
 * Makes volume groups of one FlashArray before their first volume. A look at the array tells which
 * it has; between two looks this tells which it was found to have, so that claims that come at once
 * cost one call for their group and not two each.
 */
export class VolumeGroups {
  readonly #context: ArrayContext;
  readonly #items: NamedObjects<GroupItem>;
  readonly #making = new SingleFlight<string, void>();
  /** Limits of the groups that are there, by name in lower case. */
  readonly #there = new Map<string, GroupLimits>();

  constructor(context: ArrayContext) {
    this.#context = context;
    this.#items = new NamedObjects(context, GROUPS);
  }

  /**
   * Makes a volume group with its limits, in one call. One that is there stays as it is:
   * NothingMadeError when its limits are others. `conflict` when a destroyed one holds the name.
   */
  async make(group: NewVolumeGroup, signal?: AbortSignal): Promise<void> {
    const there = this.#there.get(nameKey(group.name));
    // Other limits may have been mended meanwhile: the array is asked.
    if (there && groupLimitsFault(group, { there, wanted: group.limits }) === undefined) return;
    await this.#making.run(
      JSON.stringify([nameKey(group.name), group.limits]),
      () => this.#make(group, signal),
      signal,
    );
  }

  /** To be called when the array was looked at, or refused a volume for the lack of its group. */
  forget(): void {
    this.#there.clear();
  }

  async #make({ name, limits }: NewVolumeGroup, signal?: AbortSignal): Promise<void> {
    const { label } = this.#context;
    const there = groupLimitsOf(await this.#created({ name, limits }, signal));
    const fault = groupLimitsFault({ name }, { there, wanted: limits });
    if (fault === undefined) {
      this.#there.set(nameKey(name), there);
      return;
    }
    throw new NothingMadeError(
      new PsoError(
        "exhausted",
        `array ${label()} ${fault}; nothing of it is changed: make both the same, or change the ` +
          "class",
      ),
      { isOfThisVolume: true },
    );
  }

  /** The limits of the group that was made, or was there, as the array has them. */
  async #created(
    { name, limits: { iops, bandwidthBytes } }: NewVolumeGroup,
    signal?: AbortSignal,
  ): Promise<GroupItem["qos"]> {
    const qos = {
      ...(typeof iops === "number" ? { iops_limit: iops } : {}),
      ...(typeof bandwidthBytes === "number" ? { bandwidth_limit: bandwidthBytes } : {}),
    };
    const { path, item } = GROUPS;
    const call = { path, item, query: { names: name }, body: { qos }, signal };
    try {
      await this.#context.rest.create<GroupItem>(call);
      return qos;
    } catch (error) {
      return (await this.#items.afterRefusedCreate(name, { error, signal })).qos;
    }
  }
}
