import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { ConnectOptions, StorageArray } from "../../src/arrays/array.ts";
import { FLASHARRAY_DIALECT } from "../../src/arrays/flasharray/status.ts";
import { type RestCall, RestClient } from "../../src/arrays/rest/client.ts";
import { type ChapCredentials, chapOf } from "../../src/chap.ts";
import { isPsoError } from "../../src/errors.ts";
import type { Attachment } from "../../src/handoff.ts";
import { HttpsClient } from "../../src/net/https.ts";
import { createLogger, silentLogger } from "../../src/log.ts";
import { MiB } from "../../src/size.ts";
import { asIs } from "../support/as_is.ts";
import { type ArrayBench, node, withArray } from "./array_bench.ts";

// CHAP on the host objects of a FlashArray. The array shows no password again, so that the wire is
// looked at for them.

const ISCSI: ConnectOptions = {
  protocol: "iscsi",
  exclusive: true,
  preempt: true,
  readOnly: false,
};

function credentials(secrets: Record<string, string>): ChapCredentials {
  const chap = chapOf(
    Object.fromEntries(
      Object.entries(secrets).map(([key, value]) => [`node.session.auth.${key}`, value]),
    ),
  );
  ok(chap);
  return chap;
}

const ONE_WAY = credentials({ username: "node-user", password: "node-secret-1" });
const MUTUAL = credentials({
  username: "node-user",
  password: "node-secret-1",
  username_in: "array-user",
  password_in: "array-secret-1",
});

interface Chap {
  host_user: string | null;
  host_password: string | null;
  target_user: string | null;
  target_password: string | null;
}

interface ChapBench extends ArrayBench {
  /** A client of ours whose bodies to /hosts and log lines are kept. */
  client: StorageArray;
  bodies: unknown[];
  lines: string[];
  admin: (call: RestCall) => Promise<unknown>;
  chap: (host?: string) => Promise<Chap | undefined>;
}

function withChap(test: (bench: ChapBench) => Promise<void>): () => Promise<void> {
  return () =>
    withArray({ kind: "flasharray" }, async (bench) => {
      const https = new HttpsClient(bench.endpoint);
      const { token } = bench.endpoint;
      const rest = new RestClient({
        fetch: https.fetch,
        dialect: FLASHARRAY_DIALECT,
        token,
        label: () => "admin",
        log: silentLogger,
      });
      const bodies: unknown[] = [];
      const lines: string[] = [];
      const client = bench.open({}, {
        log: createLogger({ level: "debug", write: (line) => lines.push(line) }),
        fetch: (request) => {
          if (request.method === "PATCH" && request.path.includes("/hosts")) {
            bodies.push(JSON.parse(request.body ?? "null"));
          }
          return https.fetch(request);
        },
      });
      for (const name of ["k8s-pvc-1", "k8s-pvc-2"]) {
        await bench.array.createVolume({ name, sizeBytes: 16 * MiB });
      }
      const chap = async (name = "node-1") =>
        (await rest.call({
          method: "GET",
          path: "hosts",
          query: { names: name },
          item: asIs<{ name: string; chap: Chap }>,
        })).items[0]?.chap;
      try {
        await test({
          ...bench,
          client,
          bodies,
          lines,
          admin: (call) => rest.call(call),
          chap,
        });
      } finally {
        https.close();
      }
    });
}

Deno.test(
  "connect() sets mutual CHAP on the node's host before it connects, each side in its place, once",
  withChap(async ({ client, bodies, lines, calls, chap }) => {
    let attachment: Attachment | undefined;
    const made = await calls(async () =>
      attachment = await client.connect("k8s-pvc-1", node(1), { ...ISCSI, chap: MUTUAL })
    );
    equal(
      /chap|secret|node-user/.test(JSON.stringify(attachment)),
      false,
      "a VolumeAttachment shows what is answered",
    );
    ok(made.indexOf("PATCH /hosts") < made.indexOf("POST /connections"), made.join(", "));
    deepEqual(bodies, [{
      chap: {
        host_user: "node-user",
        host_password: "node-secret-1",
        target_user: "array-user",
        target_password: "array-secret-1",
      },
    }]);
    deepEqual(await chap(), {
      host_user: "node-user",
      host_password: "****",
      target_user: "array-user",
      target_password: "****",
    });
    const next = await calls(() =>
      client.connect("k8s-pvc-2", node(1), { ...ISCSI, chap: MUTUAL })
    );
    equal(next.includes("PATCH /hosts"), false, "it is known to be set");
    equal(/(node|array)-secret/.test(lines.join("\n")), false, "no password in the log");
  }),
);

