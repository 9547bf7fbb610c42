import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gunzipSync } from "node:zlib";
import { packed, readRecord, withManifest } from "./helm_release.ts";
import { pso52, recordOf } from "../../../tests/support/pso_objects.ts";
import { textAt } from "../check/kube_object.ts";

/** As Helm itself unpacks it. */
function unpack(release: string): string {
  const inner = Buffer.from(release, "base64").toString("latin1");
  return gunzipSync(Buffer.from(inner, "base64")).toString("utf8");
}

const REVISION = { release: "r", revision: 7, status: "deployed", values: { a: 1 } };

Deno.test("readRecord() gives what Helm wrote: base64 of gzip of JSON, as a Secret has it", () => {
  const record = readRecord(recordOf({ ...REVISION, manifest: "---\nkind: X\n" }));
  const { release, revision, status, chart, values, manifest } = record;
  deepEqual({ release, revision, status, chart, values, manifest }, {
    release: "r",
    revision: 7,
    status: "deployed",
    chart: "pure-csi-1.2.0",
    values: { a: 1 },
    manifest: "---\nkind: X\n",
  });
});

Deno.test("withManifest() changes the manifest and not one byte beside it", () => {
  const json =
    '{"info":{"manifest":"inner"},"x":12345678901234567890,"list":["manifest",{"a":1}],' +
    '"manifest":"a \\"quoted\\" \\u003ctext\\u003e\\n","after":1e400,"name":"r","version":3}';
  const secret = { type: "helm.sh/release.v1", data: { release: packed(json), other: "eA==" } };
  const changed = withManifest(readRecord(secret), 'new "one"\n');
  const head = json.slice(0, json.indexOf('"manifest":"a'));
  equal(
    unpack(textAt(changed, "data", "release")),
    `${head}"manifest":"new \\"one\\"\\n","after":1e400,"name":"r","version":3}`,
  );
  equal(textAt(changed, "data", "other"), "eA==");
});

Deno.test("readRecord() refuses what is no record, and names the Secret", () => {
  const metadata = { namespace: "pso", name: "sh.helm.release.v1.r.v1" };
  const gzip = Buffer.from([0x1f, 0x8b, 0x08, 1, 2, 3]).toString("base64");
  const cases = [packed("{"), packed("{}"), "", Buffer.from(gzip).toString("base64")];
  for (const release of cases) {
    throws(() => readRecord({ metadata, data: { release } }), {
      code: "invalid",
      message: /^the release record Secret pso\/sh\.helm\.release\.v1\.r\.v1 .*helm history/,
    });
  }
});

Deno.test("readRecord() unpacks no bomb", () => {
  const record = (bytes: number) => {
    const json = JSON.stringify({ name: "r", version: 1, manifest: "" });
    return packed(json.replace(`""`, `"${"0".repeat(bytes - json.length)}"`));
  };
  const most = 32 * 1024 * 1024;
  equal(readRecord({ data: { release: record(most) } }).release, "r");
  const bomb = record(most + 1);
  ok(bomb.length < 100_000, "it fits into a Secret");
  throws(() => readRecord({ data: { release: bomb } }), {
    code: "invalid",
    message: /is not packed by gzip as it says, or has more than 32 MiB: look at it by/,
  });
});

Deno.test("readRecord() reads the records of a whole chart", () => {
  for (const record of pso52().records) equal(readRecord(record).release, "pure-storage-driver");
});
