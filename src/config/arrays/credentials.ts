import { fileFault } from "../../errors.ts";
import type { TlsTrust } from "../../net/tls_handshakes.ts";
import { Secret } from "../../secret.ts";
import { ForbiddenFile, NAMED_FILES_FOLDER } from "./named_files.ts";
import { type Entry, isBadType, optionalText } from "./entry.ts";
import { isToken, kindOf, shown } from "../problems.ts";
import { isMapping } from "../tree.ts";
import { readSwitch } from "../values.ts";
import { CONFIG_LIMITS } from "../model.ts";

/** The name of a Secret that `APITokenSecret` names, and of its key. */
export const SECRET_NAME = /^[-._a-zA-Z0-9]{1,253}$/;

/** Where the chart mounts the Secrets that `APITokenSecret` names: `<folder>/<name>/<key>`. */
const TOKEN_SECRETS_FOLDER = `${NAMED_FILES_FOLDER}/tokens`;

/**
 * The API token of an entry, from the one of its three keys that is set. Undefined after telling
 * the entry's problems why there is none; no problem ever holds the token.
 */
export async function readToken(entry: Entry): Promise<Secret | undefined> {
  const { path, values, problems } = entry;
  const sources = ["APIToken", "APITokenFile", "APITokenSecret"].filter((name) => values.has(name));
  if (sources.length > 1) {
    problems.error(`${path}.${sources[1]}`, {
      found: `stands beside ${sources[0]}`,
      fix: "keep one of them",
    });
    return undefined;
  }
  if (sources[0] === "APITokenFile") {
    return await tokenFromFile(entry, {
      name: "APITokenFile",
      file: optionalText(entry, "APITokenFile"),
    });
  }
  if (sources[0] === "APITokenSecret") {
    return await tokenFromFile(entry, { name: "APITokenSecret", file: secretPath(entry) });
  }
  const text = optionalText(entry, "APIToken");
  if (text !== undefined) return new Secret(text);
  if (!isBadType(entry, "APIToken")) {
    problems.error(`${path}.APIToken`, {
      found: "is missing",
      fix: "create one with `pureadmin create --api-token`",
    });
  }
  return undefined;
}

function secretPath({ path, values, problems }: Entry): string | undefined {
  const reference = values.get("APITokenSecret");
  const { name, key = "token" } = isMapping(reference) ? reference : {};
  const isPlain = (text: unknown) =>
    typeof text === "string" && SECRET_NAME.test(text) && !text.includes("..");
  if (isPlain(name) && isPlain(key)) return `${TOKEN_SECRETS_FOLDER}/${name}/${key}`;
  problems.error(`${path}.APITokenSecret`, {
    found: `is ${kindOf(reference)}`,
    wanted: "{name, key} of a Kubernetes Secret",
  });
  return undefined;
}

/** A file, and the key of the entry that names it. */
interface NamedFile {
  name: string;
  file: string;
}

async function tokenFromFile(
  entry: Entry,
  { name, file }: Pick<NamedFile, "name"> & Partial<NamedFile>,
): Promise<Secret | undefined> {
  if (file === undefined) {
    if (name === "APITokenFile" && !isBadType(entry, name)) {
      entry.problems.error(`${entry.path}.${name}`, {
        found: "is empty",
        wanted: "the path of a file that holds the token",
      });
    }
    return undefined;
  }
  if (isToken(file)) {
    entry.problems.error(`${entry.path}.${name}`, {
      found: "holds a token",
      wanted: "the path of a file",
      fix: "call the key APIToken",
    });
    return undefined;
  }
  const text = await readNamedFile(entry, { name, file });
  if (text === undefined) return undefined;
  if (text.length <= CONFIG_LIMITS.tokenChars && /^\S+$/.test(text.trim())) {
    return new Secret(text.trim());
  }
  const fix = "create one with `pureadmin create --api-token`";
  entry.problems.error(`${entry.path}.${name}`, {
    found: `names ${file}, which ${text.trim() === "" ? "is empty" : "holds more than one token"}`,
    fix,
  });
  return undefined;
}

