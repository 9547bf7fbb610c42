import { equal, match } from "node:assert/strict";
import { withoutSecrets } from "./secret_looks.ts";

const TOKEN = "3863f3fd-bf03-4a5b-9c1d-0e2f46a8b7c9";

const SECRETS = [
  TOKEN,
  `T-${TOKEN}`,
  TOKEN.toUpperCase(),
  TOKEN.replaceAll("-", ""),
  TOKEN.slice(1),
  TOKEN.slice(0, -1),
  TOKEN.replace("4a5b", "4a5"),
  TOKEN.replace("bf03", "bf03x"),
  TOKEN.slice(0, 14),
  TOKEN.slice(-17),
  btoa(TOKEN),
  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
  "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n",
  "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\n",
];

for (const secret of SECRETS) {
  Deno.test(`withoutSecrets() takes ${JSON.stringify(secret.slice(0, 40))} out`, () => {
    for (const text of [secret, `is "${secret}", wanted`, `{a: ${secret}}`, `x.${secret}.y`]) {
      match(withoutSecrets(text), /\[redacted\]/);
      equal(withoutSecrets(text).includes(secret.slice(2, 12)), false, text);
    }
  });
}

Deno.test("withoutSecrets() takes out what follows a word for a secret, and the password of a URL", () => {
  equal(withoutSecrets("fa1 APIToken: abc"), "fa1 API[redacted]");
  equal(withoutSecrets('password="a b c"'), "[redacted]");
  equal(withoutSecrets("https://me:pw@fa-1.example"), "https://[redacted]@fa-1.example");
});

for (
  const text of [
    "arrays.FlashArrays[12].MgmtEndPoint",
    "fa-1.dc2.storage-2026.example.com:8443",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "topology.purestorage.com/rack",
    "10.1.0.0/16, fd00:1::/64",
    'context="system_u:object_r:container_file_t:s0:c1,c2"',
    "/etc/pure/tokens/flasharray-production-1/token",
    "PEM text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----",
    "create one with `pureadmin create --api-token`",
    "REPLACE_CLUSTER_ID_WITH_A_NAME",
    "prod_eu_west_1",
    "10000000000",
  ]
) {
  Deno.test(`withoutSecrets() leaves ${text}`, () => equal(withoutSecrets(text), text));
}
