import { deepEqual } from "node:assert/strict";
import type { ArrayStatus, DataPort } from "../../arrays/array.ts";
import { PsoError } from "../../errors.ts";
import { parseCidr } from "../../net/cidr.ts";
import { printHostPort } from "../../net/address.ts";
import type { Protocol, SanType } from "../../protocols.ts";
import { lookAtDataPorts } from "./data_look.ts";
import { FoundList } from "./found.ts";

/** An array as it may be configured and found. */
interface Given {
  kind?: "flasharray" | "flashblade";
  nfsEndpoint?: string;
  ports?: DataPort[];
  faults?: string[];
  dataAddresses?: string[];
  serves?: Protocol[];
  sanType?: SanType;
  cidrs?: string[];
  /** `host:port` of what does not answer. */
  silent?: string[];
}

async function lookedAt(given: Given): Promise<string[]> {
  const { kind = "flasharray", nfsEndpoint, ports = [], sanType = "iscsi", silent = [] } = given;
  const found = new FoundList("array");
  const protocols = new Set(given.serves ?? ports.map(({ protocol }) => protocol));
  const { faults: portFaults, dataAddresses } = given;
  const status = {
    protocols,
    dataPorts: ports,
    portFaults,
    dataAddresses,
  } as unknown as ArrayStatus;
  const iscsiAllowedCidrs = (given.cidrs ?? []).flatMap((text) => parseCidr(text) ?? []);
  await lookAtDataPorts({ config: { kind, nfsEndpoint }, found, status }, {
    flasharray: { sanType, iscsiAllowedCidrs },
    connect: (to) => {
      const place = printHostPort(to);
      return silent.includes(place)
        ? Promise.reject(new PsoError("unavailable", `${place}: no answer`))
        : Promise.resolve();
    },
  });
  return found.all.map(({ level, what }) => `${level} ${what}`);
}

const ISCSI: DataPort[] = ["10.0.0.1", "10.0.0.2"].map((host) => ({
  protocol: "iscsi",
  portal: `${host}:3260`,
}));

Deno.test("lookAtDataPorts() tells which portals of each protocol answer", async () => {
  deepEqual(await lookedAt({ ports: ISCSI }), ["ok iscsi: 2 of 2 answer (10.0.0.1, 10.0.0.2)"]);
  deepEqual(await lookedAt({ ports: ISCSI, silent: ["10.0.0.2:3260"] }), [
    "warn iscsi: 1 of 2 answer from here: 10.0.0.2:3260: no answer",
  ]);
});

Deno.test("lookAtDataPorts() tries only portals that nodes may use, and fails without any", async () => {
  const silent = ["10.0.0.2:3260"];
  deepEqual(await lookedAt({ ports: ISCSI, silent, cidrs: ["10.0.0.1/32"] }), [
    "ok iscsi: 1 of 1 answer (10.0.0.1)",
  ]);
  deepEqual(await lookedAt({ ports: ISCSI, cidrs: ["10.9.0.0/16"] }), [
    "fail iscsi: none of its portals is inside flasharray.iSCSIAllowedCIDR (10.0.0.1, 10.0.0.2)",
  ]);
});

Deno.test("lookAtDataPorts() fails when the array does not serve what flasharray.sanType asks for", async () => {
  deepEqual(await lookedAt({ ports: ISCSI, sanType: "nvme-tcp" }), [
    "fail it serves iscsi, and flasharray.sanType asks for nvme-tcp: nodes attach nothing of it",
    "ok iscsi: 2 of 2 answer (10.0.0.1, 10.0.0.2)",
  ]);
  deepEqual(await lookedAt({ ports: ISCSI, sanType: "auto" }), [
    "ok iscsi: 2 of 2 answer (10.0.0.1, 10.0.0.2)",
  ]);
});

Deno.test("lookAtDataPorts() only counts Fibre Channel, tells unused ports, and tries no port of a simulated array", async () => {
  const fc: DataPort[] = [{ protocol: "fc", wwpn: "524a937000000001" }];
  deepEqual(await lookedAt({ ports: fc, sanType: "fc", faults: ['port "CT0": bad'] }), [
    'warn not used: port "CT0": bad',
    "ok fc: 1 port up (524a937000000001); only a node can try it",
  ]);
  deepEqual(await lookedAt({ ports: ISCSI, serves: ["iscsi", "local"] }), [
    "ok a simulated array: nodes attach by the protocol local",
  ]);
});

Deno.test("lookAtDataPorts() tells an NFSEndPoint that is none of the array's own addresses", async () => {
  const ports: DataPort[] = [{ protocol: "nfs", portal: "10.0.0.9:2049" }];
  const blade = { kind: "flashblade", nfsEndpoint: "10.0.0.9", ports } as const;
  deepEqual(await lookedAt({ ...blade, dataAddresses: ["10.0.0.9", "10.0.1.9"] }), [
    "ok nfs: 1 of 1 answer (10.0.0.9)",
  ]);
  deepEqual(await lookedAt({ ...blade, dataAddresses: ["10.0.1.9"] }), [
    "warn NFSEndPoint 10.0.0.9 is none of the array's data interfaces, which are 10.0.1.9",
    "ok nfs: 1 of 1 answer (10.0.0.9)",
  ]);
  deepEqual(await lookedAt({ kind: "flashblade", serves: [] }), [
    "fail it has no data interface that is up",
  ]);
});
