// Snapshots of several volumes at one moment: what the GroupController service does on arrays.
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { groupSuffixFor } from "../../src/names.ts";
import { GiB } from "../../src/size.ts";
import type { GroupSnapshotAnswer } from "../../src/controller/requests.ts";
import type { Query } from "../../src/arrays/rest/query.ts";
import { makeContainer } from "../support/containers.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";

const NAME = "groupsnapshot-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";
const ONE_ARRAY = { flasharrays: 1 };
const PAGE = { maxEntries: 0, startingToken: "", snapshotId: "", sourceVolumeId: "" };

/** Volumes `pvc-1`, `pvc-2`, …, by their handles. */
async function volumesOf(bed: ProvisionerBed, count = 3): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 1; at <= count; at++) ids.push(await bed.create(`pvc-${at}`));
  return ids;
}

async function take(
  bed: ProvisionerBed,
  sourceVolumeIds: string[],
  name = NAME,
): Promise<GroupSnapshotAnswer> {
  return await bed.provisioner.createGroupSnapshot({ name, sourceVolumeIds }, bed.signal);
}

/** What GetVolumeGroupSnapshot and DeleteVolumeGroupSnapshot are given for a group. */
function requestOf({ groupSnapshotId, snapshots }: GroupSnapshotAnswer) {
  return { groupSnapshotId, snapshotIds: snapshots.map(({ snapshotId }) => snapshotId) };
}

/** Every live snapshot of the array, as an administrator sees it. */
async function live(bed: ProvisionerBed, array = "fa-1"): Promise<string[]> {
  const query = { destroyed: false };
  const path = "volume-snapshots";
  const items = await bed.admin<{ name: string }>(array, { method: "GET", path, query });
  return items.map(({ name }) => name).sort();
}

async function destroy(bed: ProvisionerBed, name: string): Promise<void> {
  const call = { path: "volume-snapshots", query: { names: name }, body: { destroyed: true } };
  await bed.admin("fa-1", { method: "PATCH", ...call });
}

function nameOf(id: string): string {
  return id.slice(id.indexOf("/") + 1);
}

Deno.test("15.7: a group snapshot is one call for all volumes, and repeatable", async () => {
  await ProvisionerBed.run(ONE_ARRAY, async (bed) => {
    const ids = await volumesOf(bed);
    const calls = await bed.calls(() => take(bed, ids));
    deepEqual(calls, ["POST /volume-snapshots"]);
    const group = await take(bed, ids);
    deepEqual(await take(bed, ids), group);
    const suffix = groupSuffixFor(NAME, ids.map(nameOf));
    deepEqual(group.groupSnapshotId, `${ids[0]?.split("/")[0]}/${suffix}`);
    match(suffix, /^group-0b5e2e943f4c4c2e9f670d2d1b1d7a11-m[0-9a-f]{11}$/);
    deepEqual(
      group.snapshots.map(({ snapshotId, sourceVolumeId, groupSnapshotId }) => [
        snapshotId,
        sourceVolumeId,
        groupSnapshotId,
      ]),
      ids.map((id) => [`${id}.${suffix}`, id, group.groupSnapshotId]),
    );
    deepEqual(await live(bed), ids.map((id) => `${nameOf(id)}.${suffix}`));
    // The order of the volumes does not make another group.
    const turned = await take(bed, ids.toReversed());
    deepEqual(turned.groupSnapshotId, group.groupSnapshotId);
    deepEqual(turned.snapshots, group.snapshots.toReversed());
  });
});

