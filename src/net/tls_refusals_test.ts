// Which certificates get a token, by each way to trust: every other one is refused before a byte of
// the request leaves, and the refusal says what to do.
import { equal, match, ok } from "node:assert/strict";
import {
  AUTHORITY,
  type CertificateOptions,
  FUTURE,
  PAST,
  SERVER,
  TlsAuthority,
} from "../../tests/support/tls_authority.ts";
import { HttpsClient, TransportError } from "./https.ts";
import type { TlsTrust } from "./tls_handshakes.ts";

interface Row extends CertificateOptions {
  /** What the server's certificate is. */
  what: string;
  /** Whether a client that is given `CACert` takes it. */
  isTaken: boolean;
  /** What the server sends beside its certificate. */
  chain?: string[];
  /** `CACert`; absent: `ca`. `own`: the server's certificate. */
  trusted?: string;
  /** By what name the array is configured; absent: its address. */
  host?: string;
}

const san = (names: string) => `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`;

/** What stands between `ca` and the certificates of the rows. */
const BETWEEN: Record<string, CertificateOptions> = {
  other: { extensions: AUTHORITY, name: "array ca", issuer: "self" },
  strange: { extensions: AUTHORITY, name: "strange ca", issuer: "self" },
  intermediate: { extensions: AUTHORITY, name: "intermediate" },
  leaf: {},
  endless: { extensions: AUTHORITY, name: "expired intermediate", ...PAST },
  unsigning: {
    extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=digitalSignature\n",
    name: "intermediate that may sign nothing",
  },
  last: {
    extensions: "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\n",
    name: "intermediate above servers alone",
  },
  afterLast: { extensions: AUTHORITY, name: "intermediate too much", issuer: "last" },
  bound: {
    extensions: `${AUTHORITY}nameConstraints=critical,permitted;IP:192.0.2.0/255.255.255.0\n`,
    name: "intermediate for other addresses",
  },
};

const ROWS: Row[] = [
  { what: "for its address", isTaken: true },
  { what: "for its name", isTaken: true, extensions: san("DNS:localhost"), host: "localhost" },
  {
    what: "for its name in capitals",
    isTaken: true,
    extensions: san("DNS:LOCALHOST"),
    host: "localhost",
  },
  {
    what: "for its name and others",
    isTaken: true,
    extensions: san("DNS:a.example,DNS:localhost,IP:192.0.2.1"),
    host: "localhost",
  },
  { what: "of another name", isTaken: false, extensions: san("DNS:other.example") },
  {
    what: "of another name for a name",
    isTaken: false,
    extensions: san("DNS:other.example"),
    host: "localhost",
  },
  { what: "of another address", isTaken: false, extensions: san("IP:127.0.0.2") },
  { what: "with the address as a name", isTaken: false, extensions: san("DNS:127.0.0.1") },
  {
    what: "with the address, for a name",
    isTaken: false,
    extensions: san("IP:127.0.0.1"),
    host: "localhost",
  },
  { what: "with a star for the address", isTaken: false, extensions: san("DNS:*") },
  {
    what: "with a star for a whole name",
    isTaken: false,
    extensions: san("DNS:*"),
    host: "localhost",
  },
  {
    what: "with a star for the names below",
    isTaken: false,
    extensions: san("DNS:*.localhost"),
    host: "localhost",
  },
  {
    what: "with a common name alone",
    isTaken: false,
    extensions: "basicConstraints=CA:FALSE\n",
  },
  {
    what: "with a common name alone, for a name",
    isTaken: false,
    extensions: "basicConstraints=CA:FALSE\n",
    name: "localhost",
    host: "localhost",
  },
  {
    what: "with a common name, and an alternative that is no host's",
    isTaken: false,
    extensions: san("email:root@localhost"),
    name: "localhost",
    host: "localhost",
  },
  {
    what: "with a common name, and the name of another host",
    isTaken: false,
    extensions: san("DNS:other.example"),
    name: "localhost",
    host: "localhost",
  },
  { what: "that has expired", isTaken: false, ...PAST },
  { what: "that is not valid yet", isTaken: false, ...FUTURE },
  {
    what: "for clients only",
    isTaken: false,
    extensions: `${SERVER}extendedKeyUsage=clientAuth\n`,
  },
  {
    what: "for servers and clients",
    isTaken: true,
    extensions: `${SERVER}extendedKeyUsage=serverAuth,clientAuth\n`,
  },
  {
    what: "that is its own authority, as arrays ship it",
    isTaken: true,
    issuer: "self",
    trusted: "own",
    extensions: "subjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:TRUE\n",
  },
  { what: "that signed itself and is no authority", isTaken: true, issuer: "self", trusted: "own" },
  {
    what: "that signed itself, and is not the one that is trusted",
    isTaken: false,
    issuer: "self",
  },
  {
    what: "that signed itself and has expired",
    isTaken: false,
    issuer: "self",
    trusted: "own",
    ...PAST,
  },
  { what: "of another authority", isTaken: false, issuer: "strange" },
  {
    what: "of another authority with the name of the trusted one",
    isTaken: false,
    issuer: "other",
  },
  {
    what: "of another authority, which is sent",
    isTaken: false,
    issuer: "strange",
    chain: ["strange"],
  },
  {
    what: "of an intermediate that is sent",
    isTaken: true,
    issuer: "intermediate",
    chain: ["intermediate"],
  },
  { what: "of an intermediate that is missing", isTaken: false, issuer: "intermediate" },
  {
    what: "of an intermediate in place of which another is sent",
    isTaken: false,
    issuer: "intermediate",
    chain: ["last"],
  },
  {
    what: "of an intermediate that is configured too",
    isTaken: true,
    issuer: "intermediate",
    trusted: "both",
  },
  {
    what: "of an intermediate that has expired",
    isTaken: false,
    issuer: "endless",
    chain: ["endless"],
  },
  { what: "that a server's certificate signed", isTaken: false, issuer: "leaf", chain: ["leaf"] },
  {
    // The runtime asks whether it is an authority, and not what its key may be used for.
    what: "of an intermediate whose key usage leaves signing out",
    isTaken: true,
    issuer: "unsigning",
    chain: ["unsigning"],
  },
  {
    what: "below an intermediate too many",
    isTaken: false,
    issuer: "afterLast",
    chain: ["afterLast", "last"],
  },
  {
    what: "outside of the addresses of its authority",
    isTaken: false,
    issuer: "bound",
    chain: ["bound"],
  },
];

