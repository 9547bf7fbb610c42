import assert from "node:assert/strict";
import { readArrays } from "./array_entries.ts";
import { ProblemList, problemText } from "./problems.ts";

const TOKEN = "T-c4925090-c9bf-4033-8537-d24ee5669135";
const FINGERPRINT = Array.from(
  { length: 32 },
  (_, index) => (index + 160).toString(16).toUpperCase(),
).join(":");
const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const FILES: Record<string, string> = {
  "/token": `${TOKEN}\n`,
  "/empty": "\n",
  "/two": `${TOKEN}\n${TOKEN}\n`,
  "/ca.pem": PEM,
  "/key.pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
  "/etc/pure/tokens/fa1/token": TOKEN,
  "/etc/pure/tokens/fa1/api": TOKEN,
};

/**
 * Reads `section` as the content of `arrays`; problems come back as texts, checked to hold no
 * token.
 */
async function read(section: unknown) {
  const problems = new ProblemList();
  const arrays = await readArrays([section], {
    problems,
    readTextFile: (path) => {
      if (path === "/locked") {
        return Promise.reject(new Deno.errors.PermissionDenied("permission denied"));
      }
      const text = FILES[path];
      return text === undefined
        ? Promise.reject(new Deno.errors.NotFound(path))
        : Promise.resolve(text);
    },
  });
  const texts = problems.all.map((problem) => `${problem.severity}: ${problemText(problem)}`);
  for (const text of texts) assert.ok(!text.includes(TOKEN), text);
  return { arrays, texts };
}

const FLASHARRAY = { MgmtEndPoint: "fa1", APIToken: TOKEN };
const FLASHBLADE = { MgmtEndPoint: "fb1", APIToken: TOKEN, NFSEndPoint: "10.0.0.5" };

Deno.test("readArrays() reads both kinds with every key", async () => {
  const { arrays, texts } = await read({
    FlashArrays: [{
      ...FLASHARRAY,
      Name: "berlin-1",
      Labels: { rack: "22" },
      Suspended: "yes",
      CertFingerprint: FINGERPRINT,
      CACert: "/ca.pem",
    }],
    FlashBlades: [FLASHBLADE],
  });
  assert.deepEqual(texts, []);
  assert.deepEqual(arrays.map(({ token, ...rest }) => ({ ...rest, token: token.reveal() })), [
    {
      kind: "flasharray",
      path: "arrays.FlashArrays[0]",
      scheme: "https",
      managementAddress: "fa1",
      token: TOKEN,
      tls: { verify: true, caPem: PEM, fingerprint: FINGERPRINT },
      labels: { rack: "22" },
      suspended: true,
      name: "berlin-1",
    },
    {
      kind: "flashblade",
      path: "arrays.FlashBlades[0]",
      scheme: "https",
      managementAddress: "fb1",
      nfsEndpoint: "10.0.0.5",
      token: TOKEN,
      tls: { verify: true },
      labels: {},
      suspended: false,
    },
  ]);
});

Deno.test("readArrays() refuses a word for Suspended that is neither true nor false", async () => {
  const { texts } = await read({ FlashArrays: [{ ...FLASHARRAY, Suspended: "maybe" }] });
  assert.deepEqual(texts, [
    'error: arrays.FlashArrays[0].Suspended is "maybe", wanted true or false',
  ]);
});

for (
  const [written, address] of [
    ["10.0.0.1", "10.0.0.1"],
    ["FA1.Example.com", "fa1.example.com"],
    ["https://fa1.example.com/", "fa1.example.com"],
    ["fa1:443", "fa1"],
    ["127.0.0.1:8443", "127.0.0.1:8443"],
    ["fd00::1", "[fd00::1]"],
    ["[FD00::1]", "[fd00::1]"],
    ["https://[fd00::1]:8443", "[fd00::1]:8443"],
    ["  fa1  ", "fa1"],
  ] as const
) {
  Deno.test(`readArrays() reads MgmtEndPoint ${JSON.stringify(written)} as ${address}`, async () => {
    const { arrays, texts } = await read({
      FlashArrays: [{ ...FLASHARRAY, MgmtEndPoint: written }],
    });
    assert.deepEqual([arrays[0]?.scheme, arrays[0]?.managementAddress, texts], [
      "https",
      address,
      [],
    ]);
  });
}

Deno.test("readArrays() takes http:// with a warning", async () => {
  const { arrays, texts } = await read({
    FlashArrays: [{ ...FLASHARRAY, MgmtEndPoint: "http://127.0.0.1:80" }],
  });
  assert.deepEqual([arrays[0]?.scheme, arrays[0]?.managementAddress], ["http", "127.0.0.1"]);
  assert.deepEqual(texts, [
    "warning: arrays.FlashArrays[0].MgmtEndPoint begins with http://, so that the API token " +
    "travels in the clear: use https:// for anything but a simulated array",
  ]);
});

for (
  const written of [
    "1.2.3",
    "10.0.0.256",
    "fa1/api",
    "fa 1",
    "fa1:0",
    "fa1:99999",
    "fd00::1:8443:x",
    "[fa1]",
    "ftp://fa1",
    "user@fa1",
    "-fa1",
    "fa1,fa2",
  ]
) {
  Deno.test(`readArrays() refuses MgmtEndPoint ${JSON.stringify(written)}`, async () => {
    const { arrays, texts } = await read({
      FlashArrays: [{ ...FLASHARRAY, MgmtEndPoint: written }],
    });
    assert.deepEqual(arrays, []);
    assert.deepEqual(texts, [
      `error: arrays.FlashArrays[0].MgmtEndPoint is ${
        JSON.stringify(written)
      }, wanted a host name or an IP address, with \`:port\` if it is not 443, ` +
      "and no path (IPv6 with a port: `[fd00::1]:8443`)",
    ]);
  });
}

