import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { ArrayStatus, Feature } from "../../arrays/array.ts";
import type { Container } from "../../names.ts";
import type { Protocol } from "../../protocols.ts";
import { GiB, TiB } from "../../size.ts";
import { parseLabelSelector } from "./label_selector.ts";
import { explain, orderRemark, placementError } from "./decision_told.ts";
import { place, type PlacementArray, type PlacementRequest, roomOf } from "./placement.ts";

const RULES = { headroomPercent: 5, volumesPerArray: 0 };
const ZONE = "topology.purestorage.com/zone";

function statusOf(id: string, change: Partial<ArrayStatus> = {}): ArrayStatus {
  return {
    id: `${id}0000000`,
    name: id,
    kind: "block",
    version: "6.6.0",
    restVersion: "2.26",
    capacityBytes: 10 * TiB,
    usedBytes: 2 * TiB,
    features: new Set<Feature>(["clone", "qos"]),
    protocols: new Set<Protocol>(["iscsi"]),
    ...change,
  };
}

/** Bytes that were placed since the array was asked. */
function placed(bytes: number): PlacementArray["recent"] {
  return { unwrittenBytes: bytes, unseenBytes: bytes };
}

function block(
  label: string,
  change: Partial<PlacementArray> = {},
  facts: Partial<ArrayStatus> = {},
): PlacementArray {
  return {
    key: label,
    label,
    kind: "block",
    labels: {},
    status: statusOf(label, facts),
    recent: placed(0),
    ...change,
  };
}

function file(label: string): PlacementArray {
  return {
    ...block(label, {}, { kind: "file", protocols: new Set(["nfs"]), features: new Set() }),
    kind: "file",
  };
}

const WANTED: PlacementRequest = {
  volumeName: "k8s-pvc-7f3",
  requestName: "pvc-7f3",
  sizeBytes: 2 * TiB,
  kind: "block",
  protocol: "iscsi",
  features: [],
  arraySelector: [],
  rules: RULES,
};

const pod = (name: string): Container => ({ what: "pod", name });

