// Certificates that must not get a token: each is refused before a byte of the request leaves.
import { equal, ok } from "node:assert/strict";
import { NEW_KEY, openssl } from "../../tests/support/openssl.ts";
import { HttpsClient, TransportError } from "./https.ts";

const CONFIG = `
[ca]
default_ca = authority
[authority]
database = index
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
`;

interface Certificate {
  /** What the answer of the test is called. */
  name: string;
  extensions?: string;
  start?: string;
  end?: string;
  issuer?: "ca" | "other" | "leaf";
}

const GOOD = "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
const REFUSED: Certificate[] = [
  { name: "that has expired", start: "20200101000000Z", end: "20200201000000Z" },
  { name: "that is not valid yet", start: "20900101000000Z", end: "20910101000000Z" },
  { name: "of another name", extensions: "subjectAltName=DNS:other.example\n" },
  { name: "of another address", extensions: "subjectAltName=IP:127.0.0.2\n" },
  { name: "with the address as a name", extensions: "subjectAltName=DNS:127.0.0.1\n" },
  { name: "with a star for the address", extensions: "subjectAltName=DNS:*\n" },
  { name: "for clients only", extensions: `${GOOD}extendedKeyUsage=clientAuth\n` },
  { name: "of another authority", issuer: "other" },
  { name: "that a server's certificate signed", issuer: "leaf" },
];

/** Authorities `ca` and `other`, and a server's certificate `leaf` of the first. */
async function authorities(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "pso-tls-" });
  await Deno.writeTextFile(`${folder}/ca.cnf`, CONFIG);
  await Deno.writeTextFile(`${folder}/index`, "");
  await Deno.writeTextFile(`${folder}/serial`, "01\n");
  for (const name of ["ca", "other"]) {
    const files = ["-keyout", `${name}.key`, "-out", `${name}.pem`];
    await openssl(folder, [
      "req",
      "-x509",
      ...NEW_KEY,
      ...files,
      "-days",
      "9",
      "-subj",
      "/CN=array ca",
    ]);
  }
  await sign(folder, "leaf", {});
  return folder;
}

async function sign(
  folder: string,
  file: string,
  { extensions = GOOD, start, end, issuer = "ca" }: Partial<Certificate>,
): Promise<void> {
  await Deno.writeTextFile(`${folder}/ext`, extensions);
  const request = ["-keyout", `${file}.key`, "-out", `${file}.csr`, "-subj", "/CN=127.0.0.1"];
  await openssl(folder, ["req", "-new", ...NEW_KEY, ...request]);
  await openssl(folder, [
    "ca",
    "-batch",
    "-notext",
    "-config",
    "ca.cnf",
    "-cert",
    `${issuer}.pem`,
    "-keyfile",
    `${issuer}.key`,
    "-in",
    `${file}.csr`,
    "-out",
    `${file}.pem`,
    "-extfile",
    "ext",
    ...start === undefined ? ["-days", "2"] : ["-startdate", start, "-enddate", end ?? start],
  ]);
}

/** What a client that trusts `ca` alone gets of a server with this certificate; requests seen. */
async function outcomeOf(folder: string, file: string, chain: string[]) {
  const read = (name: string) => Deno.readTextFileSync(`${folder}/${name}`);
  let seen = 0;
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    cert: [file, ...chain].map((name) => read(`${name}.pem`)).join(""),
    key: read(`${file}.key`),
  }, () => {
    seen++;
    return new Response("{}");
  });
  const address = `127.0.0.1:${server.addr.port}`;
  const client = new HttpsClient({ address, tls: { verify: true, caPem: read("ca.pem") } });
  const headers = { "api-token": "canary" };
  const outcome = await client.fetch({ method: "POST", path: "/api/login", headers }).then(
    ({ status }) => status,
    (error: unknown) => error,
  );
  client.close();
  await server.shutdown();
  return { outcome, seen };
}

Deno.test("a certificate is refused before a byte of the request leaves, unless all of it is right", async (t) => {
  const folder = await authorities();
  const { outcome, seen } = await outcomeOf(folder, "leaf", []);
  equal(outcome, 200);
  equal(seen, 1);
  for (const [index, certificate] of REFUSED.entries()) {
    await t.step(`one ${certificate.name}`, async () => {
      const file = `refused${index}`;
      await sign(folder, file, certificate);
      const chain = certificate.issuer === "leaf" ? ["leaf"] : [];
      const { outcome, seen } = await outcomeOf(folder, file, chain);
      ok(outcome instanceof TransportError, `answered ${outcome}`);
      equal(outcome.code, "denied", outcome.message);
      equal(outcome.sent, false);
      equal(seen, 0);
    });
  }
  await Deno.remove(folder, { recursive: true });
});