for (
  const [title, keys] of [
    ["a file", { APITokenFile: "/token" }],
    ["a Secret and its key", { APITokenSecret: { name: "fa1", key: "api" } }],
    ["a Secret by its usual key", { APITokenSecret: { name: "fa1" } }],
    ["blanks around it", { APIToken: ` ${TOKEN} ` }],
  ] as const
) {
  Deno.test(`readArrays() reads a token from ${title}`, async () => {
    const { arrays, texts } = await read({ FlashArrays: [{ MgmtEndPoint: "fa1", ...keys }] });
    assert.deepEqual([arrays[0]?.token.reveal(), texts], [TOKEN, []]);
  });
}

Deno.test("readArrays() takes keys in any case, as PSO's driver did, and names the right spelling", async () => {
  const { arrays, texts } = await read({
    flashblades: [{
      mgmtEndpoint: "fb1",
      apitoken: TOKEN,
      NfsEndPoint: "fb1-data",
      labels: { env: "x" },
    }],
  });
  assert.deepEqual(arrays.map((array) => array.kind === "flashblade" && array.nfsEndpoint), [
    "fb1-data",
  ]);
  assert.deepEqual(texts, [
    "warning: arrays.flashblades has letters of the wrong case: write arrays.FlashBlades",
    "warning: arrays.FlashBlades[0].mgmtEndpoint has letters of the wrong case: write MgmtEndPoint",
    "warning: arrays.FlashBlades[0].apitoken has letters of the wrong case: write APIToken",
    "warning: arrays.FlashBlades[0].NfsEndPoint is an old spelling: write NFSEndPoint",
    "warning: arrays.FlashBlades[0].labels has letters of the wrong case: write Labels",
  ]);
});

Deno.test("readArrays() takes a fingerprint in every usual form as node:tls writes it", async () => {
  const plain = FINGERPRINT.replaceAll(":", "").toLowerCase();
  for (
    const CertFingerprint of [
      FINGERPRINT,
      FINGERPRINT.toLowerCase(),
      plain,
      `sha256:${plain}`,
      `SHA256 Fingerprint=${FINGERPRINT}`,
    ]
  ) {
    const { arrays, texts } = await read({ FlashArrays: [{ ...FLASHARRAY, CertFingerprint }] });
    assert.deepEqual([arrays[0]?.tls, texts], [{ verify: true, fingerprint: FINGERPRINT }, []]);
  }
});

Deno.test("readArrays() takes the text of a CA certificate", async () => {
  const { arrays, texts } = await read({ FlashArrays: [{ ...FLASHARRAY, CACert: PEM }] });
  assert.deepEqual([arrays[0]?.tls, texts], [{ verify: true, caPem: PEM.trim() }, []]);
});

const FA = "arrays.FlashArrays[0]";
const CREATE = "create one with `pureadmin create --api-token`";
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
    const { arrays, texts } = await read({ FlashArrays: [{ ...FLASHARRAY, ...keys }] });
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
      (await read({ FlashArrays: [{ ...FLASHARRAY, ...keys }] })).texts[0],
      `error: ${text}`,
    );
  });
}

for (
  const [endpoint, text] of [
    [
      null,
      "is missing: give the address of a data interface of the FlashBlade, from which the " +
      "nodes mount",
    ],
    ["fb1:/share", 'is "fb1:/share", wanted a host name or an IP address, without port and path'],
    [
      "10.0.0.5:2049",
      'is "10.0.0.5:2049", wanted a host name or an IP address, without port and path',
    ],
    [5, "is a number, wanted a text: put it in quotes"],
  ]
) {
  Deno.test(`readArrays() refuses NFSEndPoint ${JSON.stringify(endpoint)}`, async () => {
    const { arrays, texts } = await read({
      FlashBlades: [{ ...FLASHBLADE, NFSEndPoint: endpoint }],
    });
    assert.deepEqual([arrays, texts], [[], [`error: arrays.FlashBlades[0].NFSEndPoint ${text}`]]);
  });
}

const SECTION_FAULTS: [unknown, string[]][] = [
  [undefined, ["arrays lists no array: add an entry to arrays.FlashArrays or arrays.FlashBlades"]],
  [{ FlashArrays: [], FlashBlades: null }, [
    "arrays lists no array: add an entry to arrays.FlashArrays or arrays.FlashBlades",
  ]],
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
    assert.deepEqual((await read(section)).texts, wanted.map((text) => `error: ${text}`));
  });
}

Deno.test("readArrays() refuses an address or a name that an earlier entry has, also of the other kind and beside other faults", async () => {
  const { texts } = await read({
    FlashArrays: [{ ...FLASHARRAY, Name: "One" }, { MgmtEndPoint: "https://FA1:443" }, {
      ...FLASHARRAY,
      MgmtEndPoint: "fa2",
      Name: "one",
    }],
    FlashBlades: [{ ...FLASHBLADE, MgmtEndPoint: "fa2" }],
  });
  const fix = "list each array once, under a name of its own";
  assert.deepEqual(texts, [
    `error: arrays.FlashArrays[1].APIToken is missing: ${CREATE}`,
    `error: arrays.FlashArrays[1].MgmtEndPoint is "fa1", as in ${FA}: ${fix}`,
    `error: arrays.FlashArrays[2].Name is "one", as in ${FA}: ${fix}`,
    `error: arrays.FlashBlades[0].MgmtEndPoint is "fa2", as in arrays.FlashArrays[2]: ${fix}`,
  ]);
});
