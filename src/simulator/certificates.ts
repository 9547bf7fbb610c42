import { createPrivateKey, X509Certificate } from "node:crypto";
import { messageOf, PsoError } from "../errors.ts";
import type { Run } from "../run.ts";

/** PEM files of an array: what it shows itself with, and the key. */
export interface Certificate {
  certPath: string;
  keyPath: string;
}

/** Where and for which address certificateFor() makes a certificate. */
interface CertificateOptions {
  folder: string;
  run: Run;
  /** An IP address other than 127.0.0.1 gets into the certificate too. */
  hostname: string;
}

const DAYS = 3650;

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * The certificate of a simulated array in `folder`, made by openssl(1) when it is not there:
 * self-signed, CA:TRUE as real arrays ship them, for 127.0.0.1, localhost and the name. It can be
 * pinned or given as a CA. A later start finds the same one.
 */
export async function certificateFor(
  name: string,
  options: CertificateOptions,
): Promise<Certificate> {
  const [certPath, keyPath] = [`${options.folder}/${name}.pem`, `${options.folder}/${name}.key`];
  if (isThere(certPath) && isThere(keyPath)) return { certPath, keyPath };
  Deno.mkdirSync(options.folder, { recursive: true });
  const address = /^[\d.]+$|:/.test(options.hostname) && options.hostname !== "127.0.0.1"
    ? `,IP:${options.hostname}`
    : "";
  await options.run("openssl", [
    ...[
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      String(DAYS),
    ],
    ...["-subj", `/O=PSO simulator/CN=${name}`],
    ...["-addext", `subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:${name}${address}`],
    ...[
      "-addext",
      "basicConstraints=critical,CA:TRUE",
      "-keyout",
      keyPath,
      "-out",
      `${certPath}.new`,
    ],
  ]);
  Deno.chmodSync(keyPath, 0o600);
  // The certificate comes last and whole: a crash before leaves no pair that would be taken for
  // finished.
  Deno.renameSync(`${certPath}.new`, certPath);
  return { certPath, keyPath };
}

/** What every array of a fleet is reached with, known before the fleet starts. */
export interface Credentials {
  /** API token. */
  token: string;
  /** Absent without TLS. */
  certificate?: Certificate;
}

/**
 * Reads a folder with the files `token`, `tls.crt` and `tls.key`, as Kubernetes mounts a Secret:
 * blanks and newlines around the token do not count. With `http` only the token is read. PsoError
 * `invalid`, which names the file, when one is missing or empty, when the token has characters that
 * a header cannot carry, when a PEM text cannot be read, and when the key is not that of the
 * certificate.
 */
export function readCredentials(folder: string, { http }: { http: boolean }): Credentials {
  const token = read(`${folder}/token`).trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new PsoError(
      "invalid",
      `the API token in ${folder}/token is ${
        token === "" ? "empty" : "no single word of ASCII"
      }: ` +
        "write one word there, for example a UUID",
    );
  }
  if (http) return { token };
  const certificate = { certPath: `${folder}/tls.crt`, keyPath: `${folder}/tls.key` };
  checkPair(certificate);
  return { token, certificate };
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new PsoError(
      "invalid",
      `${path} cannot be read: ${messageOf(error)}; the folder of --credentials needs the files ` +
        "token, tls.crt and tls.key, or with --http the token alone",
      { cause: error },
    );
  }
}

/** A wrong pair would be found by the first client only, and told to the client only. */
function checkPair({ certPath, keyPath }: Certificate): void {
  const certificate = parsed(certPath, (pem) => new X509Certificate(pem));
  const key = parsed(keyPath, (pem) => createPrivateKey(pem));
  if (certificate.checkPrivateKey(key)) return;
  throw new PsoError(
    "invalid",
    `the key in ${keyPath} is not that of the certificate in ${certPath}: put both of one pair ` +
      "there",
  );
}

function parsed<T>(path: string, parse: (pem: string) => T): T {
  const pem = read(path);
  try {
    return parse(pem);
  } catch (error) {
    throw new PsoError(
      "invalid",
      `${path} cannot be understood: ${messageOf(error)}; wanted a PEM text`,
      { cause: error },
    );
  }
}
