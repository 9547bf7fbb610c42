import { deepEqual, equal, match } from "node:assert/strict";
import type { KubeObject } from "../../kube/client.ts";
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

const CANARY = "hunter2hunter2";
const LOGIN = `Basic YWRt${CANARY}`;

/** Each is a part of a manifest that somebody may write. */
const OBJECTS: Record<string, KubeObject> = {
  "the word after a flag": { args: ["--db-password", CANARY] },
  "the word after a short flag": { command: ["tool", "-token", CANARY] },
  "the value of a flag": { args: [`--db-password=${CANARY}`, `--secret-old=${CANARY}`] },
  "a flag in a command of a shell": { command: ["sh", "-c", `run --api-token ${CANARY} --now`] },
  "a quoted flag": { command: ["sh", "-c", `run --api-token "a b ${CANARY}" --now`] },
  "mysql": { command: ["sh", "-c", `mysql -uroot -p${CANARY} shop`] },
  "mysql in words": { command: ["mysql"], args: ["-uroot", `-p${CANARY}`] },
  "a password of its own word": { args: ["-p", CANARY] },
  "curl": { command: ["curl", "-u", `anna:${CANARY}`] },
  "curl in a shell": { command: ["sh", "-c", `curl -u anna:${CANARY} https://a`] },
  "a header of a probe": { httpGet: { httpHeaders: [{ name: "Authorization", value: LOGIN }] } },
  "another header": { httpGet: { httpHeaders: [{ name: "X-Own", value: CANARY }] } },
  "a header of a command": { args: ["-H", `Authorization: ${LOGIN}`] },
  "a header in two words": { args: ["Authorization", LOGIN] },
  "a parameter": { parameters: { chapPassword: CANARY } },
  "a parameter named secret": { parameters: { secret: CANARY } },
  "a parameter that is a number": { parameters: { secretPin: 47114711 } },
  "an attribute of a volume": { volumeAttributes: { "node.session.auth.token": CANARY } },
  "a label": { metadata: { labels: { "example.com/token": CANARY } } },
  "a kept annotation": { metadata: { annotations: { "pv.kubernetes.io/secret": CANARY } } },
  "a pair": { options: [{ name: "apiKey", value: CANARY }] },
  "a list under a name": { tokens: [CANARY] },
  "a list of objects under a name": { tokens: [{ name: CANARY }] },
  "a cookie in two words": { args: ["Cookie", CANARY] },
  "an object under a name": { credentials: { user: "a", word: CANARY } },
  "a foreign field of a reference": { secret: { value: CANARY, secretName: "s" } },
};

for (const [what, object] of Object.entries(OBJECTS)) {
  Deno.test(`redactedObject() masks what is secret by its name: ${what}`, () => {
    const text = JSON.stringify(redactedObject(object));
    equal(/hunter2|YWRt|47114711/.test(text), false, text);
    match(text, /\[redacted\]/);
  });
}

const LINES = [
  `{"event":"x","chapUser":"${CANARY}"}`,
  `{"event":"x","tokenValue":"a\\"${CANARY}"}`,
  `{"said":"{\\"secretKey\\":\\"${CANARY}\\"}"}`,
  `{"headers":{"authorization":["${LOGIN}"]}}`,
  `> Authorization: ${LOGIN}`,
  `> Cookie: session=${CANARY}`,
  `authorization=${LOGIN} and more`,
  `started with --db-password ${CANARY}`,
  `mysql -uroot -p${CANARY} shop`,
  `sshpass -p ${CANARY} ssh a`,
  `redis-cli -a ${CANARY} ping`,
  `curl --user anna:${CANARY} https://a`,
  `DB_PASSWORD_OLD=${CANARY}`,
  `tokenValue: a b ${CANARY}`,
  `map[chapSecretNew:${CANARY} a:b]`,
];

for (const line of LINES) {
  Deno.test(`redactedText() masks what is secret by its name: ${line}`, () => {
    equal(/hunter2|YWRt/.test(redactedText(line)), false, redactedText(line));
  });
}

Deno.test("redactedObject() keeps where a Secret is, and commands without secrets", () => {
  const object = {
    automountServiceAccountToken: false,
    imagePullSecrets: [{ name: "pull" }],
    volumes: [
      { secret: { secretName: "s", defaultMode: 288, items: [{ key: "k", path: "p" }] } },
      { projected: { sources: [{ serviceAccountToken: { path: "t", expirationSeconds: 60 } }] } },
    ],
    parameters: { "csi.storage.k8s.io/provisioner-secret-name": "s", backend: "block" },
    csi: { nodeStageSecretRef: { name: "s", namespace: "n" } },
    args: ["--kube-config-from=pso/secret/pure-provisioner-secret/pure.json", "-v=2", "--leader"],
  };
  deepEqual(redactedObject(object), object);
});

Deno.test("redactedText() keeps the rest of a line of JSON", () => {
  equal(
    redactedText(`{"chapUser":"anna","event":"made"}`),
    `{"chapUser":"[redacted]","event":"made"}`,
  );
});

Deno.test("redactedText() keeps what only speaks of a secret", () => {
  for (
    const line of [
      "the token, which was renewed",
      "mkdir -p /var/lib/pso",
      "no secret is needed",
      '{"event":"made","said":"a password was set"}',
    ]
  ) equal(redactedText(line), line);
});