const REJECTIONS: {
  name: string;
  array: PlacementArray;
  wanted?: Partial<PlacementRequest>;
  reason: string;
  code: string;
}[] = [
  {
    name: "another kind",
    array: file("fb-1"),
    reason: "serves no block volumes",
    code: "exhausted",
  },
  {
    name: "no block array for file",
    array: block("fa-1"),
    wanted: { kind: "file" },
    reason: "serves no file volumes",
    code: "exhausted",
  },
  {
    name: "no answer yet",
    array: block("fa-1", { status: undefined }),
    reason: "has not answered yet",
    code: "unavailable",
  },
  {
    name: "a problem",
    array: block("fa-1", { problem: "connection refused" }),
    reason: "cannot be used now (connection refused)",
    code: "unavailable",
  },
  {
    name: "no such pod, whatever its health",
    array: block("fa-1", { problem: "connection refused" }, { containers: { pod: new Map() } }),
    wanted: { container: pod("p1") },
    reason: "has no pod p1",
    code: "exhausted",
  },
  {
    name: "no such volume group (15.11)",
    array: block("fa-1", {}, {
      containers: { pod: new Map([["g1", { name: "g1" }]]), "volume group": new Map() },
    }),
    wanted: { container: { what: "volume group", name: "g1" } },
    reason: "has no volume group g1",
    code: "exhausted",
  },
  {
    name: "a pod that takes no volumes now",
    array: block("fa-1", {}, {
      containers: { pod: new Map([["p1", { name: "p1", fault: "is offline there" }]]) },
    }),
    wanted: { container: pod("P1") },
    reason: "has the pod P1, which is offline there",
    code: "unavailable",
  },
  {
    name: "pods that it does not tell",
    array: block("fa-1"),
    wanted: { container: pod("p1") },
    reason: "does not say which pods it has",
    code: "unavailable",
  },
  {
    name: "a quota that is used up",
    array: block("fa-1", {}, {
      containers: { pod: new Map([["p1", { name: "p1", roomBytes: GiB }]]) },
    }),
    wanted: { container: pod("p1") },
    reason: "has the pod p1 with 1 GiB left of its quota",
    code: "exhausted",
  },
  {
    name: "a suspension, whatever its health",
    array: block("fa-1", { suspended: true, problem: "connection refused" }),
    reason: "is suspended and gets no new volumes",
    code: "exhausted",
  },
  {
    name: "an entry that was taken out, whatever its health",
    array: block("fa-1", { draining: true, problem: "connection refused" }),
    reason: "was taken out of the configuration and gets no new volumes",
    code: "exhausted",
  },
  {
    name: "another protocol",
    array: block("fa-1", {}, { protocols: new Set(["fc", "nvme-fc"]) }),
    reason: "serves fc, nvme-fc, not iscsi",
    code: "exhausted",
  },
  {
    name: "no protocol at all for auto",
    array: block("fa-1", {}, { protocols: new Set() }),
    wanted: { protocol: "auto" },
    reason: "serves no protocol, not any block protocol",
    code: "exhausted",
  },
  {
    name: "another protocol of files",
    array: file("fb-1"),
    wanted: { kind: "file", protocol: "local" },
    reason: "serves nfs, not local",
    code: "exhausted",
  },
  {
    name: "no QoS",
    array: block("fa-1", {}, { features: new Set(["clone"]) }),
    wanted: { features: ["qos"] },
    reason: "cannot limit IOPS or bandwidth (REST 2.26)",
    code: "exhausted",
  },
  {
    name: "another zone",
    array: block("fa-1", { labels: { [ZONE]: "b" } }),
    wanted: { topology: { requisite: [{ [ZONE]: "a" }], preferred: [] } },
    reason: `is not labelled ${ZONE}=a`,
    code: "exhausted",
  },
  {
    name: "a zone that the array is not labelled with",
    array: block("fa-1", { labels: { "topology.purestorage.com/region": "r" } }),
    wanted: { topology: { requisite: [{ [ZONE]: "a" }, { [ZONE]: "b" }], preferred: [] } },
    reason: `is not labelled ${ZONE}=a or ${ZONE}=b`,
    code: "exhausted",
  },
  {
    name: "labels",
    array: block("fa-1", { labels: { tier: "gold" } }),
    wanted: { arraySelector: parseLabelSelector("tier=silver") },
    reason: "does not meet tier=silver",
    code: "exhausted",
  },
  {
    name: "an array that the class does not name",
    array: block("fa-1", {}, { id: "AAAAAAAA-1" }),
    wanted: { arrayId: "bbbbbbbb-2" },
    reason: "is not the array bbbbbbbb-2",
    code: "exhausted",
  },
  {
    name: "no answer, when it may be the array that the class names",
    array: block("fa-1", { status: undefined }),
    wanted: { arrayId: "bbbbbbbb-2" },
    reason: "has not answered yet",
    code: "unavailable",
  },
  {
    name: "too little room",
    array: block("fa-1", {}, { usedBytes: 8 * TiB }),
    reason: "has 1.5 TiB free",
    code: "exhausted",
  },
  {
    name: "as many volumes as the configuration allows",
    array: block("fa-1", { volumes: 3 }),
    wanted: { rules: { ...RULES, volumesPerArray: 3 } },
    reason: "holds 3 volumes of this cluster, and placement.volumesPerArray is 3",
    code: "exhausted",
  },
  {
    name: "a headroom of its own",
    array: block("fa-1", {}, { usedBytes: 6.5 * TiB }),
    wanted: { rules: { ...RULES, headroomPercent: 20 } },
    reason: "has 1.5 TiB free",
    code: "exhausted",
  },
  {
    name: "the zone, even when the array is down too",
    array: block("fa-1", { labels: { [ZONE]: "b" }, problem: "down" }),
    wanted: { topology: { requisite: [{ [ZONE]: "a" }], preferred: [] } },
    reason: `is not labelled ${ZONE}=a`,
    code: "exhausted",
  },
];
for (const { name, array, wanted, reason, code } of REJECTIONS) {
  Deno.test(`place() rejects for ${name}, with a reason`, () => {
    const request = { ...WANTED, ...wanted };
    const decision = place(request, [array]);
    deepEqual(decision.candidates, []);
    equal(decision.rejected[0]?.reason, reason);
    equal(placementError(request, decision).code, code);
  });
}

