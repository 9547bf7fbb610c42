import { deepEqual, equal, match } from "node:assert/strict";
import { isStorageName, type StorageName, storageNameFault } from "./storage_names.ts";

const GOOD: Record<StorageName, string[]> = {
  target: [
    "iqn.2010-06.com.purestorage:flasharray.3aabb1234567890a",
    "iqn.2010-06.com.purestorage",
    "eui.02004567A425678D",
    "naa.52004567BA64678D",
    "naa.62004567BA64678D0123456789ABCDEF",
  ],
  subsystem: [
    "nqn.2010-06.com.purestorage:flasharray.3aabb1234567890a",
    "nqn.2014-08.org.nvmexpress:uuid:0b5e2e94-3f4c-4c2e-9f67-0d2d1b1d7a11",
  ],
  port: ["524a9371af4e8200"],
  serial: ["6C1B16CE1C034D1C00013918", "6c1b16ce1c034d1c00013918"],
  portal: [
    "192.0.2.1:3260",
    "[2001:db8::1]:3260",
    "192.0.2.1",
    "[fd00::1]",
    "fa1-data.example.com:4420",
  ],
  server: ["192.0.2.1", "fd00::1", "fb1-data.example.com", "fb_1"],
  path: ["/k8s-pvc-0b5e2e94", "/realm::pvc-1", "/a/b.c", "/имя"],
};

/** What somebody in an array's place could answer, for every kind. */
const HOSTILE = [
  "",
  " ",
  "-x",
  "--help",
  "/",
  "..",
  "../../../../etc/cron.d/x",
  "iqn.2010-06.com.purestorage:../../../etc/cron.d/x",
  "iqn.2010-06.com.purestorage:a/b",
  "iqn.2010-06.com.purestorage:a b",
  "iqn.2010-06.com.purestorage:a\n* * * * * root sh",
  "iqn.2010-06.com.purestorage:a\n",
  "iqn.2010-06.com.purestorage:a\0",
  `iqn.2010-06.com.purestorage:${"a".repeat(224)}`,
  "nqn.2010-06.com.purestorage:a,transport=tcp",
  "nqn.2010-06.com.purestorage:a,hostnqn=x",
  `nqn.2010-06.com.purestorage:${"a".repeat(224)}`,
  "192.0.2.1:3260,1",
  "192.0.2.1:99999",
  "192.0.2.1:0",
  "192.0.2.1:3260 -l",
  "2001:db8::1:zz",
  "-x.example.com",
  "a,b",
  "256.1.1.1",
  "$(reboot)",
  "524A9371AF4E8200\n",
  "/a/../../etc",
  "/a/./b",
  "/a b",
  "/a\n",
  "/a,b",
  "//",
  "a/b",
  "6C1B16CE1C034D1C0001391 ",
];

for (const kind of Object.keys(GOOD) as StorageName[]) {
  Deno.test(`what an array calls a ${kind} passes, and nothing that a tool would take otherwise`, () => {
    for (const text of GOOD[kind]) equal(storageNameFault(kind, text), undefined, text);
    deepEqual(HOSTILE.filter((text) => isStorageName(kind, text)), []);
    for (const value of [undefined, null, 7, {}, ["a"]]) equal(isStorageName(kind, value), false);
  });
}

Deno.test("storageNameFault() names the text in one line and cuts a long one", () => {
  match(
    storageNameFault("target", "../x\ny") ?? "",
    /^iSCSI target "\.\.\/x\\ny" is not an IQN such as iqn\./,
  );
  equal((storageNameFault("serial", "x".repeat(5_000_000)) ?? "").length < 200, true);
});
