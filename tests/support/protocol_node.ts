import type { ChapCredentials } from "../../src/chap.ts";
import { HostView } from "../../src/host/host_view.ts";
import type { NodeContext } from "../../src/node/context.ts";
import type { PathLook } from "../../src/node/look.ts";
import type { BlockAttachment, BlockConnection } from "../../src/node/protocol.ts";
import { blockConnection } from "../../src/node/registry.ts";
import type { StageRecord } from "../../src/node/stage_record.ts";
import type { FakeHost } from "./fake_host.ts";
import { BLOCK_BEDS, type BlockBed, type BlockProtocol, PLANE } from "./protocol_beds.ts";

interface AttachChanges {
  /** What the array said of the size. */
  sizeBytes?: number;
  shared?: boolean;
  chap?: ChapCredentials;
  signal?: AbortSignal;
}

/** A node with one protocol for block volumes; what it notes of a volume outlives its process. */
export class ProtocolNode {
  readonly connection: BlockConnection;
  readonly bed: BlockBed;
  readonly records = new Map<number, StageRecord<BlockAttachment>>();
  context: NodeContext;

  constructor(readonly protocol: BlockProtocol, readonly fake: FakeHost) {
    this.bed = BLOCK_BEDS[protocol](fake);
    this.connection = blockConnection(this.bed.attachment(7));
    this.context = this.restart();
  }

  /** The node plugin starts anew, after a crash or not. */
  restart(): NodeContext {
    return this.context = this.fake.context({ localPlane: PLANE });
  }

  record(volume: number): StageRecord<BlockAttachment> {
    const known = this.records.get(volume);
    if (known) return known;
    const attachment = this.bed.attachment(volume);
    const [volumeId, stagingPath] = [`v${volume}`, `/stage/${volume}`];
    const record = { volumeId, stagingPath, attachment, published: [] };
    this.records.set(volume, record);
    return record;
  }

  async attach(volume: number, { sizeBytes, shared = false, chap, signal }: AttachChanges = {}) {
    const record = this.record(volume);
    const note = (facts: object) => Promise.resolve(void Object.assign(record, facts));
    const attachment = this.bed.attachment(volume, sizeBytes);
    const wanted = { attachment, record, note, shared, chap };
    return await this.connection.attach(this.context, wanted, signal);
  }

  /** A volume that this node knows nothing of is on the host; gives its device. */
  async attachedBySomebody(volume: number): Promise<string> {
    this.bed.publish(volume);
    const { name } = await this.attach(volume);
    this.records.delete(volume);
    return name;
  }

  /** The volume goes from this host, as after an unstage and an unpublish. */
  async letGo(volume: number): Promise<void> {
    for (const name of await this.devicesOf(volume)) {
      await this.connection.detach(this.context, name);
    }
    this.bed.unpublish(volume);
  }

  isDeviceOf(volume: number, name: string): Promise<boolean> {
    return this.connection.isDeviceOf(this.context, {
      attachment: this.bed.attachment(volume),
      device: name,
    });
  }

  devicesOf(volume: number): Promise<string[]> {
    return this.connection.devicesOf(this.context, this.record(volume));
  }

  async tidy(...others: StageRecord[]): Promise<void> {
    await this.connection.tidy(this.context, others);
  }

  /** What a look at the attached volume finds, as the healer takes it. */
  async look(volume: number): Promise<PathLook> {
    const { attachment, device } = this.record(volume);
    const view = await HostView.read(this.fake.host);
    return await this.connection.look(this.context, { view, attachment, device });
  }

  async idle(...records: StageRecord[]): Promise<string[]> {
    const view = await HostView.read(this.fake.host);
    return (await this.connection.idle(this.context, { view, records })).sort();
  }

  /** All that the host has of volumes: what must be the same after a second call. */
  has(): string[] {
    return [...this.bed.devices(), ...this.bed.sessions()].sort();
  }
}
