import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { ConnectOptions } from "../../src/arrays/array.ts";
import { isPsoError } from "../../src/errors.ts";
import { MiB } from "../../src/size.ts";
import { node, withArray } from "./array_bench.ts";

// Export rules of a FlashBlade.

const NFS: ConnectOptions = { protocol: "nfs", exclusive: false, preempt: true, readOnly: false };
const SIZE = 16 * MiB;
const FLASHBLADE = { kind: "flashblade" } as const;

Deno.test("connect() exports to the node's addresses and gives the configured endpoint", () =>
  withArray(FLASHBLADE, async ({ open }) => {
    const array = open({ nfsEndpoint: "nfs.example.org" });
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    const two = node(1, { addresses: ["10.0.0.1", "fd00::1"] });
    deepEqual(await array.connect("k8s-pvc-1", two, NFS), {
      protocol: "nfs",
      address: "nfs.example.org",
      path: "/k8s-pvc-1",
    });
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts?.toSorted(), [
      "10.0.0.1",
      "fd00::1",
    ]);
    await array.disconnect("k8s-pvc-1", two);
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, []);
  }));

Deno.test("connect() without an endpoint in the configuration takes a data interface of the array", () =>
  withArray(FLASHBLADE, async ({ array }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    const attachment = await array.connect("k8s-pvc-1", node(1), NFS);
    ok(attachment.protocol === "nfs" && attachment.address !== "");
  }));

Deno.test("connect() of many nodes at once loses no rule, and disconnect() takes only the node's own", () =>
  withArray(FLASHBLADE, async ({ array }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    const nodes = Array.from(
      { length: 6 },
      (_, number) => node(number, { addresses: [`10.0.0.${number}`] }),
    );
    await Promise.all(nodes.map((one) => array.connect("k8s-pvc-1", one, NFS)));
    const hosts = async () =>
      (await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts?.toSorted();
    deepEqual(await hosts(), nodes.map(({ addresses }) => addresses[0]));
    await Promise.all(nodes.slice(0, 4).map((one) => array.disconnect("k8s-pvc-1", one)));
    deepEqual(await hosts(), ["10.0.0.4", "10.0.0.5"]);
  }));

Deno.test("static rules of an administrator are never changed", () =>
  withArray(FLASHBLADE, async ({ array, calls }) => {
    await array.createVolume({
      name: "k8s-pvc-1",
      sizeBytes: SIZE,
      exportRules: "*(rw,no_root_squash) 10.9.9.9(ro)",
    });
    await array.status();
    deepEqual(await calls(() => array.connect("k8s-pvc-1", node(1), NFS)), ["GET /file-systems"]);
    deepEqual(await calls(() => array.disconnect("k8s-pvc-1", node(1))), ["GET /file-systems"]);
    deepEqual(await calls(() => array.disconnect("k8s-pvc-1", "all")), ["GET /file-systems"]);
  }));

Deno.test("a read-only connection becomes writable, and back, in place", () =>
  withArray(FLASHBLADE, async ({ array, calls }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    await array.connect("k8s-pvc-1", node(1), { ...NFS, readOnly: true });
    deepEqual(await calls(() => array.connect("k8s-pvc-1", node(1), NFS)), [
      "GET /file-systems",
      "PATCH /file-systems",
    ]);
    deepEqual(await calls(() => array.connect("k8s-pvc-1", node(1), NFS)), ["GET /file-systems"]);
    equal((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts?.length, 1);
  }));

Deno.test("connect() refuses a node that has told no address", () =>
  withArray(FLASHBLADE, async ({ array }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    await rejects(
      array.connect("k8s-pvc-1", node(1, { addresses: [] }), NFS),
      (error) => isPsoError(error, "unsupported") && /no data address/.test(error.message),
    );
  }));
