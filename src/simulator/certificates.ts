import type { Run } from "../run.ts";

/** PEM files of one array: its certificate, which is its own CA, and the key. */
interface Certificate {
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
