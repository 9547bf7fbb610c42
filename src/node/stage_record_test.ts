import assert from "node:assert/strict";
import { createLogger } from "../log.ts";
import { type StageRecord, StageRecords } from "./stage_record.ts";

const RECORD: StageRecord = {
  volumeId: "0badcafe/k8s-pvc-1",
  stagingPath: "/stage/1",
  attachment: { protocol: "nfs", address: "10.0.0.9", path: "/k8s-pvc-1" },
  format: { state: "started", type: "xfs", uuid: "7d444840-9dc0-4f5b-8f0e-1f5d0e4c0b11" },
  published: [{ targetPath: "/pods/1", readOnly: true }],
};

async function withFolder(
  work: (folder: string, records: StageRecords, log: string[]) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pso-state-" });
  const log: string[] = [];
  try {
    await work(
      folder,
      new StageRecords(folder, { log: createLogger({ write: (line) => log.push(line) }) }),
      log,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function onlyFile(folder: string): Promise<string> {
  const names = [];
  for await (const { name } of Deno.readDir(`${folder}/volumes`)) names.push(name);
  assert.equal(names.length, 1);
  return `${folder}/volumes/${names[0]}`;
}

Deno.test("a record is found again by another process, replaced whole, and removed twice", () =>
  withFolder(async (folder, records, log) => {
    assert.equal(await records.find(RECORD.volumeId), undefined);
    assert.equal(await records.count(), 0);
    await records.write(RECORD);
    await records.write({ ...RECORD, device: "loop3" });
    assert.equal(await records.count(), 1);
    const other = new StageRecords(folder, { log: createLogger({ write: () => {} }) });
    assert.deepEqual(await other.find(RECORD.volumeId), { ...RECORD, device: "loop3" });
    assert.equal(((await Deno.stat(await onlyFile(folder))).mode ?? 0) & 0o777, 0o600);
    for (let times = 0; times < 2; times++) await records.remove(RECORD.volumeId);
    assert.equal(await records.find(RECORD.volumeId), undefined);
    assert.deepEqual(log, []);
  }));

Deno.test("a record that a crash of the host cut short is no record, and is logged", () =>
  withFolder(async (folder, records, log) => {
    await records.write(RECORD);
    const path = await onlyFile(folder);
    await Deno.truncate(path, 40);
    assert.equal(await records.find(RECORD.volumeId), undefined);
    assert.match(log.join(), /stage record ignored/);
    await records.write(RECORD);
    assert.deepEqual(await records.find(RECORD.volumeId), RECORD);
  }));

Deno.test("a record of a later version is not guessed at", () =>
  withFolder(async (folder, records) => {
    await records.write(RECORD);
    const path = await onlyFile(folder);
    await Deno.writeTextFile(
      path,
      (await Deno.readTextFile(path)).replace('"version": 1', '"version": 2'),
    );
    assert.equal(await records.find(RECORD.volumeId), undefined);
  }));

Deno.test("a record whose attachment is of two kinds is read as what its protocol has", () =>
  withFolder(async (_folder, records) => {
    const share = { protocol: "nfs", address: "10.0.0.9", path: "/a" } as const;
    const mixed = { ...share, serial: "", sizeBytes: 1, everWritten: true };
    await records.write({ ...RECORD, attachment: mixed });
    assert.deepEqual((await records.find(RECORD.volumeId))?.attachment, share);
  }));

Deno.test("a record that lacks what every record has is no record, and each fault is logged once", () =>
  withFolder(async (folder, records) => {
    await records.write(RECORD);
    const path = await onlyFile(folder);
    for (
      const record of [
        null,
        { ...RECORD, stagingPath: 7 },
        { ...RECORD, published: [null] },
        { ...RECORD, attachment: { protocol: "iscsi" } },
        { ...RECORD, attachment: "x" },
      ]
    ) {
      await Deno.writeTextFile(path, JSON.stringify({ version: 1, record }));
      assert.equal(await records.find(RECORD.volumeId), undefined);
      assert.deepEqual(await records.list(), []);
    }
    await Deno.writeTextFile(path, "null");
    assert.equal(await records.find(RECORD.volumeId), undefined);
  }));

Deno.test("a state folder that cannot be written stops the stage before it begins", async () => {
  const records = new StageRecords("/dev/null/state", { log: createLogger({ write: () => {} }) });
  await assert.rejects(records.write(RECORD), {
    code: "unavailable",
    message: /cannot be written: .*; make the node's --state-dir writable/,
  });
});
