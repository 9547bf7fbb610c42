import assert from "node:assert/strict";
import { fcPlaces, fcRoutes } from "./fc.ts";
import type { Host } from "./host.ts";
import { withHostRoot } from "../../tests/support/test_host.ts";

/** A host with these ports, by the name and the files that the kernel's FC transport gives them. */
function withPorts(
  ports: Record<string, Record<string, string>>,
  work: (host: Host) => Promise<void>,
): Promise<void> {
  const classOf = (name: string) => name.startsWith("host") ? "fc_host" : "fc_remote_ports";
  const files = Object.entries(ports).flatMap(([name, texts]) =>
    Object.entries(texts).map((
      [file, text],
    ) => [`/sys/class/${classOf(name)}/${name}/${file}`, text])
  );
  return withHostRoot(Object.fromEntries(files), work);
}

const OURS = { port_name: "0x524A937000000001", port_state: "Online", scsi_target_id: "3" };

Deno.test("fcPlaces() finds the LUN behind each port of the array that is on line, by every port of this host", () =>
  withPorts({
    "rport-2:0-1": OURS,
    "rport-5:0-12": { ...OURS, scsi_target_id: "0" },
    "rport-2:0-2": { ...OURS, port_name: "0x5000000000000009" },
    "rport-2:0-3": { ...OURS, port_state: "Blocked" },
    "rport-2:0-4": { ...OURS, scsi_target_id: "-1" },
  }, async (host) => {
    assert.deepEqual(await fcPlaces(host, { wwpns: ["524a937000000001"], lun: 254 }), [
      { host: 2, channel: 0, target: 3, lun: 254 },
      { host: 5, channel: 0, target: 0, lun: 254 },
    ]);
  }));

Deno.test("fcPlaces() finds nothing on a host without FC", () =>
  withPorts(
    {},
    async (host) =>
      assert.deepEqual(await fcPlaces(host, { wwpns: ["524a937000000001"], lun: 1 }), []),
  ));

Deno.test("fcRoutes() pairs each port of this host with each port of the subsystem that it sees", () =>
  withPorts({
    "host2": { port_name: "0x2100000000000001", node_name: "0x2000000000000001" },
    "rport-2:0-1": { ...OURS, node_name: "0x524a937000000000" },
    "rport-2:0-2": { ...OURS, node_name: "0x5000000000000000", port_name: "0x5000000000000009" },
    // Not on line, without a name, and of a port of this host that is gone.
    "rport-2:0-3": { ...OURS, node_name: "0x524a937000000000", port_state: "Blocked" },
    "rport-2:0-4": OURS,
    "rport-9:0-1": { ...OURS, node_name: "0x524a937000000000" },
  }, async (host) => {
    assert.deepEqual(
      await fcRoutes(host, {
        nqn: "nqn.2010-06.com.purestorage:flasharray.1",
        wwpns: ["524a937000000001"],
      }),
      [{
        transport: "fc",
        nqn: "nqn.2010-06.com.purestorage:flasharray.1",
        traddr: "nn-0x524a937000000000:pn-0x524A937000000001",
        hostTraddr: "nn-0x2000000000000001:pn-0x2100000000000001",
      }],
    );
  }));
