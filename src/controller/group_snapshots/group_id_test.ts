import { deepEqual, equal, match, notEqual, throws } from "node:assert/strict";
import { groupSuffixFor } from "../../names.ts";
import { groupKeyOf, groupSnapshotIdOf, memberNames, parseGroupId } from "./group_id.ts";

const ARRAY = "4f5b3a1c-0000-4000-8000-000000000001";
const NAME = "groupsnapshot-0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11";
const VOLUMES = [`k8s-pvc-${"0".repeat(36)}`, "pod::data", "group/log"];
const SUFFIX = groupSuffixFor(NAME, VOLUMES);
const ID = groupSnapshotIdOf(ARRAY, SUFFIX);
const MEMBERS = VOLUMES.map((volume) => `${volume}.${SUFFIX}`);

Deno.test("parseGroupId() knows own groups and protection groups, and nothing else", () => {
  deepEqual(parseGroupId(ID.toUpperCase()), {
    arrayHint: "4f5b3a1c",
    name: SUFFIX.toUpperCase(),
    isProtected: false,
  });
  for (const name of ["pg.daily", "pg.1", "pod::pg.daily"]) {
    const handle = { arrayHint: "4f5b3a1c", name, isProtected: true };
    deepEqual(parseGroupId(groupSnapshotIdOf(ARRAY, name)), handle);
  }
  const none = ["", "fake-vol-id", SUFFIX, `4f5b3a1/${SUFFIX}`, "4f5b3a1c/", "4f5b3a1c/a,b.c"];
  for (const id of [...none, "4f5b3a1c/a.b.c", "4f5b3a1c/.b", "4f5b3a1c/snapshot-1"]) {
    equal(parseGroupId(id), undefined, id);
  }
});

Deno.test("every id of a group fits in 128 bytes, however long the names are", () => {
  for (const name of [NAME, "x".repeat(128), "日".repeat(42)]) {
    const suffix = groupSuffixFor(name, ["v".repeat(63)]);
    const id = groupSnapshotIdOf(ARRAY, `${"v".repeat(63)}.${suffix}`);
    equal(id.length <= 128, true, id);
  }
});

Deno.test("groupKeyOf() is one for all groups of a CSI name, on any array", () => {
  const other = groupSnapshotIdOf("0badcafe-1", groupSuffixFor(NAME, ["v"]));
  equal(groupKeyOf(ID.toUpperCase()), groupKeyOf(other));
  notEqual(groupKeyOf(ID), groupKeyOf("4f5b3a1c/pg.daily"));
  notEqual(groupKeyOf("fake-vol-id"), groupKeyOf("other-vol-id"));
});

Deno.test("memberNames() takes the group's own list in any order, and no other", () => {
  const handle = parseGroupId(ID);
  if (!handle) throw new Error("no group");
  const ids = MEMBERS.map((name) => `4f5b3a1c/${name}`);
  deepEqual(memberNames(handle, ids), MEMBERS);
  deepEqual(memberNames(handle, ids.toReversed()), MEMBERS.toReversed());
  const wrong: [string[], RegExp][] = [
    [[], /there are none/],
    [ids.slice(1), /one is missing, one too many or one twice/],
    [[...ids, `4f5b3a1c/other.${SUFFIX}`], /one too many/],
    [[...ids, ids[0] ?? ""], /one twice/],
    [[...ids.slice(1), ids[1] ?? ""], /one twice/],
    [[...ids.slice(1), `0badcafe/${MEMBERS[0]}`], /0badcafe\/\S+ is none of its snapshots/],
    [[...ids, "4f5b3a1c/k8s-pvc-1.snapshot-1"], /snapshot-1 is none of its snapshots/],
    [[...ids, "nothing"], /nothing is none of its snapshots/],
  ];
  for (const [list, fault] of wrong) {
    throws(() => memberNames(handle, list), (error: Error & { code: string }) => {
      equal(error.code, "invalid");
      match(error.message, fault);
      return true;
    });
  }
});

Deno.test("memberNames() of a protection group's snapshot takes its own snapshots only", () => {
  const handle = { arrayHint: "4f5b3a1c", name: "pod::pg.daily", isProtected: true };
  const names = ["pod::pg.daily.a", "pod::PG.daily.b"];
  deepEqual(memberNames(handle, names.map((name) => `4f5b3a1c/${name}`)), names);
  for (const other of ["4f5b3a1c/pg.daily.a", "4f5b3a1c/pod::pg.weekly.a", "4f5b3a1c/a.daily"]) {
    throws(() => memberNames(handle, [`4f5b3a1c/${names[0]}`, other]), /is none of its snapshots/);
  }
});
