import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { ConnectOptions } from "../../src/arrays/array.ts";
import { FLASHARRAY_DIALECT } from "../../src/arrays/flasharray/status.ts";
import { RestClient } from "../../src/arrays/rest/client.ts";
import type { Protocol } from "../../src/protocols.ts";
import { HttpsClient } from "../../src/net/https.ts";
import { silentLogger } from "../../src/log.ts";
import { MiB } from "../../src/size.ts";
import { node, withArray } from "./array_bench.ts";
import { asIs } from "../support/as_is.ts";

// What is connected already, and initiators in the array's own spelling.

const SIZE = 16 * MiB;
const BLOCK = { exclusive: true, preempt: true, readOnly: false } as const;
const WWPNS = ["2100001b32aabbcc", "2100001b32aabbcd"];
const NODE = node(1, { wwpns: WWPNS });

for (const protocol of ["iscsi", "fc", "nvme-tcp"] satisfies Protocol[]) {
  const options: ConnectOptions = { ...BLOCK, protocol };
  Deno.test(`connect() of what is connected gives the same attachment, by ${protocol}, in this process and in a new one`, () =>
    withArray({ kind: "flasharray" }, async ({ array, open }) => {
      await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
      const first = await array.connect("k8s-pvc-1", NODE, options);
      equal(first.protocol, protocol);
      deepEqual(await array.connect("k8s-pvc-1", NODE, options), first);
      deepEqual(await open().connect("k8s-pvc-1", NODE, options), first);
      equal((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts?.length, 1);
    }));
}

Deno.test("connect() by two processes at once gives both the same attachment, though the array refuses the second", () =>
  withArray({ kind: "flasharray" }, async ({ array, open, calls, fault }) => {
    for (const name of ["k8s-pvc-1", "k8s-pvc-2"]) {
      await array.createVolume({ name, sizeBytes: SIZE });
    }
    const options: ConnectOptions = { ...BLOCK, protocol: "iscsi" };
    const other = open();
    // both know the array and its host now
    for (const one of [array, other]) await one.connect("k8s-pvc-2", NODE, options);
    await fault({ action: "delay", value: 200, match: { method: "POST", path: "/connections" } });
    const made = await calls(async () => {
      const [first, second] = await Promise.all(
        [array, other].map((one) => one.connect("k8s-pvc-1", NODE, options)),
      );
      deepEqual(first, second);
    });
    equal(
      made.filter((call) => call === "POST /connections").length,
      2,
      "both looked before either had connected",
    );
  }));

Deno.test("connect() knows the node's FC ports in the array's upper case with colons, and makes no second host", () =>
  withArray({ kind: "flasharray" }, async ({ array, endpoint }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    const https = new HttpsClient(endpoint);
    const { token } = endpoint;
    const rest = new RestClient({
      fetch: https.fetch,
      dialect: FLASHARRAY_DIALECT,
      token,
      label: () => "admin",
      log: silentLogger,
    });
    try {
      const wwns = WWPNS.map((wwpn) => wwpn.toUpperCase().replace(/..(?=.)/g, "$&:"));
      match(wwns[0] ?? "", /^21:00:00:1B:/);
      await rest.call({
        method: "POST",
        path: "hosts",
        query: { names: "by-hand" },
        body: { wwns },
      });
      await array.connect("k8s-pvc-1", NODE, { ...BLOCK, protocol: "fc" });
      deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, ["by-hand"]);
      equal((await rest.call({ method: "GET", path: "hosts", item: asIs })).items.length, 1);
    } finally {
      https.close();
    }
  }));

Deno.test("listVolumes() with hosts asks for the connections of all its volumes at once", () =>
  withArray({ kind: "flasharray" }, async ({ array, calls }) => {
    const names = Array.from({ length: 12 }, (_, number) => `k8s-pvc-${number}`);
    for (const name of names) {
      await array.createVolume({ name, sizeBytes: SIZE });
      await array.connect(name, NODE, { ...BLOCK, protocol: "iscsi" });
    }
    const made = await calls(async () => {
      const { items } = await array.listVolumes({ limit: 100, hosts: true });
      ok(
        items.length === names.length && items.every(({ hosts }) => hosts?.[0] === "node-1"),
        JSON.stringify(items),
      );
    });
    deepEqual(made, ["GET /volumes", "GET /connections"]);
  }));
