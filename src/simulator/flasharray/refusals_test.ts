import assert from "node:assert/strict";
import { MiB, withVolume } from "./fixture_test.ts";

const REFUSED: [call: string, body: unknown, error: string][] = [
  ["POST /volumes", {}, "400 names is required."],
  ["POST /volumes?names=v1", { provisioned: MiB }, "400 Volume already exists. (v1)"],
  ["POST /volumes?names=V1", { provisioned: MiB }, "400 Volume already exists. (V1)"],
  [
    "POST /volumes?names=v2",
    { provisioned: MiB - 512 },
    "400 Invalid volume size: 1048064 is not within 1048576 and 4503599627370496. (v2)",
  ],
  [
    "POST /volumes?names=v2",
    { provisioned: MiB + 1 },
    "400 Invalid volume size: 1048577 is not a multiple of 512. (v2)",
  ],
  [
    "POST /volumes?names=123",
    {},
    "400 Volume name must be between 1 and 63 characters (alphanumeric, _ and -), begin and end " +
    "with a letter or number, and include at least one letter, _, or -. (123)",
  ],
  [
    "POST /volumes?names=ab_",
    {},
    "400 Volume name must be between 1 and 63 characters (alphanumeric, _ and -), begin and end " +
    "with a letter or number, and include at least one letter, _, or -. (ab_)",
  ],
  ["POST /volumes?names=dd,dd", {}, "400 Duplicate names are not allowed. (dd)"],
  ["POST /volumes?names=de,DE", {}, "400 Duplicate names are not allowed. (DE)"],
  [
    "POST /volume-snapshots?source_names=v1,V1",
    { suffix: "s" },
    "400 Duplicate names are not allowed. (v1)",
  ],
  ["POST /hosts?names=h,H", {}, "400 Duplicate names are not allowed. (H)"],
  ["GET /volumes?sort=nosuch", undefined, "400 Invalid value for sort. (nosuch)"],
  ["POST /volumes?names=p::v", {}, "400 Pod does not exist. (p)"],
  ["POST /volumes?names=g/v", {}, "400 Volume group does not exist. (g)"],
  [
    "POST /volumes?names=v2",
    { source: { name: "none" } },
    "400 No such volume or snapshot. (none)",
  ],
  [
    "POST /volumes?names=v2",
    { source: { name: "v1.none" } },
    "400 No such volume or snapshot. (v1.none)",
  ],
  ["POST /volumes?names=v1&overwrite=true", {}, "400 overwrite needs a source."],
  [
    "POST /volumes?names=v2",
    { qos: { iops_limit: 99 } },
    "400 Invalid value for iops_limit: 99 is not within 100 and 100000000. (iops_limit)",
  ],
  ["GET /volumes?names=v1,none", undefined, "400 Volume does not exist. (none)"],
  ["GET /volumes?names=v*", undefined, "400 Volume does not exist. (v*)"],
  ["GET /volumes?names=v1&destroyed=true", undefined, "400 Volume does not exist. (v1)"],
  ["GET /volumes?names=v1&ids=x", undefined, "400 names and ids cannot be used together."],
  [
    "GET /volumes?filter=nonsense='x'",
    undefined,
    "400 Invalid filter: no field nonsense. (nonsense='x')",
  ],
  [
    "GET /volumes?destroyed=maybe",
    undefined,
    "400 Invalid value for destroyed: expected true or false. (maybe)",
  ],
  ["GET /volumes?sort=-name", undefined, "400 Invalid value for sort. (-name)"],
  ["GET /volumes?continuation_token=xyz", undefined, "400 Invalid continuation token. (xyz)"],
  ["PATCH /volumes?names=none", { destroyed: true }, "400 Volume does not exist. (none)"],
  [
    "PATCH /volumes?names=v1",
    { provisioned: 4 * MiB },
    "400 Volume size cannot be reduced without truncate: the new size is smaller than " +
    "the current one. (v1)",
  ],
  [
    "PATCH /volumes?names=v1",
    { name: "v2", destroyed: true },
    "400 Invalid combination of parameters specified. (v1)",
  ],
  ["PATCH /volumes?names=v1", { destroyed: false }, "400 Volume has not been destroyed. (v1)"],
  [
    "DELETE /volumes?names=v1",
    undefined,
    "400 Volume cannot be eradicated: it has not been destroyed. (v1)",
  ],
  [
    "POST /volume-snapshots?source_names=none",
    { suffix: "s" },
    "400 No such volume or snapshot. (none)",
  ],
  [
    "POST /volume-snapshots?source_names=v1",
    { suffix: "a_b" },
    "400 Invalid snapshot suffix: it must have 1 to 63 letters, digits and '-', with at " +
    "least one letter or '-'. (a_b)",
  ],
  ["POST /volume-snapshots", {}, "400 source_names or source_ids is required."],
  ["GET /volume-snapshots?names=v1.s", undefined, "400 No such volume or snapshot. (v1.s)"],
  ["GET /volume-snapshots?source_names=none", undefined, "400 No such volume or snapshot. (none)"],
  [
    "POST /hosts?names=a_b",
    {},
    "400 Invalid host name: it must have 1 to 63 letters, digits and '-', and begin and " +
    "end with a letter or digit. (a_b)",
  ],
  [
    "POST /hosts?names=h",
    { nqns: ["nqn.a:1"], wwns: ["2100F4C7AA002706"] },
    "400 An NVMe host cannot have initiators of another protocol. (h)",
  ],
  [
    "POST /hosts?names=h",
    { chap: { host_user: "u", host_password: "short" } },
    "400 Invalid CHAP password: 12 to 255 characters without a space.",
  ],
  [
    "POST /hosts?names=h",
    { personality: "linux" },
    "400 Invalid personality: one of aix, esxi, hitachi-vsp, hpux, oracle-vm-server, " +
    "solaris, vms. (linux)",
  ],
  [
    "POST /connections?host_names=none&volume_names=v1",
    undefined,
    "400 Host does not exist. (none)",
  ],
  ["DELETE /hosts?names=none", undefined, "400 Host does not exist. (none)"],
];

for (const [call, body, error] of REFUSED) {
  withVolume(
    `array refuses ${call} ${body === undefined ? "" : JSON.stringify(body)}`,
    async ({ array }) => {
      assert.equal(await array.refused(call, body), error);
    },
  );
}
