// Handshakes that come to no certificate, or that change in the middle of an array's life: nothing
// is sent, and the refusal says what is wrong there.
import { equal, match, ok } from "node:assert/strict";
import {
  type CertificateOptions,
  SERVER,
  TlsAuthority,
} from "../../tests/support/tls_authority.ts";
import { HttpsClient, TransportError } from "./https.ts";
import type { TlsTrust } from "./tls_handshakes.ts";

/** openssl(1) answers a GET alone. */
const GET = { method: "GET", path: "/", headers: { "api-token": "canary" } } as const;

/** The ways to trust, over the authority `ca`. */
function ways(authority: TlsAuthority): [string, TlsTrust][] {
  return [
    ["a CA", { verify: true, caPem: authority.pem("ca") }],
    ["the system's CAs", { verify: true }],
    ["a fingerprint", { verify: true, fingerprint: "00".repeat(32) }],
    ["no check", { verify: false }],
  ];
}

async function outcomeOf(address: string, tls: TlsTrust): Promise<number | TransportError> {
  const client = new HttpsClient({ address, tls });
  try {
    return (await client.fetch(GET)).status;
  } catch (error) {
    ok(error instanceof TransportError, String(error));
    equal(error.sent, false, error.message);
    return error;
  } finally {
    client.close();
  }
}