Deno.test("a group's snapshot is read and restored as any other, and says its group", async () => {
  await ProvisionerBed.run(ONE_ARRAY, async (bed) => {
    const ids = await volumesOf(bed, 2);
    const group = await take(bed, ids);
    const alone = await bed.provisioner.createSnapshot(
      { name: "snapshot-1", sourceVolumeId: ids[0] ?? "" },
      bed.signal,
    );
    equal("groupSnapshotId" in alone, false);
    deepEqual(await bed.provisioner.getGroupSnapshot(requestOf(group), bed.signal), group);
    for (const [at, snapshot] of group.snapshots.entries()) {
      const { snapshotId } = snapshot;
      deepEqual(await bed.provisioner.getSnapshot(snapshotId, bed.signal), snapshot);
      const { entries } = await bed.provisioner.listSnapshots({ ...PAGE, snapshotId }, bed.signal);
      deepEqual(entries, [snapshot]);
      await bed.create(`restored-${at}`, { contentSource: { snapshotId } });
      await rejects(bed.provisioner.deleteVolume(ids[at] ?? "", bed.signal), {
        code: "in_use",
        message: /has snapshots: /,
      });
    }
    const { entries } = await bed.provisioner.listSnapshots(PAGE, bed.signal);
    deepEqual(
      entries.map(({ groupSnapshotId }) => groupSnapshotId).toSorted(),
      [group.groupSnapshotId, group.groupSnapshotId, undefined],
    );
  });
});

Deno.test("a group's name with other volumes is refused, also by a new controller", async () => {
  await ProvisionerBed.run(ONE_ARRAY, async (bed) => {
    const [a = "", b = "", c = ""] = await volumesOf(bed);
    await take(bed, [a, b]);
    const before = await live(bed);
    for (const other of [[a], [a, c], [c], [a, b, c]]) {
      await rejects(take(bed, other), { code: "conflict", message: /exists already of other/ });
    }
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    await rejects(take(bed, [c]), { code: "conflict" });
    deepEqual(await live(bed), before);
    await take(bed, [a, b]);
    deepEqual(await live(bed), before);
  });
});

Deno.test("what one array cannot snapshot at one moment is refused and makes nothing", async () => {
  await ProvisionerBed.run({ flasharrays: 2, flashblades: 1 }, async (bed) => {
    const on = (number: number) => ({
      parameters: { arrayID: bed.fleet.members[number]?.id ?? "", backend: "block" },
    });
    const a = await bed.create("pvc-1", on(0));
    const b = await bed.create("pvc-2", on(1));
    const file = await bed.create("pvc-3", { parameters: { backend: "file" } });
    await rejects(take(bed, [a, b]), {
      code: "unsupported",
      message: /k8s-pvc-1\S* is on fa-1 and k8s-pvc-2\S* on fa-2, and only one array can/,
    });
    await rejects(take(bed, [file]), { code: "unsupported", message: /fb-1 is a FlashBlade and/ });
    await rejects(take(bed, [a, file]), { code: "unsupported", message: /of several arrays/ });
    await rejects(take(bed, [a, nameOf(a)]), { code: "invalid", message: /names volume .* twice/ });
    const many = Array.from({ length: 51 }, (_, at) => `${a}-${at}`);
    await rejects(take(bed, many), { code: "unsupported", message: /has 51 volumes and 50 are/ });
    await rejects(take(bed, [a, `${a.split("/")[0]}/k8s-pvc-none`]), {
      code: "not_found",
      message: /k8s-pvc-none/,
    });
    await rejects(
      bed.provisioner.createGroupSnapshot(
        { name: NAME, sourceVolumeIds: [a], parameters: { backend: "block" } },
        bed.signal,
      ),
      { code: "invalid" },
    );
    for (const array of ["fa-1", "fa-2"]) deepEqual(await live(bed, array), []);
    equal((await bed.admin("fb-1", { method: "GET", path: "file-system-snapshots" })).length, 0);
  });
});

Deno.test("a group is repeatable though a namesake elsewhere has its suffix", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const parameters = { arrayID: bed.fleet.members[0]?.id ?? "" };
    const id = await bed.create("pvc-1", { parameters });
    const group = await take(bed, [id]);
    const [, other] = bed.fleet.members.map(({ array }) => array);
    await other?.createVolume({ name: "k8s-pvc-1", sizeBytes: GiB });
    await other?.createSnapshot("k8s-pvc-1", nameOf(group.groupSnapshotId));
    await bed.restart();
    await bed.fleet.refresh(bed.signal);
    deepEqual(await take(bed, [id]), group);
    await bed.provisioner.deleteGroupSnapshot(requestOf(group), bed.signal);
    deepEqual(await live(bed), []);
    equal((await live(bed, "fa-2")).length, 1);
  });
});

