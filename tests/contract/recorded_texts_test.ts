import { ok, rejects } from "node:assert/strict";
import type { ErrorCode } from "../../src/errors.ts";
import { isPsoError } from "../../src/errors.ts";
import { node } from "./array_bench.ts";
import { ISCSI, withHosts } from "./host_bench.ts";

// What the driver makes of texts that were recorded from arrays, each said by a fault.

const OTHER_PROTOCOL =
  "Non-NVME connected hgroups and hosts cannot be connected to volumes already connected to NVME " +
  "connected hosts.";
const RECORDED: [message: string, code: ErrorCode][] = [
  [OTHER_PROTOCOL, "conflict"],
  ["Volume has been destroyed.", "conflict"],
  ["Maximum number of connections: limit reached.", "exhausted"],
];

for (const [message, code] of RECORDED) {
  Deno.test(
    `connect() that an array refuses by "${message}" is ${code} and tells it`,
    withHosts(async ({ array, fault }) => {
      const said = { message, context: "k8s-pvc-1" };
      await fault({
        ...{ action: "status", value: 400, times: 9 },
        ...said,
        match: { method: "POST", path: "/connections" },
      });
      await rejects(array.connect("k8s-pvc-1", node(1), ISCSI), (error) => {
        ok(isPsoError(error, code), String(error));
        ok(error.message.includes(message.replace(/\.$/, "")), error.message);
        return true;
      });
    }),
  );
}

Deno.test(
  "connect() by iSCSI of a volume that an NVMe host has is a conflict, and not tried for ever",
  withHosts(async ({ array, addHost, connect }) => {
    await addHost("nvme", { nqns: ["nqn.2014-08.org.nvmexpress:uuid:1"] });
    await connect("nvme", "k8s-pvc-1");
    await rejects(
      array.connect("k8s-pvc-1", node(1), { ...ISCSI, exclusive: false }),
      (error) => {
        ok(isPsoError(error, "conflict"), String(error));
        ok(error.message.includes(OTHER_PROTOCOL.replace(/\.$/, "")), error.message);
        return true;
      },
    );
  }),
);
