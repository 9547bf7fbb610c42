/** The system's own CA certificates, which belong to a process: each case is one of its own. */
import { equal, match } from "node:assert/strict";
import { DENO, ROOT } from "../scripts/program.ts";
import { AUTHORITY, type CertificateOptions, PAST, TlsAuthority } from "./support/tls_authority.ts";

interface Case extends CertificateOptions {
  what: string;
  said: RegExp;
  chain?: string[];
  /** What the process is told of CAs; absent: that `ca` is the system's. */
  env?: (folder: string) => Record<string, string>;
}

const REFUSED = /^denied: .* checked against the system's and Mozilla's CA certificates; configure/;
const CASES: Case[] = [
  { what: "that a CA of the system signed", said: /^200$/ },
  {
    what: "below an intermediate of a CA of the system",
    issuer: "intermediate",
    chain: ["intermediate"],
    said: /^200$/,
  },
  {
    what: "of another name",
    extensions: "subjectAltName=IP:192.0.2.1",
    said: REFUSED,
  },
  { what: "that has expired", ...PAST, said: REFUSED },
  {
    what: "with a common name alone",
    extensions: "basicConstraints=CA:FALSE",
    said: REFUSED,
  },
  { what: "of a CA that the system does not have", issuer: "other", said: REFUSED },
  { what: "that signed itself", issuer: "self", said: REFUSED },
  {
    what: "of a CA of the system, when a person wants Mozilla's alone",
    env: (folder) => ({ SSL_CERT_FILE: `${folder}/ca.pem`, DENO_TLS_CA_STORE: "mozilla" }),
    said: REFUSED,
  },
  {
    what: "on a system without CAs",
    env: (folder) => ({ SSL_CERT_FILE: `${folder}/none`, SSL_CERT_DIR: `${folder}/none` }),
    said: REFUSED,
  },
];

/** What a process with CAs of its own gets of a server. */
async function ask(port: number, env: Record<string, string>): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(DENO, {
    args: [
      ...["run", "-A", "--quiet", "--no-check", "--config", `${ROOT}/deno.json`],
      ...[`${ROOT}/tests/support/tls_client.ts`, `127.0.0.1:${port}`],
    ],
    env,
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout) || new TextDecoder().decode(stderr);
}

Deno.test("without a CA in its entry, an array is trusted by those of the system", (t) =>
  TlsAuthority.use(async (authority) => {
    const { folder } = authority;
    await authority.make("other", { extensions: AUTHORITY, name: "other", issuer: "self" });
    await authority.make("intermediate", { extensions: AUTHORITY, name: "intermediate" });
    for (const [index, one] of CASES.entries()) {
      await t.step(`one ${one.what}`, async () => {
        const file = `server${index}`;
        await authority.make(file, one);
        let seen = 0;
        const server = Deno.serve({
          hostname: "127.0.0.1",
          port: 0,
          onListen: () => {},
          cert: authority.pem(file, ...one.chain ?? []),
          key: authority.key(file),
        }, () => {
          seen++;
          return new Response("{}");
        });
        const env = one.env?.(folder) ?? { SSL_CERT_FILE: `${folder}/ca.pem` };
        const outcome = await ask(server.addr.port, env);
        await server.shutdown();
        match(outcome, one.said);
        equal(seen, outcome === "200" ? 1 : 0);
      });
    }
  }));
