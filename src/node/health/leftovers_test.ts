import assert from "node:assert/strict";
import { HostView } from "../../host/host_view.ts";
import type { NodeContext } from "../context.ts";
import type { StageRecord } from "../stage_record.ts";
import { lookAt } from "./condition.ts";
import { Leftovers } from "./leftovers.ts";
import { attachment, FakeHost } from "../../../tests/support/fake_host.ts";
import { PORTALS, TARGET } from "../../../tests/support/fake_iscsi.ts";

const [FIRST = "", SECOND = ""] = PORTALS;

/** A host whose leftovers are looked for in rounds. */
class Bed {
  readonly context: NodeContext;
  readonly leftovers: Leftovers;

  constructor(readonly fake: FakeHost) {
    this.context = fake.context();
    this.leftovers = new Leftovers(this.context);
  }

  static use(work: (bed: Bed, fake: FakeHost) => Promise<void>): Promise<void> {
    return FakeHost.use((fake) => work(new Bed(fake), fake));
  }

  /** One round; volumes of `busy` are being worked on and were never looked at. */
  async round({ busy = [] as string[] } = {}): Promise<{ volumes: string[]; sessions: boolean }> {
    const records = await this.fake.records.list();
    const view = await HostView.read(this.fake.host);
    const looks = new Map();
    for (const record of records.filter(({ volumeId }) => !busy.includes(volumeId))) {
      looks.set(record.volumeId, await lookAt(this.context, view, record));
    }
    const { volumes, sessions } = await this.leftovers.find(view, records, looks);
    return { volumes: volumes.map(({ volumeId }) => volumeId), sessions };
  }

  /** Volume 7 of which an unstage was begun, and that nothing mounts. */
  async begunUnstage(changes: Partial<StageRecord> = {}): Promise<StageRecord> {
    for (const [index, portal] of PORTALS.entries()) this.fake.iscsi.addSession(index + 1, portal);
    const record = await this.fake.stagedVolume(7, { unstaging: true, ...changes });
    this.fake.unmount("/stage/7");
    return record;
  }
}

const NOTHING = { volumes: [], sessions: false };

Deno.test("a volume whose unstage was begun is due in the second round in turn that finds it unused", () =>
  Bed.use(async (bed) => {
    await bed.begunUnstage();
    assert.deepEqual(await bed.round(), NOTHING);
    assert.deepEqual(await bed.round(), { volumes: ["v7"], sessions: false });
  }));

Deno.test("a volume is not due when it was mounted in one of two rounds, by whichever of its devices", () =>
  Bed.use(async (bed, fake) => {
    await bed.begunUnstage();
    await bed.round();
    fake.mountDevice("dm-7", "/srv/somewhere");
    assert.deepEqual(await bed.round(), NOTHING);
    assert.equal(bed.leftovers.counts.volume, 1, "it is counted all the same");
    fake.unmount("/srv/somewhere");
    assert.deepEqual(await bed.round(), NOTHING);
    assert.deepEqual((await bed.round()).volumes, ["v7"]);
  }));

Deno.test("a volume of which no unstage was begun is never due, mounted or not", () =>
  Bed.use(async (bed) => {
    await bed.begunUnstage({ unstaging: undefined });
    for (let round = 0; round < 3; round++) assert.deepEqual(await bed.round(), NOTHING);
    assert.deepEqual(bed.leftovers.counts, { volume: 0, session: 0, device: 0 });
  }));

Deno.test("a volume that a call works with is not due, and not counted", () =>
  Bed.use(async (bed) => {
    await bed.begunUnstage();
    await bed.round();
    assert.deepEqual(await bed.round({ busy: ["v7"] }), NOTHING);
    assert.equal(bed.leftovers.counts.volume, 0);
  }));

Deno.test("unstage() finishes what was begun, and says that it did", () =>
  Bed.use(async (bed, fake) => {
    await bed.begunUnstage();
    assert.equal(await bed.leftovers.unstage("v7"), true);
    assert.equal(await fake.records.find("v7"), undefined);
    assert.deepEqual([fake.scsi.devices, fake.iscsi.sessions], [[], []]);
  }));

for (
  const { name, change } of [
    {
      name: "is staged again",
      change: async (bed: Bed, record: StageRecord) => {
        await bed.fake.records.write({ ...record, unstaging: undefined });
      },
    },
    {
      name: "has no record any more",
      change: async (bed: Bed) => await bed.fake.records.remove("v7"),
    },
    {
      name: "is mounted again",
      change: (bed: Bed) => Promise.resolve(bed.fake.mountDevice("dm-7", "/stage/7")),
    },
  ]
) {
  Deno.test(`unstage() touches nothing of a volume that ${name}`, () =>
    Bed.use(async (bed, fake) => {
      await change(bed, await bed.begunUnstage());
      assert.equal(await bed.leftovers.unstage("v7"), false);
      assert.deepEqual(fake.commands, []);
      assert.equal(fake.scsi.devices.length, 2);
    }));
}

