import { deepEqual, equal } from "node:assert/strict";
import { Secret } from "../../secret.ts";
import { redactedObject, redactedText } from "./redaction.ts";

Deno.test("redactedText() keeps the names of Kubernetes, and takes what looks like a token or a key", () => {
  const kept = [
    "volume k8s-pvc-026f74ac-d942-43d1-a1d1-b18816b9d4ea of ef694e2d is created",
    "pod pure-provisioner-666d6cfdbc-6cmqn is ready",
    "snapcontent-026f74ac-d942-43d1-a1d1-b18816b9d4ea",
  ];
  for (const line of kept) equal(redactedText(line), line);
  const gone = [
    "token 5a5a5a5a-1111-4222-8333-444455556666 was used",
    "T-5a5a5a5a-1111-4222-8333-444455556666",
    "made-for-5a5a5a5a-1111-4222-8333-444455556666",
    "case-of-4c5d2b8f-7d2f-4c5d-8b2f-444455556666",
    "password: open sesame",
    "-----BEGIN PRIVATE KEY-----\\nMIICANARYcanaryCANARYcanary12",
    "https://anna:sesame@array",
  ];
  for (const line of gone) {
    equal(/5a5a5a5a|4c5d2b8f|444455556666|sesame|MIICAN/.test(redactedText(line)), false, line);
  }
  const secret = new Secret("word-of-a-secret");
  equal(redactedText(`said ${secret.reveal()}`), "said [redacted]");
});

Deno.test("redactedText() judges each line by itself", () => {
  equal(redactedText("password: a\nvolume made\n"), "[redacted]\nvolume made\n");
});

Deno.test("redactedObject() keeps chosen annotations and variables, and no data", () => {
  deepEqual(
    redactedObject({
      kind: "Pod",
      metadata: {
        annotations: { "pv.kubernetes.io/provisioned-by": "pure-csi", "example.com/note": "x" },
        managedFields: [{}],
      },
      data: { a: "b" },
      spec: {
        containers: [{
          env: [{ name: "POD_NAME", value: "p" }, { name: "OTHER", value: "x" }, {
            name: "FROM",
            valueFrom: { secretKeyRef: { name: "s", key: "k" } },
          }],
        }],
      },
    }),
    {
      kind: "Pod",
      metadata: { annotations: { "pv.kubernetes.io/provisioned-by": "pure-csi" } },
      data: "[redacted]",
      spec: {
        containers: [{
          env: [{ name: "POD_NAME", value: "p" }, { name: "OTHER", value: "[redacted]" }, {
            name: "FROM",
            valueFrom: { secretKeyRef: { name: "s", key: "k" } },
          }],
        }],
      },
    },
  );
});
