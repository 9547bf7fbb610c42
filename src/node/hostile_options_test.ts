// Options of a PV that would turn root's tools against the node: nothing is written, mounted or
// left behind, and volumes that have their file system go on.

import { deepEqual, equal, match } from "node:assert/strict";
import { PsoError } from "../errors.ts";
import type { Run } from "../run.ts";
import { MiB } from "../size.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";
import {
  failureOf,
  mountCapability,
  TestNode,
  testRun,
  type TestVolume,
} from "../../tests/support/test_node.ts";

/** A volume context of a PV, with FOLDER for a folder of the host. */
const CREATE_OPTIONS: [string, string][] = [
  ["ext4", "-d FOLDER"],
  ["ext4", "-qd FOLDER"],
  ["ext4", "-z FOLDER/undo"],
  ["ext4", "-l FOLDER/secret"],
  ["ext4", "-Fm1"],
  ["ext4", "-U11111111-1111-4111-8111-111111111111"],
  ["ext4", "FOLDER/other -L"],
  ["ext4", "-q -- FOLDER/other"],
  ["ext4", "-J device=FOLDER/other"],
  ["xfs", "-p FOLDER/proto"],
  ["xfs", "-c options=FOLDER/config"],
  ["xfs", "-d name=FOLDER/other"],
  ["xfs", "-l logdev=FOLDER/other,size=64m"],
  ["xfs", "FOLDER/other -L"],
  ["xfs", "-L\u0000x"],
];

/** A folder of the host with what an attack would read or write. */
async function hostFolder(test: TestNode): Promise<{ folder: string; other: string }> {
  const folder = `${test.folder}/host`;
  await Deno.mkdir(folder);
  await Deno.writeTextFile(`${folder}/secret`, "1\n");
  await Deno.writeTextFile(
    `${folder}/proto`,
    `x\n0 0\nd--755 0 0\ns ---755 0 0 ${folder}/secret\n`,
  );
  await Deno.writeTextFile(`${folder}/config`, "[metadata]\nreflink=0\n");
  const other = `${folder}/other`;
  (await Deno.create(other)).close();
  await Deno.truncate(other, 320 * MiB);
  return { folder, other };
}

async function usedBytes(path: string): Promise<number> {
  return ((await Deno.stat(path)).blocks ?? 0) * 512;
}

for (const [fsType, text] of CREATE_OPTIONS) {
  Deno.test(`a volume of ${fsType} with createoptions ${JSON.stringify(text)} is not formatted, and nothing else is`, () =>
    TestNode.use(async (test) => {
      const { folder, other } = await hostFolder(test);
      const tools: string[] = [];
      const run: Run = (tool, args, options) => {
        tools.push(tool);
        return testRun(tool, args, options);
      };
      const node = test.restart(run);
      const volume = await test.volume();
      const createoptions = text.replaceAll("FOLDER", folder);
      const capability = mountCapability(fsType);
      const refused = await failureOf(
        node.stage(test.stageRequest(volume, { capability, volumeContext: { createoptions } })),
      );
      equal(refused.code, "invalid");
      match(
        refused.message,
        /^the volume has no file system yet, and none is made: createoptions /,
      );
      match(refused.message, / is refused for .*; mend the class and make the claim anew/);
      deepEqual(tools.filter((tool) => tool.startsWith("mkfs")), []);
      deepEqual([await usedBytes(other), await usedBytes(volume.image)], [0, 0]);
      deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
        "config",
        "other",
        "proto",
        "secret",
      ]);
      deepEqual(await test.leftovers(), []);
    }));
}

for (const fsType of ["xfs", "ext4"]) {
  Deno.test(`a volume that has its ${fsType} mounts whatever createoptions stand in its PV`, () =>
    TestNode.use(async (test) => {
      const lines: string[][] = [];
      const run: Run = (tool, args, options) => {
        if (tool.startsWith("mkfs")) lines.push(args);
        return testRun(tool, args, options);
      };
      const node = test.restart(run);
      const volume = await test.volume();
      const capability = mountCapability(fsType);
      await node.stage(test.stageRequest(volume, { capability }));
      await node.unstage(volume);
      deepEqual(lines.map((args) => args.at(-2)), ["--"], "nothing but the device after --");
      const volumeContext = { createoptions: "-F -d /etc //dev/sda --" };
      await node.stage(test.stageRequest(volume, { capability, volumeContext }));
      await node.unstage(volume);
      equal(lines.length, 1);
    }));
}

function flagged(
  test: TestNode,
  { volume, flags }: { volume: TestVolume; flags: string[] },
) {
  const access = { type: "mount", fsType: "ext4", mountFlags: flags } as const;
  return test.stageRequest(volume, { capability: { access, mode: "single-node-writer" } });
}

