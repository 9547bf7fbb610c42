import { equal, throws } from "node:assert/strict";
import type { VolumeKind } from "../arrays/array.ts";
import type { Protocol } from "../protocols.ts";
import { chooseProtocol, wantedProtocol } from "./protocol_choice.ts";

const CASES: {
  name: string;
  kind?: VolumeKind;
  served: Protocol[];
  node: Protocol[];
  wanted: Protocol | "auto";
  chosen?: Protocol;
}[] = [
  {
    name: "takes the wanted one",
    served: ["iscsi", "nvme-tcp"],
    node: ["iscsi", "nvme-tcp"],
    wanted: "iscsi",
    chosen: "iscsi",
  },
  {
    name: "takes the best that both have for auto",
    served: ["iscsi", "fc", "nvme-tcp"],
    node: ["fc", "iscsi"],
    wanted: "auto",
    chosen: "fc",
  },
  {
    name: "takes local where both have it",
    served: ["iscsi", "local"],
    node: ["local", "iscsi"],
    wanted: "iscsi",
    chosen: "local",
  },
  {
    name: "leaves local when the node was started without it",
    served: ["iscsi", "local"],
    node: ["iscsi"],
    wanted: "iscsi",
    chosen: "iscsi",
  },
  {
    name: "never falls back to another than the wanted one",
    served: ["iscsi", "fc"],
    node: ["iscsi", "fc"],
    wanted: "nvme-tcp",
  },
  {
    name: "takes nfs for file whatever block protocol is set",
    kind: "file",
    served: ["nfs"],
    node: ["iscsi", "nfs"],
    wanted: "fc",
    chosen: "nfs",
  },
  {
    name: "never falls back to another protocol of files than the wanted one",
    kind: "file",
    served: ["nfs"],
    node: ["nfs"],
    wanted: "local",
  },
  { name: "never gives nfs to block", served: ["nfs"], node: ["nfs"], wanted: "auto" },
];
for (const { name, kind = "block", served, node, wanted, chosen } of CASES) {
  Deno.test(`chooseProtocol() ${name}`, () => {
    const request = {
      array: "fa-1",
      kind,
      served: new Set(served),
      node: { name: "n1", protocols: node, wwpns: [], addresses: [] },
      wanted,
    };
    if (chosen) equal(chooseProtocol(request), chosen);
    else {throws(() => chooseProtocol(request), {
        code: "unsupported",
        message: /^node n1 cannot reach fa-1: the volume needs/,
      });}
  });
}

for (
  const [given, wanted] of [
    [undefined, undefined],
    ["nvme-tcp", "nvme-tcp"],
    [" NVMEOF-TCP", "nvme-tcp"],
    ["auto", "auto"],
    ["nfs", "nfs"],
  ] as const
) {
  Deno.test(`wantedProtocol() of a volume_context with protocol ${given} is ${wanted}`, () =>
    equal(wantedProtocol("pvc-1", given === undefined ? {} : { protocol: given }), wanted));
}

for (const given of ["nvme-quic", "", "constructor", "local"]) {
  Deno.test(`wantedProtocol() refuses protocol ${JSON.stringify(given)}, and names the volume`, () =>
    throws(() => wantedProtocol("pvc-1", { protocol: given }), {
      code: "invalid",
      message:
        `Cannot publish pvc-1: its volume_context names protocol ${JSON.stringify(given)}, ` +
        "which this version does not know (it knows iscsi, fc, nvme-roce, nvme-tcp, nvme-fc, nfs, " +
        "auto): update the driver, or make the PV anew with one of these in volumeAttributes",
    }));
}
