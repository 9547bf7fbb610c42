import assert from "node:assert/strict";
import {
  CREATE,
  FA,
  FINGERPRINT,
  FLASHARRAY,
  PEM,
  readEntries,
  TOKEN,
} from "../../../tests/support/test_entries.ts";

const FLASHBLADE = { MgmtEndPoint: "fb1", APIToken: TOKEN, NFSEndPoint: "10.0.0.5" };

Deno.test("readArrays() reads both kinds with every key", async () => {
  const { arrays, texts } = await readEntries({
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
  const { texts } = await readEntries({ FlashArrays: [{ ...FLASHARRAY, Suspended: "maybe" }] });
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
    const { arrays, texts } = await readEntries({
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
  const { arrays, texts } = await readEntries({
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
    const { arrays, texts } = await readEntries({
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
    const { arrays, texts } = await readEntries({
      FlashArrays: [{ MgmtEndPoint: "fa1", ...keys }],
    });
    assert.deepEqual([arrays[0]?.token.reveal(), texts], [TOKEN, []]);
  });
}

Deno.test("readArrays() takes keys in any case, as PSO's driver did, and names the right spelling", async () => {
  const { arrays, texts } = await readEntries({
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
    const { arrays, texts } = await readEntries({
      FlashArrays: [{ ...FLASHARRAY, CertFingerprint }],
    });
    assert.deepEqual([arrays[0]?.tls, texts], [{ verify: true, fingerprint: FINGERPRINT }, []]);
  }
});

Deno.test("readArrays() takes the text of a CA certificate", async () => {
  const { arrays, texts } = await readEntries({ FlashArrays: [{ ...FLASHARRAY, CACert: PEM }] });
  assert.deepEqual([arrays[0]?.tls, texts], [{ verify: true, caPem: PEM.trim() }, []]);
});

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
    const { arrays, texts } = await readEntries({
      FlashBlades: [{ ...FLASHBLADE, NFSEndPoint: endpoint }],
    });
    assert.deepEqual([arrays, texts], [[], [`error: arrays.FlashBlades[0].NFSEndPoint ${text}`]]);
  });
}

Deno.test("readArrays() refuses an address or a name that an earlier entry has, also of the other kind and beside other faults", async () => {
  const { texts } = await readEntries({
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
