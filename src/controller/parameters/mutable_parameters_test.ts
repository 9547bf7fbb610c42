import { deepEqual, throws } from "node:assert/strict";
import { GiB } from "../../size.ts";
import { MUTABLE_NAMES, parseMutable, refuseMutableOfOtherKind } from "./mutable_parameters.ts";

Deno.test("parseMutable() reads what can be changed later, passes over Kubernetes' own keys and nothing else", () => {
  deepEqual(
    parseMutable({
      IOPS_limit: "none",
      bandwidth_limit: "1G",
      "csi.storage.k8s.io/pvc/name": "data",
      tags: "tier=gold",
      protection_groups: "gold, p1::Hourly",
    }),
    {
      iopsLimit: null,
      bandwidthLimitBytes: GiB,
      tags: { tier: "gold" },
      protectionGroups: ["gold", "p1::Hourly"],
    },
  );
  deepEqual(parseMutable({ exportrules: "" }), { exportRules: "" });
  deepEqual(parseMutable({ "csi.storage.k8s.io/pv/name": "pvc-1" }), {});
});

Deno.test("parseMutable() refuses a key by name, with what is wanted", () => {
  const wanted = `wanted one of ${MUTABLE_NAMES.join(", ")}`;
  const refusals: [Record<string, string>, string][] = [
    [
      { replication: "gold" },
      `VolumeAttributesClass parameter "replication" is unknown; ${wanted}`,
    ],
    [
      { iops_limt: "100" },
      `VolumeAttributesClass parameter "iops_limt" is unknown, did you mean iops_limit; ${wanted}`,
    ],
    [
      { Backend: "file" },
      'VolumeAttributesClass parameter "Backend" belongs into a StorageClass, because it cannot be ' +
      `changed later; ${wanted}`,
    ],
    [{ fstype: "xfs" }, `VolumeAttributesClass parameter "fstype" is unknown; ${wanted}`],
    [
      { tags: "a=b", TAGS: "c=d" },
      "the VolumeAttributesClass has the parameter tags twice, wanted it once",
    ],
    [
      { iops_limit: "99" },
      'class parameter iops_limit is "99", wanted a whole number from 100 to 100000000, or none',
    ],
  ];
  for (const [raw, message] of refusals) {
    throws(() => parseMutable(raw), { code: "invalid", message });
  }
});

Deno.test("refuseMutableOfOtherKind() passes over nothing that volumes of the kind do not have", () => {
  const block = { kind: "block", what: "pvc-1" } as const;
  refuseMutableOfOtherKind({ Tags: "a=b", iops_limit: "100" }, block);
  refuseMutableOfOtherKind({ exportrules: "" }, { kind: "file", what: "pvc-1" });
  throws(() => refuseMutableOfOtherKind({ ExportRules: "" }, block), {
    code: "invalid",
    message: "pvc-1 is a block volume and its VolumeAttributesClass has ExportRules, " +
      "wanted for this kind only iops_limit, bandwidth_limit, tags, protection_groups",
  });
  throws(
    () => refuseMutableOfOtherKind({ iops_limit: "none" }, { kind: "file", what: "pvc-1" }),
    { message: /pvc-1 is a file volume .* iops_limit, wanted for this kind only exportrules$/ },
  );
});
