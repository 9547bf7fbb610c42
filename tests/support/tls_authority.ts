/** Certificates for tests, each wrong in one thing or in none, made by openssl(1). */
import { NEW_KEY, openssl } from "./openssl.ts";

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

/** How one certificate is made; what is absent is as it should be. */
export interface CertificateOptions {
  /** Lines of an extension file. */
  extensions?: string;
  /** Common name. */
  name?: string;
  /** The certificate that signs, by its file; `self`: its own key does. */
  issuer?: string;
  /** `YYYYMMDDHHMMSSZ` */
  start?: string;
  end?: string;
  /** Options of openssl-req(1) for the key. */
  key?: readonly string[];
  digest?: string;
  /** The file of a certificate whose key this one has too. */
  keyOf?: string;
}

/** Extensions of a server's certificate for 127.0.0.1, and of an authority's. */
export const SERVER = "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
export const AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n";
export const PAST = { start: "20200101000000Z", end: "20200201000000Z" };
export const FUTURE = { start: "20900101000000Z", end: "20910101000000Z" };

/** A folder of certificates: `NAME.pem` and `NAME.key` for each name that was made. */
export class TlsAuthority {
  private constructor(readonly folder: string) {}

  /** Runs `work` over a folder of its own, which holds the authority `ca`. */
  static async use(work: (authority: TlsAuthority) => Promise<void>): Promise<void> {
    const folder = await Deno.makeTempDir({ prefix: "pso-tls-" });
    try {
      const authority = new TlsAuthority(folder);
      await Deno.writeTextFile(`${folder}/ca.cnf`, CONFIG);
      await Deno.writeTextFile(`${folder}/index`, "");
      await Deno.writeTextFile(`${folder}/serial`, "01\n");
      await authority.make("ca", { extensions: AUTHORITY, name: "array ca", issuer: "self" });
      await work(authority);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }

  async make(
    file: string,
    {
      extensions = SERVER,
      name = "127.0.0.1",
      issuer = "ca",
      start = "20200101000000Z",
      end = "20900101000000Z",
      key = NEW_KEY,
      digest = "sha256",
      keyOf,
    }: CertificateOptions = {},
  ): Promise<void> {
    const { folder } = this;
    await Deno.writeTextFile(`${folder}/ext`, extensions);
    if (keyOf !== undefined) await Deno.copyFile(`${folder}/${keyOf}.key`, `${folder}/${file}.key`);
    const made = keyOf === undefined ? [...key, "-keyout", `${file}.key`] : ["-key", `${file}.key`];
    await openssl(folder, ["req", "-new", ...made, "-out", `${file}.csr`, "-subj", `/CN=${name}`]);
    const signer = issuer === "self"
      ? ["-selfsign", "-keyfile", `${file}.key`]
      : ["-cert", `${issuer}.pem`, "-keyfile", `${issuer}.key`];
    await openssl(folder, [
      ...["ca", "-batch", "-notext", "-config", "ca.cnf", ...signer, "-md", digest],
      ...["-in", `${file}.csr`, "-out", `${file}.pem`, "-extfile", "ext"],
      ...["-startdate", start, "-enddate", end],
    ]);
  }

  /** The certificates of these names, one after another. */
  pem(...files: string[]): string {
    return files.map((file) => Deno.readTextFileSync(`${this.folder}/${file}.pem`)).join("");
  }

  key(file: string): string {
    return Deno.readTextFileSync(`${this.folder}/${file}.key`);
  }
}