for (
  const flag of [
    "loop",
    "offset=0",
    "sizelimit=1048576",
    "bind",
    "rbind",
    "move",
    "remount",
    "rshared",
    "user",
    "users",
    "owner",
    "group",
    "uhelper=x",
    "X-mount.subdir=etc",
    "journal_path=/dev/sda",
    "bg",
    'context="a:b:c,loop"',
  ]
) {
  Deno.test(`stage refuses mount flag ${flag} before it attaches, and unstage finds nothing`, () =>
    TestNode.use(async (test) => {
      const volume = await test.volume();
      const refused = await failureOf(
        test.node.stage(flagged(test, { volume, flags: ["noatime", flag] })),
      );
      equal(refused.code, "invalid");
      match(refused.message, / is refused: .*; take it out of mountOptions of the PV/);
      equal(await usedBytes(volume.image), 0);
      await test.node.unstage(volume);
      deepEqual(await test.leftovers(), []);
    }));
}

Deno.test("an unknown mount flag reaches mount(8), and is logged once for all volumes", () =>
  TestNode.use(async (test) => {
    const given: string[] = [];
    const run: Run = (tool, args, options) => {
      if (tool === "mount") given.push(args[args.indexOf("-o") + 1] ?? "");
      return testRun(tool, args, options);
    };
    const node = test.restart(run);
    const flags = ["nouid32", "debug"];
    for (const volume of [await test.volume(), await test.volume()]) {
      await node.stage(flagged(test, { volume, flags }));
      await node.unstage(volume);
    }
    deepEqual(given, ["discard,nouid32,debug", "discard,nouid32,debug"]);
    const said = test.logLines.filter((line) => line.includes("mount option unknown"));
    deepEqual(said.map((line) => JSON.parse(line).option), flags);
  }));

Deno.test("publish gives mount(8) no flag but those of one mount", () =>
  TestNode.use(async (test) => {
    const given: string[] = [];
    const run: Run = (tool, args, options) => {
      if (tool === "mount") given.push(args[args.indexOf("-o") + 1] ?? "");
      return testRun(tool, args, options);
    };
    const node = test.restart(run);
    const volume = await test.volume();
    await node.stage(flagged(test, { volume, flags: [] }));
    given.length = 0;
    const mountFlags = ["noatime", "loop", "remount", "rshared", "user", "X-mount.mkdir"];
    await node.publish(test.publishRequest(volume, {
      capability: {
        access: { type: "mount", fsType: "ext4", mountFlags },
        mode: "single-node-writer",
      },
    }));
    deepEqual(given, ["bind,noatime"]);
    await test.takeAway(volume);
  }));

Deno.test("publish does not mount a dead block volume anew with flags that no node takes", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    await test.node.stage(flagged(test, { volume, flags: [] }));
    await testRun("xfs_io", ["-x", "-c", "shutdown", volume.stagingPath]);
    const tools: string[] = [];
    const node = test.restart((tool, args, options) => {
      tools.push(tool);
      return testRun(tool, args, options);
    });
    const { capability } = flagged(test, { volume, flags: ["loop"] });
    const refused = await failureOf(node.publish(test.publishRequest(volume, { capability })));
    equal(refused.code, "invalid");
    match(refused.message, /mount option loop is refused/);
    deepEqual(tools.filter((tool) => /mount$/.test(tool)), []);
    await node.unstage(volume);
  }));

Deno.test("publish does not mount a stale NFS volume anew with flags that no node takes", () =>
  FakeHost.use(async (fake) => {
    const node = fake.plugin();
    const mode = "multi-node-multi-writer" as const;
    const volume = { volumeId: "v1", stagingPath: "/stage/1" };
    const asked = (mountFlags: string[]) =>
      ({ access: { type: "mount", fsType: "", mountFlags }, mode }) as const;
    await node.stage({
      ...volume,
      capability: asked(["hard"]),
      attachment: { protocol: "nfs", address: "192.0.2.7", path: "/fs" },
      volumeContext: {},
    });
    fake.statFails.set("/stage/1", new PsoError("unavailable", "stat: Stale file handle"));
    const before = fake.ran("mount").length;
    const refused = await failureOf(
      node.publish({
        ...volume,
        capability: asked(["hard", "addr=192.0.2.66"]),
        targetPath: "/pod/1",
        readOnly: false,
      }),
    );
    equal(refused.code, "invalid");
    match(refused.message, /mount option addr=192\.0\.2\.66 is refused/);
    equal(fake.ran("mount").length, before);
  }));

for (const fsType of ["ext4 -F", "-F", "ext4\u0000", "ext4\n", " ext4", "ext4,xfs", "../ext4"]) {
  Deno.test(`stage refuses the file system ${JSON.stringify(fsType)}`, () =>
    TestNode.use(async (test) => {
      const volume = await test.volume();
      const request = test.stageRequest(volume, { capability: mountCapability(fsType) });
      const refused = await failureOf(test.node.stage(request));
      equal(refused.code, "invalid");
      match(refused.message, /is not supported: use xfs or ext4$/);
      deepEqual(await test.leftovers(), []);
    }));
}