/** A server of openssl(1), which speaks what the runtime's own refuses to; `work` gets its port. */
async function withOpenssl(
  { authority, file, args }: { authority: TlsAuthority; file: string; args: string[] },
  work: (address: string) => Promise<void>,
): Promise<void> {
  const child = new Deno.Command("openssl", {
    args: [
      ...["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", `${file}.pem`],
      ...["-key", `${file}.key`, ...args],
    ],
    cwd: authority.folder,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let said = "";
    for (;;) {
      const port = /^ACCEPT \S+:(\d+)$/m.exec(said)?.[1];
      if (port !== undefined) return await work(`127.0.0.1:${port}`);
      const { value, done } = await reader.read();
      if (done) throw new Error(`openssl s_server ended: ${said}`);
      said += value;
    }
  } finally {
    child.kill("SIGKILL");
    await reader.cancel();
    await child.status;
  }
}

const OLD = /it speaks no TLS 1\.2 or 1\.3, which are needed; update it, or enable them there/;
const NO_CIPHER = /it takes none of our ciphers, which are those of .*; enable them there/;
const UNREADABLE =
  /a second look showed none that can be read: if that stays so, give the array one/;
const RSA = ["-newkey", "rsa:2048", "-nodes"];
const WEAK_RSA = ["-newkey", "rsa:1024", "-nodes"];
const P521 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1", "-nodes"];
const CIPHER = "-cipher";
const WEAK = ":@SECLEVEL=0";

const SERVERS: {
  what: string;
  certificate?: CertificateOptions;
  args: string[];
  /** Absent: it is taken with a CA and without a check. */
  said?: RegExp;
}[] = [
  { what: "TLS 1.0", args: ["-tls1", CIPHER, `ALL${WEAK}`], said: OLD },
  { what: "TLS 1.1", args: ["-tls1_1", CIPHER, `ALL${WEAK}`], said: OLD },
  { what: "TLS 1.2", args: ["-tls1_2"] },
  { what: "TLS 1.3", args: ["-tls1_3"] },
  {
    what: "no cipher but one in CBC",
    args: ["-tls1_2", CIPHER, `ECDHE-ECDSA-AES128-SHA${WEAK}`],
    said: NO_CIPHER,
  },
  {
    what: "no cipher with forward secrecy",
    certificate: { key: RSA },
    args: ["-tls1_2", CIPHER, `AES256-GCM-SHA384${WEAK}`],
    said: NO_CIPHER,
  },
  {
    what: "no cipher but those of finite fields",
    certificate: { key: RSA },
    args: ["-tls1_2", CIPHER, "DHE-RSA-AES128-GCM-SHA256"],
    said: NO_CIPHER,
  },
  { what: "no cipher that encrypts", args: ["-tls1_2", CIPHER, `eNULL${WEAK}`], said: NO_CIPHER },
  {
    what: "no cipher that proves a key",
    args: ["-tls1_2", CIPHER, `aNULL${WEAK}`],
    said: NO_CIPHER,
  },
  { what: "a key of RSA with 2048 bits", certificate: { key: RSA }, args: [] },
  { what: "a key of P-521", certificate: { key: P521 }, args: [] },
  {
    what: "a key of RSA with 1024 bits",
    certificate: { key: WEAK_RSA },
    args: [CIPHER, `DEFAULT${WEAK}`],
    said: UNREADABLE,
  },
  {
    what: "a critical extension that nobody knows",
    certificate: { extensions: `${SERVER}1.2.3.4.5=critical,ASN1:UTF8String:x\n` },
    args: [],
    said: UNREADABLE,
  },
];

Deno.test("a server of old TLS, weak ciphers or weak keys gets nothing, and is told what it lacks", (t) =>
  TlsAuthority.use(async (authority) => {
    for (const [index, { what, certificate, args, said }] of SERVERS.entries()) {
      const file = `server${index}`;
      await authority.make(file, certificate);
      await withOpenssl({ authority, file, args }, async (address) => {
        for (const [by, tls] of ways(authority)) {
          const isTaken = said === undefined && ["a CA", "no check"].includes(by);
          await t.step(`${what} is ${isTaken ? "taken" : "refused"} by ${by}`, async () => {
            const outcome = await outcomeOf(address, tls);
            if (isTaken) return equal(outcome, 200, String(outcome));
            ok(outcome instanceof TransportError, `answered ${outcome}`);
            match(outcome.message, said ?? /is not trusted: .*pin/);
          });
        }
      });
    }
  }));

/** Whoever listens on the port of an array, and what it does with a client's hello. */
const LISTENERS: { what: string; talk: (one: Deno.Conn) => Promise<void>; said: RegExp }[] = [
  {
    what: "speaks plain HTTP",
    talk: (one) => say(one, new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")),
    said: /what listens there does not speak TLS; check address and port/,
  },
  {
    what: "speaks something else",
    talk: (one) => say(one, new TextEncoder().encode("SSH-2.0-OpenSSH_9.2p1\r\n")),
    said: /what listens there does not speak TLS; check address and port/,
  },
  {
    what: "hangs up at once",
    talk: () => Promise.resolve(),
    said: /the connection was closed before the answer \(ECONNRESET\); look at its state/,
  },
  {
    what: "hangs up after the hello",
    talk: (one) => say(one, new Uint8Array()),
    said: /the connection was closed before the answer \(ECONNRESET\); look at its state/,
  },
  {
    what: "hangs up in the middle of its own hello",
    talk: (one) => say(one, new Uint8Array([22, 3, 3, 0, 100, 2, 0, 0, 96, 3, 3])),
    said: /the connection was closed before the answer \(ECONNRESET\); look at its state/,
  },
  {
    what: "refuses the handshake",
    talk: (one) => say(one, new Uint8Array([21, 3, 3, 0, 2, 2, 40])),
    said: NO_CIPHER,
  },
  {
    what: "refuses for a reason of its own",
    talk: (one) => say(one, new Uint8Array([21, 3, 3, 0, 2, 2, 80])),
    said: /no connection was made; check what listens there \(.*InternalError\)/,
  },
];

/** Reads the client's hello, if it comes, and answers it with these bytes. */
async function say(one: Deno.Conn, bytes: Uint8Array): Promise<void> {
  await one.read(new Uint8Array(65_536));
  for (let sent = 0; sent < bytes.length;) sent += await one.write(bytes.subarray(sent));
}

Deno.test("whoever is no TLS server, or hangs up in the handshake, gets nothing, and is named", (t) =>
  TlsAuthority.use(async (authority) => {
    for (const { what, talk, said } of LISTENERS) {
      for (const [by, tls] of ways(authority)) {
        await t.step(`one that ${what}, with ${by}`, async () => {
          const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
          const serving = (async () => {
            for await (const one of listener) {
              await talk(one).catch(() => {}); // the client hung up
              one.close();
            }
          })();
          const address = `127.0.0.1:${listener.addr.port}`;
          const outcome = await outcomeOf(address, tls);
          listener.close();
          await serving;
          ok(outcome instanceof TransportError, `answered ${outcome}`);
          equal(outcome.code, "unavailable");
          match(outcome.message, said);
          ok(outcome.message.startsWith(`${address} cannot be reached: `), outcome.message);
        });
      }
    }
  }));

/** What an array shows after it was restarted, by what it was trusted with before. */
const CHANGES: { to: CertificateOptions; what: string; pin: boolean; ca: boolean }[] = [
  { what: "the same certificate", to: {}, pin: true, ca: true },
  { what: "a renewed certificate of the same key", to: { keyOf: "before" }, pin: false, ca: true },
  { what: "a new key of the same CA", to: {}, pin: false, ca: true },
  { what: "a key that signed itself", to: { issuer: "self" }, pin: false, ca: false },
  {
    what: "a certificate for another address",
    to: { extensions: "subjectAltName=IP:127.0.0.2" },
    pin: false,
    ca: false,
  },
];

Deno.test("a certificate that changes in the middle of an array's life is judged anew", (t) =>
  TlsAuthority.use(async (authority) => {
    await authority.make("before");
    for (const [index, { what, to, pin, ca }] of CHANGES.entries()) {
      const after = index === 0 ? "before" : `after${index}`;
      if (index > 0) await authority.make(after, to);
      for (const by of ["pin", "ca"] as const) {
        const isTaken = by === "pin" ? pin : ca;
        await t.step(`${what} is ${isTaken ? "taken" : "refused"} by ${by}`, async () => {
          let seen = 0;
          const serve = (file: string, port: number) =>
            Deno.serve({
              hostname: "127.0.0.1",
              port,
              onListen: () => {},
              cert: authority.pem(file),
              key: authority.key(file),
            }, () => {
              seen++;
              return new Response("{}");
            });
          const first = serve("before", 0);
          const { port } = first.addr;
          const address = `127.0.0.1:${port}`;
          const look = new HttpsClient({ address, tls: { verify: false } });
          const fingerprint = await look.presentedFingerprint();
          look.close();
          const tls = by === "pin"
            ? { verify: true, fingerprint }
            : { verify: true, caPem: authority.pem("ca") };
          const client = new HttpsClient({ address, tls });
          equal((await client.fetch(GET)).status, 200);
          await first.shutdown();
          const second = serve(after, port);
          const ask = () => client.fetch(GET).then(({ status }) => status, (error) => error);
          // The first finds that the kept connection has died.
          const lost = await ask();
          equal(lost.code, "unavailable", String(lost));
          const outcome = await ask();
          client.close();
          await second.shutdown();
          if (isTaken) return equal(outcome, 200, String(outcome));
          ok(outcome instanceof TransportError, `answered ${outcome}`);
          equal(outcome.code, "denied");
          match(outcome.message, by === "pin" ? /pin the new one/ : /is not trusted: .*pin it/);
          equal(outcome.sent, false);
          equal(seen, 1, "the second server saw no request");
        });
      }
    }
  }));
