import type { Snapshot } from "../../arrays/array.ts";
import type { FleetMember } from "../../arrays/fleet.ts";
import { PsoError } from "../../errors.ts";
import { snapshotSuffixFor } from "../../names.ts";
import { refuseSnapshotParameters } from "../parameters.ts";
import { listAcross, type ListedPage } from "./listing.ts";
import type { ControllerContext } from "../context.ts";
import type {
  CreateSnapshotRequest,
  ListSnapshotsRequest,
  SnapshotAnswer,
  SnapshotPage,
} from "../requests.ts";
import type { ListedArray } from "../volume_locator.ts";

/** The snapshot calls of the Controller service. */
export class Snapshots {
  readonly #context: ControllerContext;

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** See Provisioner.createSnapshot. */
  async create(
    { name, sourceVolumeId, parameters = {} }: CreateSnapshotRequest,
    signal: AbortSignal,
  ): Promise<SnapshotAnswer> {
    refuseSnapshotParameters(parameters);
    const { fleet, locator } = this.#context;
    const hinted = locator.hinted(sourceVolumeId);
    const known = hinted && fleet.mayHold(hinted.member, hinted.name) ? hinted : undefined;
    const found = known ? undefined : await locator.need(sourceVolumeId, signal);
    const member = known?.member ?? found?.member;
    const volume = known?.name ?? found?.volume.name;
    if (!member || volume === undefined) {
      throw new PsoError("not_found", `volume ${sourceVolumeId} does not exist`);
    }
    const { id } = await locator.statusOf(member, signal);
    const suffix = snapshotSuffixFor(name);
    await this.#refuseOtherSource({ name, suffix, member, volume }, signal);
    // Noted first: should the reply be lost, the volume still counts as one that has snapshots, and
    // its deletion looks.
    fleet.snapshotCreated(member, `${volume}.${suffix}`);
    const snapshot = await member.array.createSnapshot(volume, suffix, signal);
    return this.#answer(id, snapshot, sourceVolumeId);
  }

  /** See Provisioner.deleteSnapshot. */
  async delete(snapshotId: string, signal: AbortSignal): Promise<void> {
    const found = await this.#context.locator.findSnapshot(snapshotId, signal);
    if (!found) return;
    await found.member.array.deleteSnapshot(found.snapshot.name, signal);
    this.#context.fleet.snapshotDeleted(found.member, found.snapshot.name);
  }

  /** See Provisioner.getSnapshot. */
  async get(snapshotId: string, signal: AbortSignal): Promise<SnapshotAnswer> {
    const answer = await this.#find(snapshotId, signal);
    if (answer) return answer;
    throw new PsoError(
      "not_found",
      `snapshot ${snapshotId} does not exist: every array that could hold it was asked`,
    );
  }

  /** See Provisioner.listSnapshots. */
  async list(request: ListSnapshotsRequest, signal: AbortSignal): Promise<SnapshotPage> {
    if (request.snapshotId !== "") return await this.#listOne(request, signal);
    if (request.sourceVolumeId !== "") return await this.#listOfVolume(request, signal);
    const { locator, options, tokens } = this.#context;
    const prefix = `${options().prefix}-`;
    const page = await listAcross(
      request,
      { arrays: locator.listOrder(), tokens },
      ({ member }, part) => member.array.listSnapshots({ prefix, ...part }, signal),
    );
    return this.#page(page);
  }

  async #listOne(
    { snapshotId, sourceVolumeId }: ListSnapshotsRequest,
    signal: AbortSignal,
  ): Promise<SnapshotPage> {
    const answer = await this.#find(snapshotId, signal);
    const matches = answer && (sourceVolumeId === "" || answer.sourceVolumeId === sourceVolumeId);
    return { entries: matches ? [answer] : [], nextToken: "" };
  }

  async #listOfVolume(request: ListSnapshotsRequest, signal: AbortSignal): Promise<SnapshotPage> {
    const { locator, tokens } = this.#context;
    const source = await locator.find(request.sourceVolumeId, signal);
    if (!source) return { entries: [], nextToken: "" };
    const { member, volume } = source;
    const own = locator.listOrder().filter((listed) => listed.member === member);
    const page = await listAcross(
      request,
      { arrays: own, tokens },
      (_, part) => member.array.listSnapshots({ volume: volume.name, ...part }, signal),
    );
    return this.#page(page, request.sourceVolumeId);
  }

  #page({ items, nextToken }: ListedPage<Snapshot>, sourceVolumeId?: string): SnapshotPage {
    const entries = items.map(({ listed, item }: { listed: ListedArray; item: Snapshot }) =>
      this.#answer(listed.arrayId, item, sourceVolumeId)
    );
    return { entries, nextToken };
  }

  async #find(snapshotId: string, signal: AbortSignal): Promise<SnapshotAnswer | undefined> {
    const { locator } = this.#context;
    const found = await locator.findSnapshot(snapshotId, signal);
    if (!found) return undefined;
    const { id } = await locator.statusOf(found.member, signal);
    // The caller's own handle: a bare one stays bare.
    return { ...this.#answer(id, found.snapshot), snapshotId };
  }

  /**
   * A snapshot's name belongs to one volume in the whole fleet, and its handle shows that volume:
   * the same suffix on another volume is a request that contradicts an earlier one. What listings
   * and our own creations showed costs no call; only a hit is looked up, it may be old.
   */
  async #refuseOtherSource(
    wanted: { name: string; suffix: string; member: FleetMember; volume: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { fleet } = this.#context;
    for (const { member, volume } of fleet.volumesWithSnapshot(wanted.suffix)) {
      if (member === wanted.member && volume === wanted.volume.toLowerCase()) continue;
      const name = `${volume}.${wanted.suffix}`;
      if (await member.array.findSnapshot(name, signal)) {
        throw new PsoError(
          "conflict",
          `snapshot ${wanted.name} exists already of volume ${volume} on ${member.array.label}, and ${wanted.volume} is asked for`,
        );
      }
      fleet.snapshotDeleted(member, name);
    }
  }

  #answer(arrayId: string, snapshot: Snapshot, sourceVolumeId?: string): SnapshotAnswer {
    const { locator } = this.#context;
    return {
      snapshotId: locator.snapshotIdOf(arrayId, snapshot.name),
      sourceVolumeId: sourceVolumeId ?? locator.idOf(arrayId, snapshot.volume),
      sizeBytes: snapshot.sizeBytes,
      createdMs: snapshot.createdMs,
      readyToUse: true,
    };
  }
}
