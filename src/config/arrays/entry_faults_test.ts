import assert from "node:assert/strict";
import {
  CREATE,
  FA,
  FINGERPRINT,
  FLASHARRAY,
  readEntries,
  TOKEN,
} from "../../../tests/support/test_entries.ts";

const WARNED: [Record<string, unknown>, string][] = [
  [
    { TLSVerify: "false" },
    `${FA}.TLSVerify is false, so that whoever answers at the array's address gets its API ` +
    "token: pin the certificate by CertFingerprint " +
    "(`pso-bin admin check` prints it)",
  ],
  [
    { TLSVerify: false, CertFingerprint: FINGERPRINT },
    `${FA}.TLSVerify is false, so that whoever answers at the array's address gets its API ` +
    "token, and CertFingerprint is not looked at: " +
    "pin the certificate by CertFingerprint (`pso-bin admin check` prints it)",
  ],
  [{ Labels: { rack: 22 } }, `${FA}.Labels.rack is the number 22, taken as "22": put it in quotes`],
  [
    { Labels: { "a b": "x" } },
    `${FA}.Labels.a b has a name that Kubernetes does not allow for a label, so that no node ` +
    "can match it: " +
    "write letters, digits, `-`, `_` and `.`, with a domain and `/` before them if need be",
  ],
  [
    { Labels: { rack: "a b" } },
    `${FA}.Labels.rack is "a b", which Kubernetes does not allow as a label, so that no node ` +
    "can match it: " +
    "write at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends",
  ],
];

for (const [keys, text] of WARNED) {
  Deno.test(`readArrays() takes ${JSON.stringify(keys)} with a warning`, async () => {
    const { arrays, texts } = await readEntries({ FlashArrays: [{ ...FLASHARRAY, ...keys }] });
    assert.deepEqual([arrays.length, texts], [1, [`warning: ${text}`]]);
  });
}