/** What a client gets of a server with this certificate, and how many requests arrived. */
async function outcomeOf(
  { cert, key, host = "127.0.0.1" }: { cert: string; key: string; host?: string },
  trust: (shown: string) => TlsTrust,
): Promise<{ outcome: unknown; seen: number }> {
  let seen = 0;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {}, cert, key },
    () => {
      seen++;
      return new Response("{}");
    },
  );
  const address = `${host}:${server.addr.port}`;
  const look = new HttpsClient({ address, tls: { verify: false } });
  const shown = await look.presentedFingerprint() ?? "none";
  look.close();
  const client = new HttpsClient({ address, tls: trust(shown) });
  const headers = { "api-token": "canary" };
  const outcome = await client.fetch({ method: "POST", path: "/api/login", headers }).then(
    ({ status }) => status,
    (error: unknown) => error,
  );
  client.close();
  await server.shutdown();
  return { outcome, seen };
}

/** Throws unless the certificate was taken or refused as it should, with a cure. */
function judge({ outcome, seen }: { outcome: unknown; seen: number }, isTaken: boolean): void {
  if (isTaken) {
    equal(outcome, 200, String(outcome));
    return equal(seen, 1);
  }
  ok(outcome instanceof TransportError, `answered ${outcome}`);
  equal(outcome.code, "denied", outcome.message);
  match(
    outcome.message,
    /^the certificate of \S+:\d+ is not trusted: .*(configure the CA that signed it, or pin it: its SHA-256 fingerprint is [0-9A-F:]{95} |its SHA-256 fingerprint is [0-9A-F:]{95} and the pinned one is [0-9A-F:]{95}; if it was changed on purpose, pin the new one)/,
  );
  equal(outcome.sent, false);
  equal(seen, 0);
}

Deno.test("a certificate gets a token only when all of it is right, by each way to trust", (t) =>
  TlsAuthority.use(async (authority) => {
    for (const [file, options] of Object.entries(BETWEEN)) await authority.make(file, options);
    const wrong = "00".repeat(32);
    for (const [index, row] of ROWS.entries()) {
      const file = `server${index}`;
      await authority.make(file, row);
      const cert = authority.pem(file, ...row.chain ?? []);
      const server = { cert, key: authority.key(file), host: row.host };
      const trusted = { own: [file], both: ["ca", "intermediate"] }[row.trusted ?? ""] ?? ["ca"];
      const caPem = authority.pem(...trusted);
      const ways: [string, (shown: string) => TlsTrust, boolean][] = [
        ["a CA", () => ({ verify: true, caPem }), row.isTaken],
        ["the system's CAs", () => ({ verify: true }), false],
        ["its fingerprint", (shown) => ({ verify: true, fingerprint: shown }), true],
        ["another fingerprint", () => ({ verify: true, fingerprint: wrong }), false],
        [
          "another fingerprint, and its CA",
          () => ({ verify: true, caPem, fingerprint: wrong }),
          false,
        ],
        [
          "no check",
          () => ({ verify: false, caPem: authority.pem("other"), fingerprint: wrong }),
          true,
        ],
      ];
      for (const [by, trust, isTaken] of ways) {
        await t.step(`one ${row.what} is ${isTaken ? "taken" : "refused"} by ${by}`, async () => {
          judge(await outcomeOf(server, trust), isTaken);
        });
      }
    }
  }));