const FITS: { name: string; array: PlacementArray; wanted?: Partial<PlacementRequest> }[] = [
  {
    name: "an array without topology labels for every zone",
    array: block("fa"),
    wanted: { topology: { requisite: [{ [ZONE]: "a" }], preferred: [] } },
  },
  {
    name: "one of several requisite zones",
    array: block("fa", { labels: { [ZONE]: "b" } }),
    wanted: { topology: { requisite: [{ [ZONE]: "a" }, { [ZONE]: "b" }], preferred: [] } },
  },
  {
    name: "segments of other drivers, which say nothing about us",
    array: block("fa", { labels: { [ZONE]: "a" } }),
    wanted: {
      topology: { requisite: [{ [ZONE]: "a", "topology.kubernetes.io/zone": "z" }], preferred: [] },
    },
  },
  {
    name: "the array that the class names, in any case of letters",
    array: block("fa", {}, { id: "AAAAAAAA-1" }),
    wanted: { arrayId: "aaaaaaaa-1" },
  },
  {
    name: "any protocol on a simulated array",
    array: block("fa", {}, { protocols: new Set(["local"]) }),
    wanted: { protocol: "fc" },
  },
  {
    name: "auto when one block protocol is there",
    array: block("fa", {}, { protocols: new Set(["fc"]) }),
    wanted: { protocol: "auto" },
  },
  {
    name: "a volume that just fits",
    array: block("fa", {}, { usedBytes: 7.5 * TiB }),
    wanted: { sizeBytes: 2 * TiB },
  },
];
for (const { name, array, wanted } of FITS) {
  Deno.test(`place() takes ${name}`, () =>
    equal(place({ ...WANTED, ...wanted }, [array]).candidates[0]?.array, array));
}

Deno.test("place() takes the array with the larger share left after placement", () => {
  const arrays = [
    block("fa-1", {}, { usedBytes: 4 * TiB }),
    block("fa-2"),
    block("fa-3", {}, { capacityBytes: 5 * TiB, usedBytes: TiB }),
  ];
  deepEqual(place(WANTED, arrays).candidates.map(({ array }) => array.label), [
    "fa-2",
    "fa-1",
    "fa-3",
  ]);
});

Deno.test("place() counts what was placed lately and is not visible yet", () => {
  deepEqual(
    place(WANTED, [
      block("fa-1", { recent: placed(TiB) }),
      block("fa-2", {}, { usedBytes: 2.5 * TiB }),
    ]).candidates[0]?.array.label,
    "fa-2",
  );
});

const AVOIDED: {
  name: string;
  busy: PlacementArray;
  rules?: Partial<PlacementRequest["rules"]>;
}[] = [
  { name: "three times slower than when it is quiet", busy: block("fa-1", { slowdown: 3 }) },
  {
    name: "where claims wait for their turn",
    busy: block("fa-1", { crowding: 3 }, { usedBytes: 1.9 * TiB }),
  },
  {
    name: "with more promised to thin volumes",
    busy: block("fa-1", {}, { provisionedBytes: 4 * TiB }),
  },
  {
    name: "with a volume of the same group",
    busy: block("fa-1", { group: { volumes: 1, together: false } }, { usedBytes: 0 }),
  },
  {
    name: "without a volume of the group that belongs together",
    busy: block("fa-1", { group: { volumes: 0, together: true } }, { usedBytes: 0 }),
  },
  {
    name: "with more volumes, when their number is limited",
    busy: block("fa-1", { volumes: 9 }),
    rules: { volumesPerArray: 10 },
  },
];
for (const { name, busy, rules } of AVOIDED) {
  Deno.test(`place() avoids an array ${name}, and takes it where there is no other`, () => {
    const request = { ...WANTED, rules: { ...RULES, ...rules } };
    const calm = block("fa-2", { volumes: 1, slowdown: 1.9 }, { usedBytes: 2.01 * TiB });
    equal(place(request, [busy, calm]).candidates[0]?.array.label, "fa-2");
    equal(place(request, [busy]).candidates[0]?.array.label, "fa-1");
  });
}

Deno.test("place() keeps the headroom of an array that scores more, if another one has it", () => {
  const tight = block("fa-1", { recent: placed(6 * TiB) });
  const roomy = block("fa-2", { slowdown: 200 }, {
    usedBytes: 6 * TiB,
    provisionedBytes: 60 * TiB,
  });
  const { candidates } = place(WANTED, [tight, roomy]);
  deepEqual(candidates.map(({ array }) => array.label), ["fa-2", "fa-1"]);
  ok((candidates[0]?.score ?? 0) < (candidates[1]?.score ?? 0));
});

Deno.test("place() takes an array that tells no load for one that has none", () => {
  const told = block("fa-1", { slowdown: 1 });
  const untold = block("fa-1");
  deepEqual(
    place(WANTED, [untold]).candidates[0]?.parts,
    place(WANTED, [told]).candidates[0]?.parts,
  );
});

Deno.test("place() prefers zones in the order asked for, before any score", () => {
  const arrays = [
    block("fa-1", { labels: { [ZONE]: "a" } }),
    block("fa-2", { labels: { [ZONE]: "b" } }, { usedBytes: 6 * TiB }),
  ];
  const topology = {
    requisite: [{ [ZONE]: "a" }, { [ZONE]: "b" }],
    preferred: [{ [ZONE]: "b" }, { [ZONE]: "a" }],
  };
  equal(place({ ...WANTED, topology }, arrays).candidates[0]?.array.label, "fa-2");
});