/** Where what a key names can be, when it may not be where it is. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  APITokenFile: "put the token into a Secret, and name that by APITokenSecret",
  CACert: "write the certificate itself there, from -----BEGIN CERTIFICATE----- on, or make it a " +
    `key of the Secret with the arrays, and name it ${NAMED_FILES_FOLDER}/KEY`,
};

async function readNamedFile(
  { path, problems, readTextFile }: Entry,
  { name, file }: NamedFile,
): Promise<string | undefined> {
  try {
    return await readTextFile(file);
  } catch (error) {
    if (error instanceof ForbiddenFile) {
      const { why, fix = ELSEWHERE[name] } = error;
      problems.error(`${path}.${name}`, { found: `names ${file}, which ${why}`, fix });
      return undefined;
    }
    const why = fileFault(error);
    const fix = name === "APITokenSecret"
      ? "only the controller's pod has it mounted; elsewhere use APITokenFile"
      : undefined;
    problems.error(`${path}.${name}`, { found: `names ${file}, which ${why}`, fix });
    return undefined;
  }
}

/**
 * How the certificate of an entry's array is checked; its CA file is read here. Undefined after
 * telling the entry's problems what is wrong. Without verification a warning is told.
 */
export async function readTls(entry: Entry): Promise<TlsTrust | undefined> {
  const { path, values, problems } = entry;
  const verify = readSwitch(values.get("TLSVerify") ?? true);
  if (verify === undefined) {
    problems.error(`${path}.TLSVerify`, {
      found: `is ${shown(values.get("TLSVerify"))}`,
      wanted: "true or false",
    });
  }
  const fingerprint = readFingerprint(entry);
  const ca = await readCa(entry);
  if (verify === undefined || fingerprint === "bad" || ca === "bad") return undefined;
  if (!verify) {
    const pinned = fingerprint ? ", and CertFingerprint is not looked at" : "";
    const found =
      `is false, so that whoever answers at the array's address gets its API token${pinned}`;
    problems.warn(`${path}.TLSVerify`, {
      found,
      fix: "pin the certificate by CertFingerprint (`pso-bin admin check` prints it)",
    });
  }
  return { verify, ...ca, ...(fingerprint === undefined ? {} : { fingerprint }) };
}

function readFingerprint(entry: Entry): string | undefined | "bad" {
  const text = optionalText(entry, "CertFingerprint");
  if (text === undefined) return isBadType(entry, "CertFingerprint") ? "bad" : undefined;
  const digits = text.replace(/^sha-?256[:=\s]*(fingerprint=)?/i, "").replaceAll(":", "")
    .toUpperCase();
  if (/^[0-9A-F]{64}$/.test(digits)) return digits.replace(/..(?=.)/g, "$&:");
  const count = `${digits.length} characters without the colons`;
  const why = /^[0-9A-F]{40}$/.test(digits)
    ? "is a SHA-1 fingerprint"
    : `is ${shown(text)} (${count})`;
  entry.problems.error(`${entry.path}.CertFingerprint`, {
    found: why,
    wanted: "the 64 hexadecimal digits of a SHA-256 fingerprint",
    fix: "`pso-bin admin check` prints it",
  });
  return "bad";
}

async function readCa(entry: Entry): Promise<Pick<TlsTrust, "caPem"> | "bad"> {
  const text = optionalText(entry, "CACert");
  if (text === undefined) return isBadType(entry, "CACert") ? "bad" : {};
  const isInline = text.includes("-----BEGIN");
  const caPem = isInline ? text : await readNamedFile(entry, { name: "CACert", file: text });
  if (caPem === undefined) return "bad";
  if (holdsCertificate(caPem)) return { caPem };
  entry.problems.error(`${entry.path}.CACert`, {
    found: isInline ? "holds no whole certificate" : `names ${text}, which holds no certificate`,
    wanted: "PEM text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----",
  });
  return "bad";
}

/** Looked for by its two marks: a pattern of both takes the square of a text of many first ones. */
function holdsCertificate(pem: string): boolean {
  const [begin, end] = ["-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"];
  const from = pem.indexOf(begin);
  return from >= 0 && pem.lastIndexOf(end) > from + begin.length;
}