for (const action of ["drop-after", "drop-before"] as const) {
  Deno.test(`a group whose call was lost (${action}) is found or made, once`, async () => {
    await ProvisionerBed.run(ONE_ARRAY, async (bed) => {
      const ids = await volumesOf(bed);
      const lost = { method: "POST", path: "/volume-snapshots" };
      await bed.fault({ array: "fa-1", action, match: lost, times: 1 });
      const first = await take(bed, ids).catch((error) => {
        equal(error.code, "unavailable", error.message);
        return undefined;
      });
      await bed.restart();
      const group = await take(bed, ids);
      if (first) deepEqual(group, first);
      equal((await live(bed)).length, ids.length);
    });
  });
}

Deno.test("a group that lost a snapshot is neither filled up nor read", async () => {
  await ProvisionerBed.run(ONE_ARRAY, async (bed) => {
    const ids = await volumesOf(bed);
    const group = await take(bed, ids);
    const [lost = ""] = group.snapshots.map(({ snapshotId }) => nameOf(snapshotId));
    await destroy(bed, lost);
    await rejects(take(bed, ids), {
      code: "conflict",
      message: new RegExp(`is not whole any more: ${lost} was destroyed; recover`),
    });
    await rejects(bed.provisioner.getGroupSnapshot(requestOf(group), bed.signal), {
      code: "not_found",
    });
    const query = { names: lost };
    await bed.admin("fa-1", { method: "DELETE", path: "volume-snapshots", query });
    await rejects(take(bed, ids), { code: "conflict", message: new RegExp(`${lost} is gone`) });
    equal((await live(bed)).length, 2);
    await bed.provisioner.deleteGroupSnapshot(requestOf(group), bed.signal);
    deepEqual(await live(bed), []);
  });
});

Deno.test("deleting a group destroys exactly its snapshots, whatever has its suffix", async () => {
  await ProvisionerBed.run(ONE_ARRAY, async (bed) => {
    const [a = "", b = "", c = ""] = await volumesOf(bed);
    const group = await take(bed, [a, b]);
    const request = requestOf(group);
    const suffix = nameOf(group.groupSnapshotId);
    // Somebody gave a snapshot of another volume the suffix of the group.
    const body = { suffix };
    const query = { source_names: nameOf(c) };
    await bed.admin("fa-1", { method: "POST", path: "volume-snapshots", query, body });
    const stranger = `${c}.${suffix}`;
    const other = await take(bed, [a, b], "another");
    const hint = a.split("/")[0] ?? "";
    for (
      const snapshotIds of [
        [],
        request.snapshotIds.slice(1),
        [...request.snapshotIds, stranger],
        [request.snapshotIds[0] ?? "", stranger],
        [...request.snapshotIds, request.snapshotIds[0] ?? ""],
        requestOf(other).snapshotIds,
        request.snapshotIds.map((id) => id.replace(hint, "0badcafe")),
      ]
    ) {
      const wrong = { groupSnapshotId: group.groupSnapshotId, snapshotIds };
      const mismatch = { code: "invalid", message: /are not those of group snapshot/ };
      await rejects(bed.provisioner.deleteGroupSnapshot(wrong, bed.signal), mismatch);
      await rejects(bed.provisioner.getGroupSnapshot(wrong, bed.signal), mismatch);
    }
    equal((await live(bed)).length, 5);
    await bed.provisioner.deleteGroupSnapshot(request, bed.signal);
    await bed.provisioner.deleteGroupSnapshot(request, bed.signal);
    const left = [nameOf(stranger), ...requestOf(other).snapshotIds.map(nameOf)];
    deepEqual(await live(bed), left.toSorted());
    await rejects(bed.provisioner.getGroupSnapshot(request, bed.signal), { code: "not_found" });
  });
});

