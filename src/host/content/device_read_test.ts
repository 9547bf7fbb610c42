import assert from "node:assert/strict";
import { silentLogger } from "../../log.ts";
import { MiB } from "../../size.ts";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { NQN } from "../../../tests/support/fake_nvme.ts";
import { failureOf } from "../../../tests/support/test_node.ts";
import { dropCache } from "../block_device.ts";
import { createRun } from "../tools/command.ts";
import { readAreas } from "./device_read.ts";

const path = Deno.env.get("PATH");
const run = createRun({ namespaces: "direct", hostRoot: "/", log: silentLogger, path });

/** Runs `work` with the name of a loop device over a file of 2 MiB, each page with its number. */
async function withLoop(work: (name: string, image: string) => Promise<void>): Promise<void> {
  const image = await Deno.makeTempFile({ prefix: "pso-read-" });
  const bytes = new Uint8Array(2 * MiB);
  for (let page = 0; page < bytes.length / 4096; page++) {
    bytes.fill(page, page * 4096, page * 4096 + 4096);
  }
  await Deno.writeFile(image, bytes);
  const { stdout } = await run("losetup", ["--find", "--show", image]);
  try {
    await work(stdout.trim().replace("/dev/", ""), image);
  } finally {
    await run("losetup", ["--detach", stdout.trim()]);
    await Deno.remove(image);
  }
}

const AREAS = [{ offset: 4096, length: 4096 }, { offset: 255 * 4096, length: 12288 }, {
  offset: 2 * MiB - 4096,
  length: 4096,
}];

for (const direct of [true, false]) {
  Deno.test(`readAreas() gives each area as it is on the device${direct ? ", past the cache" : ""}`, () =>
    withLoop(async (name) => {
      const host = { root: "/", namespaces: "direct", run } as const;
      const chunks = await readAreas(host, { name, areas: AREAS, direct });
      const pages = chunks.map((chunk) =>
        Array.from({ length: chunk.length / 4096 }, (_, at) => chunk[at * 4096])
      );
      assert.deepEqual(pages, [[1], [255, 0, 1], [255]]);
      assert.ok(chunks.every((chunk) => chunk.every((value, at) => value === chunk[at & ~4095])));
    }));
}

for (
  const { what, areas, says } of [
    {
      what: "an area that ends beyond the device",
      areas: [...AREAS, { offset: 2 * MiB - 4096, length: 8192 }],
      says: /a short read of 24576 of 28672 bytes/,
    },
    {
      what: "an area beyond the device",
      areas: [{ offset: 3 * MiB, length: 4096 }, ...AREAS],
      says: /short read|cannot skip/,
    },
  ]
) {
  Deno.test(`readAreas() is unavailable for ${what}, and never gives zeroes`, () =>
    withLoop(async (name) => {
      const host = { root: "/", namespaces: "direct", run } as const;
      const error = await failureOf(readAreas(host, { name, areas, direct: true }));
      assert.equal(error.code, "unavailable");
      assert.match(error.message, says);
    }));
}

Deno.test("readAreas() is unavailable after an I/O error of any area, and names the place", () =>
  withLoop(async (name, image) => {
    await Deno.truncate(image, MiB); // the device keeps its size, and reads beyond the cut fail
    const host = { root: "/", namespaces: "direct", run } as const;
    const error = await failureOf(readAreas(host, { name, areas: AREAS, direct: true }));
    assert.equal(error.code, "unavailable");
    assert.match(error.message, /^read of \/dev\/loop\d+ ended with code 3: .*Input\/output error/);
    assert.match(error.message, /at byte 1044480$/);
  }));

/** The kernel shows volume 7 by two paths of each kind. */
const DEVICES = {
  "an NVMe namespace": (fake: FakeHost) => {
    fake.nvme.publish(7);
    const controllers = ["192.0.2.1", "192.0.2.2"].map((traddr) =>
      fake.nvme.addController({ transport: "tcp", nqn: NQN, traddr, trsvcid: "4420" })
    );
    const set = (at: number, live: boolean) =>
      fake.nvme.setState(controllers[at] ?? "", live ? "live" : "connecting");
    return { name: fake.nvme.namespaces[0] ?? "", set };
  },
  "a multipath map": (fake: FakeHost) => {
    fake.scsi.addMap("dm-7", 7);
    const disks = [1, 2].map((session) => fake.scsi.addDisk({ session, lun: 7, volume: 7 }));
    for (const disk of disks) fake.scsi.join(disk, "dm-7");
    const set = (at: number, live: boolean) =>
      fake.write(`/sys/class/block/${disks[at]}/device/state`, live ? "running" : "blocked");
    return { name: "dm-7", set };
  },
  "a SCSI disk": (fake: FakeHost) => {
    const name = fake.scsi.addDisk({ session: 1, lun: 7, volume: 7 });
    const set = (_at: number, live: boolean) =>
      fake.write(`/sys/class/block/${name}/device/state`, live ? "running" : "transport-offline");
    return { name, set };
  },
};

for (const [what, make] of Object.entries(DEVICES)) {
  Deno.test(`${what} is neither read nor flushed while sysfs shows no path that carries I/O`, () =>
    FakeHost.use(async (fake) => {
      const { name, set } = make(fake);
      const areas = [{ offset: 0, length: 4096 }];
      const read = () => readAreas(fake.host, { name, areas, direct: true });
      set(0, false);
      set(1, false);
      for (const work of [read, () => dropCache(fake.host, name)]) {
        const error = await failureOf(work());
        assert.equal(error.code, "unavailable");
        assert.match(error.message, new RegExp(`^no path to device ${name} carries I/O \\(`));
      }
      assert.deepEqual(fake.commands, []);
      set(1, true);
      assert.deepEqual(await read(), [new Uint8Array(4096)]);
    }));
}

Deno.test("a map without a path is not read", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.addMap("dm-7", 7);
    const reading = readAreas(fake.host, { name: "dm-7", areas: AREAS, direct: false });
    assert.match((await failureOf(reading)).message, /carries I\/O \(it has none\)/);
  }));