Deno.test("sessions are due when the same one was idle in two rounds in turn", () =>
  Bed.use(async (bed, fake) => {
    fake.iscsi.addSession(1, FIRST);
    assert.equal((await bed.round()).sessions, false);
    fake.iscsi.removeSession(1);
    fake.iscsi.addSession(2, SECOND);
    assert.equal((await bed.round()).sessions, false, "another session");
    assert.equal((await bed.round()).sessions, true);
    assert.equal(bed.leftovers.counts.session, 1);
  }));

for (
  const { name, use } of [
    {
      name: "somebody else made",
      use: (bed: Bed) => bed.fake.iscsi.addSession(1, FIRST, { iface: "default" }),
    },
    {
      name: "carries a disk",
      use: (bed: Bed) => {
        bed.fake.iscsi.addSession(1, FIRST);
        bed.fake.scsi.addDisk({ session: 1, lun: 9, volume: 9 });
      },
    },
  ]
) {
  Deno.test(`a session that ${name} is not idle, and endSessions() leaves it`, () =>
    Bed.use(async (bed, fake) => {
      use(bed);
      for (let round = 0; round < 2; round++) assert.deepEqual(await bed.round(), NOTHING);
      assert.equal(bed.leftovers.counts.session, 0);
      assert.equal(await bed.leftovers.endSessions(), false);
      assert.deepEqual(fake.iscsi.sessions, ["session1"]);
    }));
}

Deno.test("a session without a disk is idle beside one of a larger number that carries one", () =>
  Bed.use(async (bed, fake) => {
    fake.iscsi.addSession(1, FIRST);
    fake.iscsi.addSession(10, SECOND);
    fake.scsi.addDisk({ session: 10, lun: 9, volume: 9 });
    await bed.round();
    assert.equal(bed.leftovers.counts.session, 1);
  }));

Deno.test("a session that an attach is about to use is not idle", () =>
  Bed.use(async (bed, fake) => {
    fake.iscsi.addSession(1, FIRST);
    await bed.context.targets.using([TARGET], async () => {
      await bed.round();
      assert.deepEqual(await bed.round(), NOTHING);
      assert.equal(await bed.leftovers.endSessions(), false);
    });
    assert.deepEqual(fake.iscsi.sessions, ["session1"]);
  }));

Deno.test("a session by which an attached volume has lost its disk is kept for it", () =>
  Bed.use(async (bed, fake) => {
    fake.iscsi.addSession(1, FIRST);
    const record = { volumeId: "v7", stagingPath: "/stage/7", published: [] };
    const staged = { ...record, attachment: attachment(7), device: "dm-7" };
    await fake.records.write(staged);
    for (let round = 0; round < 2; round++) assert.deepEqual(await bed.round(), NOTHING);
    assert.equal(await bed.leftovers.endSessions(), false);
    await fake.records.write({ ...staged, device: undefined });
    await bed.round();
    assert.equal((await bed.round()).sessions, true);
    assert.equal(await bed.leftovers.endSessions(), true);
    assert.deepEqual(fake.iscsi.sessions, []);
  }));

Deno.test("maps of FlashArray volumes over our sessions that no record names are counted, and no others", () =>
  Bed.use(async (bed, fake) => {
    fake.iscsi.addSession(1, FIRST);
    fake.iscsi.addSession(9, SECOND, { iface: "default" });
    const addMap = (volume: number, session: number) => {
      fake.scsi.addMap(`dm-${volume}`, volume);
      fake.scsi.join(fake.scsi.addDisk({ session, lun: volume, volume }), `dm-${volume}`);
    };
    addMap(1, 1);
    addMap(2, 9);
    addMap(3, 1);
    fake.mountDevice("dm-3", "/srv/somewhere");
    addMap(4, 1);
    fake.write("/sys/class/block/dm-4/dm/uuid", "mpath-3600140512345678901234567890abcde");
    addMap(5, 1);
    const record = { volumeId: "v5", stagingPath: "/stage/5", published: [] };
    await fake.records.write({ ...record, attachment: attachment(5), device: "dm-5" });
    fake.scsi.addMap("dm-6", 6); // over no disk at all
    await bed.round();
    assert.equal(bed.leftovers.counts.device, 1);
    assert.deepEqual(fake.commands, []);
  }));