Deno.test("a group's snapshot is not deleted alone, and what is gone is success", async () => {
  await ProvisionerBed.run(ONE_ARRAY, async (bed) => {
    const group = await take(bed, await volumesOf(bed, 2));
    const { snapshotIds } = requestOf(group);
    for (const id of [...snapshotIds, nameOf(snapshotIds[0] ?? "")]) {
      await rejects(bed.provisioner.deleteSnapshot(id, bed.signal), {
        code: "invalid",
        message: /belongs to group snapshot group-\S+ and is not deleted alone/,
      });
    }
    equal((await live(bed)).length, 2);
    for (const id of ["fake-vol-id", "a/b", "0badcafe", ""]) {
      const none = { groupSnapshotId: id, snapshotIds: [] };
      await bed.provisioner.deleteGroupSnapshot(none, bed.signal);
      await rejects(bed.provisioner.getGroupSnapshot(none, bed.signal), { code: "not_found" });
    }
    await bed.provisioner.deleteGroupSnapshot(requestOf(group), bed.signal);
    for (const id of snapshotIds) await bed.provisioner.deleteSnapshot(id, bed.signal);
  });
});

Deno.test("while its array is silent, no call about a group is final", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const arrayID = bed.fleet.members[0]?.id ?? "";
    const parameters = { arrayID };
    const ids = [
      await bed.create("pvc-1", { parameters }),
      await bed.create("pvc-2", { parameters }),
    ];
    const group = await take(bed, ids);
    bed.link("fa-1", "unreachable");
    const unclear = { code: "unavailable" };
    const request = requestOf(group);
    await rejects(take(bed, ids), unclear);
    await rejects(take(bed, ids, "another"), unclear);
    await rejects(bed.provisioner.getGroupSnapshot(request, bed.signal), unclear);
    await rejects(bed.provisioner.deleteGroupSnapshot(request, bed.signal), unclear);
    bed.link("fa-1", "whole");
    deepEqual(await live(bed), request.snapshotIds.map(nameOf).sort());
    deepEqual(await live(bed, "fa-2"), []);
  });
});

Deno.test("an answer that lacks or renames a snapshot of the group is no success", async () => {
  await ProvisionerBed.run(ONE_ARRAY, async (bed) => {
    const ids = await volumesOf(bed, 2);
    bed.rewrite("fa-1", (text, path) => {
      if (!path.includes("/volume-snapshots")) return text;
      const body = JSON.parse(text);
      return JSON.stringify({ ...body, items: (body.items ?? []).slice(1) });
    });
    await rejects(take(bed, ids), { code: "unavailable", message: /did not return k8s-pvc-1/ });
    bed.rewrite("fa-1", (text) => text.replaceAll("k8s-pvc-2", "k8s-pvc-9"));
    await rejects(take(bed, ids, "another"), { code: "unavailable" });
    bed.rewrite("fa-1", (text) => text);
    equal((await take(bed, ids)).snapshots.length, 2);
  });
});

