/** What every protocol promises for file systems (protocol.ts), asked of each of them. */
import assert from "node:assert/strict";
import { mountAt, readMounts } from "../host/mountinfo.ts";
import type { NodeContext } from "./context.ts";
import type { FileConnection } from "./protocol.ts";
import { fileConnection } from "./registry.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { FILE_BEDS, type FileBed, PLANE } from "../../tests/support/protocol_beds.ts";
import { failureOf } from "../../tests/support/test_node.ts";

interface FileRule {
  name: string;
  check: (it: { bed: FileBed; mounts: Mounting }) => Promise<void>;
}

/** mount() and what mountinfo then shows at its target. */
class Mounting {
  readonly context: NodeContext;
  readonly connection: FileConnection;
  readonly #fake: FakeHost;
  readonly #bed: FileBed;

  constructor(fake: FakeHost, bed: FileBed) {
    this.context = fake.context({ localPlane: PLANE });
    this.connection = fileConnection(bed.attachment(7));
    this.#fake = fake;
    this.#bed = bed;
  }

  mount(number: number, { options = [], signal }: MountChanges = {}): Promise<void> {
    const wanted = { attachment: this.#bed.attachment(number), target: "/stage/7", options };
    return this.connection.mount(this.context, wanted, signal);
  }

  async found() {
    return mountAt(await readMounts(this.#fake.host), "/stage/7");
  }
}

interface MountChanges {
  options?: string[];
  signal?: AbortSignal;
}

const FILE_RULES: FileRule[] = [
  {
    name: "mount() shows this very file system, and isMountOf() knows it from every other",
    check: async ({ bed, mounts }) => {
      for (const number of [7, 8]) bed.publish(number);
      await mounts.mount(7);
      const found = await mounts.found();
      assert.ok(found);
      const isMountOf = (number: number) =>
        mounts.connection.isMountOf(mounts.context, {
          attachment: bed.attachment(number),
          mount: found,
        });
      assert.equal(await isMountOf(7), true);
      assert.equal(await isMountOf(8), false);
    },
  },
  {
    name: "mount() of what is not exported to this node is not_found, and mounts nothing",
    check: async ({ bed, mounts }) => {
      bed.publish(8);
      assert.equal((await failureOf(mounts.mount(7))).code, "not_found");
      assert.equal(await mounts.found(), undefined);
    },
  },
  {
    name: "mount() for readers is read-only",
    check: async ({ bed, mounts }) => {
      bed.publish(7);
      await mounts.mount(7, { options: ["ro"] });
      const found = await mounts.found();
      assert.ok([...found?.options ?? [], ...found?.superOptions ?? []].includes("ro"));
    },
  },
  {
    name: "mount() for a caller who is gone already mounts nothing",
    check: async ({ bed, mounts }) => {
      bed.publish(7);
      await failureOf(mounts.mount(7, { signal: AbortSignal.abort() }));
      assert.equal(await mounts.found(), undefined);
    },
  },
];

for (const [protocol, makeBed] of Object.entries(FILE_BEDS)) {
  for (const { name, check } of FILE_RULES) {
    Deno.test(`${protocol}: ${name}`, () =>
      FakeHost.use(async (fake) => {
        fake.folder(PLANE);
        const bed = makeBed(fake);
        await check({ bed, mounts: new Mounting(fake, bed) });
      }));
  }
}