Deno.test(
  "connect() of many volumes to a new node sets its CHAP once",
  withChap(async ({ client, calls }) => {
    const chap = ONE_WAY;
    const made = await calls(() =>
      Promise.all(
        ["k8s-pvc-1", "k8s-pvc-2"].map((name) => client.connect(name, node(1), { ...ISCSI, chap })),
      )
    );
    equal(made.filter((call) => call === "PATCH /hosts").length, 1);
  }),
);

Deno.test(
  "connect() sets changed credentials, sets them again in a new process, and leaves a host's CHAP alone when it is given none",
  withChap(async ({ client, open, calls, chap }) => {
    await client.connect("k8s-pvc-1", node(1), { ...ISCSI, chap: ONE_WAY });
    await client.connect("k8s-pvc-1", node(1), { ...ISCSI, chap: MUTUAL });
    equal((await chap())?.target_user, "array-user");
    const after = await calls(() =>
      open().connect("k8s-pvc-1", node(1), { ...ISCSI, chap: MUTUAL })
    );
    ok(after.includes("PATCH /hosts"), "which password the array has, only who set it knows");
    await client.connect("k8s-pvc-2", node(1), ISCSI);
    deepEqual([(await chap())?.host_user, (await chap())?.target_user], [
      "node-user",
      "array-user",
    ]);
  }),
);

Deno.test(
  "connect() sets CHAP on the host object that it makes anew, after an administrator deleted the old one",
  withChap(async ({ client, admin, chap }) => {
    await client.connect("k8s-pvc-1", node(1), { ...ISCSI, chap: ONE_WAY });
    await client.disconnect("k8s-pvc-1", node(1));
    await admin({ method: "DELETE", path: "hosts", query: { names: "node-1" } });
    await client.connect("k8s-pvc-1", node(1), { ...ISCSI, chap: ONE_WAY });
    equal((await chap())?.host_user, "node-user");
    await client.disconnect("k8s-pvc-1", node(1));
    await admin({ method: "DELETE", path: "hosts", query: { names: "node-1" } });
    await client.connect("k8s-pvc-1", node(1), { ...ISCSI, chap: MUTUAL });
    equal((await chap())?.target_user, "array-user");
  }),
);

Deno.test(
  "connect() whose CHAP the array refuses, or that gets no answer, connects nothing and sets it the next time",
  withChap(async ({ client, array, fault, clearFaults, chap }) => {
    await client.connect("k8s-pvc-2", node(1), ISCSI);
    for (
      const [action, value, code] of [["status", 400, "unavailable"], [
        "drop-after",
        undefined,
        "unavailable",
      ]] as const
    ) {
      await fault({ action, value, match: { method: "PATCH", path: "/hosts" } });
      await rejects(client.connect("k8s-pvc-1", node(1), { ...ISCSI, chap: ONE_WAY }), (error) => {
        ok(isPsoError(error, code), String(error));
        equal(String(error).includes("node-secret"), false);
        return true;
      });
      deepEqual((await array.findVolume("k8s-pvc-1", { hosts: true }))?.hosts, []);
      await clearFaults();
    }
    await client.connect("k8s-pvc-1", node(1), { ...ISCSI, chap: ONE_WAY });
    equal((await chap())?.host_user, "node-user");
  }),
);

Deno.test(
  "connect() by another protocol sets no CHAP",
  withChap(async ({ client, bodies }) => {
    await client.connect("k8s-pvc-1", node(1), { ...ISCSI, protocol: "nvme-tcp", chap: ONE_WAY });
    deepEqual(bodies, []);
  }),
);
