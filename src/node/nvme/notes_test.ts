import assert from "node:assert/strict";
import { listControllers } from "../../host/nvme.ts";
import { NvmeNotes } from "./notes.ts";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { NQN } from "../../../tests/support/fake_nvme.ts";

const route = (traddr: string) =>
  ({ transport: "tcp", nqn: NQN, traddr, trsvcid: "4420" }) as const;
const [FIRST, SECOND] = [route("192.0.2.1"), route("192.0.2.2")];

/** Addresses of the noted connections, in the order of the file. */
const noted = (fake: FakeHost): string[] =>
  JSON.parse(fake.read("/state/nvme-connections.json")).routes
    .map(({ traddr }: { traddr: string }) => traddr);

Deno.test("a note stands once however often it is made, and goes with remove(), beside others", () =>
  FakeHost.use(async (fake) => {
    const notes = new NvmeNotes(fake.context());
    for (const one of [FIRST, SECOND, FIRST]) await notes.add(one);
    assert.deepEqual(noted(fake), ["192.0.2.2", "192.0.2.1"]);
    await notes.remove(FIRST);
    assert.deepEqual(noted(fake), ["192.0.2.2"]);
  }));

Deno.test("notes that are made at once are all kept", () =>
  FakeHost.use(async (fake) => {
    const context = fake.context();
    const addresses = Array.from({ length: 8 }, (_, index) => `192.0.2.${index}`);
    await Promise.all(addresses.map((one) => new NvmeNotes(context).add(route(one))));
    assert.deepEqual(noted(fake).toSorted(), addresses);
  }));

Deno.test("ours() are the controllers by a noted route", () =>
  FakeHost.use(async (fake) => {
    const notes = new NvmeNotes(fake.context());
    for (const one of [FIRST, SECOND]) fake.nvme.addController(one);
    assert.deepEqual(await notes.ours(await listControllers(fake.host)), []);
    await notes.add(SECOND);
    const ours = await notes.ours(await listControllers(fake.host));
    assert.deepEqual(ours.map(({ traddr }) => traddr), ["192.0.2.2"]);
    assert.deepEqual(fake.log, [], "a file that is not there is no news");
  }));

Deno.test("forgetEnded() forgets connections that have ended, and keeps those that are there in any state", () =>
  FakeHost.use(async (fake) => {
    const notes = new NvmeNotes(fake.context());
    for (const one of [FIRST, SECOND]) await notes.add(one);
    fake.nvme.addController({ ...FIRST, state: "connecting" });
    await notes.forgetEnded();
    assert.deepEqual(noted(fake), ["192.0.2.1"]);
  }));

Deno.test("forgetEnded() keeps the note of a connection that an attach is about to make", () =>
  FakeHost.use(async (fake) => {
    const context = fake.context();
    const notes = new NvmeNotes(context);
    await notes.add(FIRST);
    await context.targets.using([NQN], () => notes.forgetEnded());
    assert.deepEqual(noted(fake), ["192.0.2.1"]);
    await notes.forgetEnded();
    assert.deepEqual(noted(fake), []);
  }));

Deno.test("forgetEnded() writes nothing while nothing has ended", () =>
  FakeHost.use(async (fake) => {
    const notes = new NvmeNotes(fake.context());
    await notes.forgetEnded();
    assert.equal(fake.has("/state/nvme-connections.json"), false);
    fake.nvme.addController(FIRST);
    await notes.add(FIRST);
    const { mtime } = Deno.statSync(`${fake.root}/state/nvme-connections.json`);
    await notes.forgetEnded();
    assert.deepEqual(Deno.statSync(`${fake.root}/state/nvme-connections.json`).mtime, mtime);
  }));
