import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { ConnectOptions } from "../../src/arrays/array.ts";
import { isPsoError } from "../../src/errors.ts";
import { type Fetch, HttpsClient } from "../../src/net/https.ts";
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

for (const preempt of [true, false]) {
  Deno.test(`connect() of an exclusive file system by a node's new address takes its old rule away, with preempt ${preempt}`, () =>
    withArray(FLASHBLADE, async ({ array }) => {
      await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
      const [before, now] = [
        node(1, { addresses: ["10.0.0.1"] }),
        node(1, { addresses: ["10.0.0.9"] }),
      ];
      const exclusive = { ...NFS, exclusive: true, preempt };
      await array.connect("k8s-pvc-1", before, exclusive);
      const known = { cluster: "k8s", earlier: [before] };
      await array.connect("k8s-pvc-1", now, { ...exclusive, known });
      const hosts = async () => (await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts;
      deepEqual(await hosts(), ["10.0.0.9"]);
      // A user that is no earlier self of the node is refused or cut off, as the operator says.
      const other = node(2, { addresses: ["10.0.0.2"] });
      if (preempt) {
        await array.connect("k8s-pvc-1", other, { ...exclusive, known: { cluster: "k8s" } });
      } else await rejects(array.connect("k8s-pvc-1", other, exclusive), { code: "in_use" });
      deepEqual(await hosts(), [preempt ? "10.0.0.2" : "10.0.0.9"]);
    }));
}

Deno.test("holds() and disconnect() know a node by an address that it had before, and no other node by it", () =>
  withArray(FLASHBLADE, async ({ array }) => {
    await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
    const [before, now, other] = ["10.0.0.1", "10.0.0.9", "10.0.0.1"].map((address, at) =>
      node(at === 2 ? 2 : 1, { addresses: [address] })
    );
    ok(before && now && other);
    await array.connect("k8s-pvc-1", before, NFS);
    equal(await array.holds("k8s-pvc-1", now, {}), false);
    const known = { earlier: [before] };
    equal(await array.holds("k8s-pvc-1", now, { known }), true);
    // Another user has the address by now: the rule is its, and stays.
    const shared = { earlier: [before], otherUsers: [other] };
    equal(await array.holds("k8s-pvc-1", now, { known: shared }), false);
    await array.disconnect("k8s-pvc-1", now, { known: shared });
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, ["10.0.0.1"]);
    await array.disconnect("k8s-pvc-1", now, { known });
    deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, []);
  }));

Deno.test("disconnect() whose change is refused because something that the rules name is missing is no success", () =>
  withArray(FLASHBLADE, async ({ open, endpoint }) => {
    const https = new HttpsClient(endpoint);
    let refusal: string | undefined;
    const fetch: Fetch = (request) => {
      if (refusal === undefined || request.method !== "PATCH") return https.fetch(request);
      const errors = [{ context: "k8s-pvc-1", message: refusal }];
      return Promise.resolve({ status: 400, headers: {}, text: JSON.stringify({ errors }) });
    };
    try {
      const array = open({}, { fetch });
      const known = { cluster: "k8s" };
      await array.createVolume({ name: "k8s-pvc-1", sizeBytes: SIZE });
      await array.connect("k8s-pvc-1", node(1), NFS);
      for (const said of ["Policy does not exist.", "File system does not exist."]) {
        refusal = said;
        for (const who of [node(1), "all"] as const) {
          await rejects(array.disconnect("k8s-pvc-1", who, { known }), (error: Error) => {
            return isPsoError(error) && error.message.includes(said.slice(0, -1));
          });
        }
      }
      deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, node(1).addresses);
      refusal = undefined;
      equal(await array.disconnect("k8s-pvc-1", node(1)), true);
      deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, []);
    } finally {
      https.close();
    }
  }));