Deno.test("what a protection group took is read and restored, and never deleted", async () => {
  await ProvisionerBed.run(ONE_ARRAY, async (bed) => {
    const ids = await volumesOf(bed, 2);
    const [hint = ""] = ids[0]?.split("/") ?? [];
    const post = (path: string, query: Query, body?: Record<string, string>) =>
      bed.admin("fa-1", { method: "POST", path, query, body });
    await post("protection-groups", { names: "pg" });
    const members = { group_names: "pg", member_names: ids.map(nameOf) };
    await post("protection-groups/volumes", members);
    await post("protection-group-snapshots", { source_names: "pg" }, { suffix: "daily" });
    const request = {
      groupSnapshotId: `${hint}/pg.daily`,
      snapshotIds: ids.map((id) => `${hint}/pg.daily.${nameOf(id)}`),
    };
    const group = await bed.provisioner.getGroupSnapshot(request, bed.signal);
    deepEqual(group.snapshots.map(({ sourceVolumeId }) => sourceVolumeId), ids);
    deepEqual(requestOf(group), request);
    const [snapshotId = ""] = request.snapshotIds;
    const got = await bed.provisioner.getSnapshot(snapshotId, bed.signal);
    deepEqual(got, group.snapshots[0]);
    const restore = bed.request("pvc-9", {
      contentSource: { snapshotId },
      capacityRange: { requiredBytes: 2 * GiB, limitBytes: 0 },
    });
    const made = await bed.provisioner.createVolume(restore, bed.signal);
    equal(made.capacityBytes, 2 * GiB);
    deepEqual(await bed.provisioner.createVolume(restore, bed.signal), made);
    await rejects(bed.provisioner.deleteSnapshot(snapshotId, bed.signal), { code: "invalid" });
    await rejects(bed.provisioner.deleteGroupSnapshot(request, bed.signal), {
      code: "in_use",
      message: /was taken by a protection group of the array/,
    });
    equal((await live(bed)).length, 2);
    const query = { names: "pg.daily" };
    const gone = { path: "protection-group-snapshots", query, body: { destroyed: true } };
    await bed.admin("fa-1", { method: "PATCH", ...gone });
    await bed.provisioner.deleteSnapshot(snapshotId, bed.signal);
    await bed.provisioner.deleteGroupSnapshot(request, bed.signal);
    await rejects(bed.provisioner.getGroupSnapshot(request, bed.signal), { code: "not_found" });
  });
});

Deno.test("15.11: volumes in a volume group and beside it are snapshotted at one moment", async () => {
  await ProvisionerBed.run(ONE_ARRAY, async (bed) => {
    await makeContainer(bed, { array: "fa-1", what: "volume group", name: "g1" });
    const inside = { parameters: { volumeGroup: "g1" } };
    const ids = [
      await bed.create("pvc-1", inside),
      await bed.create("pvc-2", inside),
      await bed.create("pvc-3"),
    ];
    const group = await take(bed, ids);
    deepEqual(group.snapshots.map(({ sourceVolumeId }) => sourceVolumeId), ids);
    match(group.snapshots[0]?.snapshotId ?? "", /^[0-9a-f]{8}\/g1\/k8s-pvc-1\.group-/);
    deepEqual(await bed.provisioner.getGroupSnapshot(requestOf(group), bed.signal), group);
    await bed.provisioner.deleteGroupSnapshot(requestOf(group), bed.signal);
    deepEqual(await live(bed), []);
  });
});

Deno.test("volumes in a pod are a group, unless CSI has no room for their ids", async () => {
  await ProvisionerBed.run(ONE_ARRAY, async (bed) => {
    const long = "p".repeat(29);
    for (const name of ["p1", long]) {
      await makeContainer(bed, { array: "fa-1", what: "pod", name });
    }
    const inPod = async (name: string, pod: string) =>
      await bed.create(`pvc-${"0".repeat(31)}${name}`, { parameters: { pod } });
    const ids = [await inPod("1", "p1"), await inPod("2", "p1")];
    const group = await take(bed, ids);
    deepEqual(group.snapshots.map(({ sourceVolumeId }) => sourceVolumeId), ids);
    match(group.snapshots[0]?.snapshotId ?? "", /^[0-9a-f]{8}\/p1::k8s-pvc-0+1\.group-/);
    deepEqual(await bed.provisioner.getGroupSnapshot(requestOf(group), bed.signal), group);
    await bed.provisioner.deleteGroupSnapshot(requestOf(group), bed.signal);
    await rejects(take(bed, [await inPod("3", long)]), {
      code: "unsupported",
      message: /would take more than the 128 bytes that CSI allows/,
    });
    deepEqual(await live(bed), []);
  });
});
