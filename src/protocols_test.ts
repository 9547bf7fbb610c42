import { deepEqual, equal, throws } from "node:assert/strict";
import {
  AUTO_PROTOCOLS,
  CLASS_PROTOCOLS,
  PROTOCOL_FACTS,
  PROTOCOLS,
  SAN_TYPE_NAMES,
  SAN_TYPE_SYNONYMS,
  sanTypeOf,
} from "./protocols.ts";

Deno.test("each protocol has a letter of its own, which no version may change", () => {
  const letters = PROTOCOLS.map((protocol) => `${protocol} ${PROTOCOL_FACTS[protocol].letter}`);
  deepEqual(letters, [
    "iscsi i",
    "fc f",
    "nvme-roce r",
    "nvme-tcp t",
    "nvme-fc c",
    "nfs n",
    "local l",
  ]);
  equal(new Set(letters.map((text) => text.at(-1))).size, PROTOCOLS.length);
});

Deno.test("auto takes NVMe before SCSI and a fabric before a shared network", () =>
  deepEqual(AUTO_PROTOCOLS, ["nvme-fc", "nvme-roce", "nvme-tcp", "fc", "iscsi"]));

Deno.test("sanTypeOf() reads every name that the values file takes, and refuses all others", () => {
  deepEqual(SAN_TYPE_NAMES.map(sanTypeOf), [
    "iscsi",
    "fc",
    "nvme-roce",
    "nvme-tcp",
    "nvme-fc",
    "auto",
  ]);
  throws(() => sanTypeOf("nvme"), /BUG: "nvme" is no flasharray.sanType/);
});

Deno.test("the values file and the class parameter take one set of spellings", () => {
  for (const [spelling, name] of Object.entries(SAN_TYPE_SYNONYMS)) {
    equal(CLASS_PROTOCOLS[spelling], sanTypeOf(name), spelling);
  }
  for (const name of SAN_TYPE_NAMES) {
    equal(CLASS_PROTOCOLS[name.toLowerCase()], sanTypeOf(name), name);
  }
  equal(CLASS_PROTOCOLS.nfs, "nfs");
  equal(CLASS_PROTOCOLS.local, undefined);
});