const ENTRY_FAULTS: [Record<string, unknown>, string][] = [
  [
    { MgmtEndPoint: null },
    `${FA}.MgmtEndPoint is missing: give the management address of the array, a name or ` +
    "an IP address",
  ],
  [{ MgmtEndPoint: 10 }, `${FA}.MgmtEndPoint is a number, wanted a text: put it in quotes`],
  [
    { MgmtEndPoint: `fa1 APIToken: ${TOKEN}` },
    `${FA}.MgmtEndPoint is "fa1 API[redacted]", wanted a host name or an IP address, with ` +
    `\`:port\` if it is not 443, and no path ` +
    "(IPv6 with a port: `[fd00::1]:8443`)",
  ],
  [{ APIToken: null }, `${FA}.APIToken is missing: ${CREATE}`],
  [{ APIToken: "" }, `${FA}.APIToken is missing: ${CREATE}`],
  [{ APIToken: 12345 }, `${FA}.APIToken is a number, wanted a text: put it in quotes`],
  [{ APITokenFile: "/token" }, `${FA}.APITokenFile stands beside APIToken: keep one of them`],
  [
    { APIToken: null, APITokenFile: "/none" },
    `${FA}.APITokenFile names /none, which does not exist`,
  ],
  [
    { APIToken: null, APITokenFile: "/locked" },
    `${FA}.APITokenFile names /locked, which cannot be read (permission denied)`,
  ],
  [
    { APIToken: null, APITokenFile: "/forbidden" },
    `${FA}.APITokenFile names /forbidden, which is outside /x: put the token into a Secret, and ` +
    "name that by APITokenSecret",
  ],
  [
    { CACert: "/forbidden" },
    `${FA}.CACert names /forbidden, which is outside /x: write the certificate itself there, from ` +
    "-----BEGIN CERTIFICATE----- on, or make it a key of the Secret with the arrays, and name it " +
    "/etc/pure/KEY",
  ],
  [
    { APIToken: null, APITokenFile: TOKEN },
    `${FA}.APITokenFile holds a token, wanted the path of a file: call the key APIToken`,
  ],
  [{ CACert: TOKEN }, `${FA}.CACert names [redacted], which does not exist`],
  [{ [TOKEN]: "x" }, `${FA}.[redacted] is not a known key: remove it`],
  [
    { APIToken: null, APITokenFile: "/empty" },
    `${FA}.APITokenFile names /empty, which is empty: ${CREATE}`,
  ],
  [
    { APIToken: null, APITokenFile: "/two" },
    `${FA}.APITokenFile names /two, which holds more than one token: ${CREATE}`,
  ],
  [
    { APIToken: null, APITokenFile: "" },
    `${FA}.APITokenFile is empty, wanted the path of a file that holds the token`,
  ],
  [
    { APIToken: null, APITokenSecret: "fa1" },
    `${FA}.APITokenSecret is a text, wanted {name, key} of a Kubernetes Secret`,
  ],
  [
    { APIToken: null, APITokenSecret: { name: "../x" } },
    `${FA}.APITokenSecret is a mapping, wanted {name, key} of a Kubernetes Secret`,
  ],
  [
    { APIToken: null, APITokenSecret: { name: "fa9" } },
    `${FA}.APITokenSecret names /etc/pure/tokens/fa9/token, which does not exist: only the ` +
    "controller's pod has it mounted; elsewhere use APITokenFile",
  ],
  [{ NFSEndPoint: "10.0.0.5" }, `${FA}.NFSEndPoint is not for a FlashArray: remove it`],
  [{ TLSVerfy: false }, `${FA}.TLSVerfy is not a known key: did you mean TLSVerify?`],
  [{ Colour: "red" }, `${FA}.Colour is not a known key: remove it`],
  [{ TLSVerify: "perhaps" }, `${FA}.TLSVerify is "perhaps", wanted true or false`],
  [
    { mgmtendpoint: "fa2" },
    `${FA}.mgmtendpoint says something else than another spelling of MgmtEndPoint: keep one`,
  ],
  [
    { CertFingerprint: "AB:CD" },
    `${FA}.CertFingerprint is "AB:CD" (4 characters without the colons), wanted the 64 ` +
    "hexadecimal digits of a SHA-256 fingerprint: " +
    "`pso-bin admin check` prints it",
  ],
  [
    { CertFingerprint: "a".repeat(40) },
    `${FA}.CertFingerprint is a SHA-1 fingerprint, wanted the 64 hexadecimal digits of a ` +
    `SHA-256 fingerprint: \`pso-bin admin check\` prints it`,
  ],
  [{ CACert: "/none" }, `${FA}.CACert names /none, which does not exist`],
  [
    { CACert: "/key.pem" },
    `${FA}.CACert names /key.pem, which holds no certificate, wanted PEM text from -----BEGIN ` +
    "CERTIFICATE----- to -----END CERTIFICATE-----",
  ],
  [
    { CACert: "-----BEGIN CERTIFICATE-----\nMII" },
    `${FA}.CACert holds no whole certificate, wanted PEM text from -----BEGIN CERTIFICATE----- ` +
    "to -----END CERTIFICATE-----",
  ],
  [{ Labels: "rack" }, `${FA}.Labels is "rack", wanted a mapping of label names to texts`],
  [{ Labels: { rack: [1] } }, `${FA}.Labels.rack is a list, wanted a text: put it in quotes`],
  [{ Name: 7 }, `${FA}.Name is a number, wanted a text: put it in quotes`],
];

for (const [keys, text] of ENTRY_FAULTS) {
  Deno.test(`readArrays() refuses an entry with ${JSON.stringify(keys).replaceAll(TOKEN, "TOKEN")}`, async () => {
    assert.equal(
      (await readEntries({ FlashArrays: [{ ...FLASHARRAY, ...keys }] })).texts[0],
      `error: ${text}`,
    );
  });
}

const SECTION_FAULTS: [unknown, string[]][] = [
  [TOKEN, ["arrays is a text, wanted a mapping with the lists FlashArrays and FlashBlades"]],
  [{ FlashArrays: { MgmtEndPoint: "fa1" } }, [
    "arrays.FlashArrays is a mapping, wanted a list of arrays, each beginning with `- `",
  ]],
  [{ FlashArray: [FLASHARRAY] }, [
    "arrays.FlashArray is not a known key: did you mean arrays.FlashArrays?",
  ]],
  [{ Isilon: [] }, ["arrays.Isilon is not a known key: write FlashArrays or FlashBlades"]],
  [{ FlashArrays: [TOKEN] }, [`${FA} is a text, wanted a mapping with MgmtEndPoint and APIToken`]],
];

for (const [section, wanted] of SECTION_FAULTS) {
  Deno.test(`readArrays() refuses ${JSON.stringify(section)?.replaceAll(TOKEN, "TOKEN") ?? "a missing section"}`, async () => {
    assert.deepEqual((await readEntries(section)).texts, wanted.map((text) => `error: ${text}`));
  });
}