Deno.test("place() puts an array that refused the last create behind all others, and keeps it", () => {
  const arrays = [
    block("fa-1", { refuses: true, labels: { [ZONE]: "a" } }, { usedBytes: 0 }),
    block("fa-2", { labels: { [ZONE]: "b" } }, { usedBytes: 6 * TiB }),
  ];
  const preferred = [{ [ZONE]: "a" }, { [ZONE]: "b" }];
  const topology = { requisite: preferred, preferred };
  const { candidates } = place({ ...WANTED, topology }, arrays);
  deepEqual(candidates.map(({ array }) => array.label), ["fa-2", "fa-1"]);
});

Deno.test("place() spreads volumes over equal arrays by name, always alike, and in any order of the arrays", () => {
  const arrays = [block("fa-1"), block("fa-2")];
  const chosen = (index: number, from: PlacementArray[]) =>
    place({ ...WANTED, volumeName: `k8s-pvc-${index}` }, from).candidates[0]?.array.label;
  const counts = new Map<string | undefined, number>();
  for (let index = 0; index < 200; index++) {
    equal(chosen(index, arrays), chosen(index, arrays.toReversed()));
    counts.set(chosen(index, arrays), (counts.get(chosen(index, arrays)) ?? 0) + 1);
  }
  ok((counts.get("fa-1") ?? 0) > 70 && (counts.get("fa-2") ?? 0) > 70, JSON.stringify([...counts]));
});

Deno.test("placementError() names every array and what is wrong with it", () => {
  const decision = place(WANTED, [
    block("fa-1", {}, { capacityBytes: 2 * TiB, usedBytes: 0.5 * TiB }),
    file("fb-1"),
  ]);
  equal(
    placementError(WANTED, decision).message,
    "Cannot place pvc-7f3 (2 TiB): fa-1 has 1.4 TiB free, fb-1 serves no block volumes\nIt waits until an array takes it; add space or change the class",
  );
});

Deno.test("placementError() of a clone speaks of the source's array alone", () => {
  const request: PlacementRequest = { ...WANTED, features: ["clone"], onlyArray: "fa-2" };
  const arrays = [block("fa-1"), block("fa-2", {}, { features: new Set() })];
  const error = placementError(request, place(request, arrays));
  equal(error.code, "unsupported");
  equal(
    error.message,
    "Cannot place pvc-7f3 (2 TiB): fa-2 cannot make a volume from a snapshot or a volume (REST 2.26)\nIt waits for nothing that comes by itself; create an empty volume and copy the data",
  );
});

Deno.test("placementError() without arrays", () => {
  const error = placementError(WANTED, place(WANTED, []));
  equal(error.code, "unavailable");
  match(error.message, /^no arrays are configured: add one to `arrays`/);
});

Deno.test("roomOf() keeps the headroom and is never negative", () => {
  equal(roomOf(statusOf("a", { capacityBytes: 100 * GiB, usedBytes: 0 }), RULES), 95 * GiB);
  equal(roomOf(statusOf("a", { capacityBytes: 100 * GiB, usedBytes: 99 * GiB }), RULES), 0);
  const status = { capacityBytes: 100 * GiB, usedBytes: 40 * GiB };
  equal(roomOf(status, { headroomPercent: 20 }), 40 * GiB);
});

Deno.test("explain() says of a candidate what puts it behind others whatever its score", () => {
  const recent = { unwrittenBytes: 8 * TiB, unseenBytes: 0 };
  const { candidates } = place(WANTED, [
    block("fa-1", { refuses: true }, { usedBytes: 0 }),
    block("fa-2", { recent }, { usedBytes: 0 }),
    block("fa-3", {}, { usedBytes: 7 * TiB }),
  ]);
  deepEqual(candidates.map((one) => [one.array.label, orderRemark(one)]), [
    ["fa-3", undefined],
    [
      "fa-2",
      "comes behind: it keeps its headroom only while what was placed lately is not full",
    ],
    ["fa-1", "comes last: it refused the last create"],
  ]);
});

Deno.test("explain() gives the winner, the score of each candidate and each reason", () => {
  deepEqual(explain(place(WANTED, [block("fa-1"), file("fb-1")])), {
    chosen: "fa-1",
    candidates: [{
      array: "fa-1",
      score: 3.8071,
      capacity: 0.6,
      committed: 0.7143,
      load: 1,
      turn: 1,
      objects: 1,
      group: 1,
    }],
    rejected: ["fb-1 serves no block volumes"],
  });
});
