import { parseHostPort, printHostPort, withoutBrackets } from "../address.ts";
import { parseIp } from "../cidr.ts";
import type { ArrayConfig, ArrayTls } from "./model.ts";
import { ARRAY_KEYS, type ArrayKey } from "./array_keys.ts";
import { isToken, kindOf, type ProblemList, shown } from "./problems.ts";
import { isMapping } from "./tree.ts";
import { readSwitch } from "./values.ts";
import { messageOf } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { Secret } from "../secret.ts";

/** The key of the whole fleet in the values file. */
export const ARRAYS_KEY_PATH = "arrays";

/** Where the chart mounts the Secrets that `APITokenSecret` names: `<folder>/<name>/<key>`. */
export const TOKEN_SECRETS_FOLDER = "/etc/pure/tokens";

const LISTS = { FlashArrays: "flasharray", FlashBlades: "flashblade" } as const;
type Kind = ArrayConfig["kind"];

/** What reading the entries needs besides them. */
export interface ArraysContext {
  problems: ProblemList;
  /** Reads a file that an entry names. */
  readTextFile: (path: string) => Promise<string>;
}

/** One entry, its keys already under their right spelling. */
interface Entry extends ArraysContext {
  kind: Kind;
  path: string;
  values: Map<string, unknown>;
  /** Addresses and names of the entries before this one, and where they stand. */
  seen: Map<string, string>;
}

/**
 * The arrays of `sections` (each the content of `arrays`, which is also that of PSO's `pure.json`),
 * in the order of the files. Every fault goes to `problems`; entries with faults are left out.
 * Tokens and certificates in files are read here.
 */
export async function readArrays(
  sections: readonly unknown[],
  context: ArraysContext,
): Promise<ArrayConfig[]> {
  const { problems } = context;
  const lists = sections.flatMap((section) => namedLists(section, problems));
  const arrays: ArrayConfig[] = [];
  const seen = new Map<string, string>();
  let entries = 0;
  for (const [name, list] of lists) {
    for (const [index, value] of list.entries()) {
      entries++;
      const path = `arrays.${name}[${index}]`;
      const values = entryValues(value, { kind: LISTS[name], path, problems });
      const array = values &&
        await readEntry({ ...context, kind: LISTS[name], path, values, seen });
      if (array) arrays.push(array);
    }
  }
  if (entries === 0 && !problems.hasErrors) {
    problems.error("arrays", {
      found: "lists no array",
      fix: "add an entry to arrays.FlashArrays or arrays.FlashBlades",
    });
  }
  return arrays;
}

function namedLists(section: unknown, problems: ProblemList): [keyof typeof LISTS, unknown[]][] {
  const lists: [keyof typeof LISTS, unknown[]][] = [];
  if (section === null || section === undefined) return lists;
  if (!isMapping(section)) {
    problems.error("arrays", {
      found: `is ${kindOf(section)}`,
      wanted: "a mapping with the lists FlashArrays and FlashBlades",
    });
    return lists;
  }
  for (const [written, list] of Object.entries(section)) {
    const path = `arrays.${written}`;
    const name = (["FlashArrays", "FlashBlades"] as const).find((name) =>
      name.toLowerCase() === written.toLowerCase()
    );
    if (name === undefined) {
      const near = nearest(written, Object.keys(LISTS));
      problems.error(path, {
        found: "is not a known key",
        fix: near ? `did you mean arrays.${near}?` : "write FlashArrays or FlashBlades",
      });
    } else if (Array.isArray(list)) {
      if (name !== written) {
        problems.warn(path, {
          found: "has letters of the wrong case",
          fix: `write arrays.${name}`,
        });
      }
      lists.push([name, list]);
    } else if (list !== null && list !== undefined) {
      problems.error(path, {
        found: `is ${kindOf(list)}`,
        wanted: "a list of arrays, each beginning with `- `",
      });
    }
  }
  return lists;
}

/**
 * Values under their right names. PSO's driver did not tell upper from lower case in these keys
 * (Go's JSON decoder), so neither do we.
 */
function entryValues(
  value: unknown,
  { kind, path, problems }: { kind: Kind; path: string; problems: ProblemList },
) {
  if (!isMapping(value)) {
    problems.error(path, {
      found: `is ${kindOf(value)}`,
      wanted: "a mapping with MgmtEndPoint and APIToken",
    });
    return undefined;
  }
  const values = new Map<string, unknown>();
  for (const [written, one] of Object.entries(value)) {
    const key = findKey(written);
    if (!key || !key.kinds.includes(kind)) {
      if (key) {
        problems.error(`${path}.${written}`, {
          found: `is not for a ${KIND_NAMES[kind]}`,
          fix: "remove it",
        });
      } else {problems.error(`${path}.${written}`, {
          found: "is not a known key",
          fix: keyAdvice(written, kind),
        });}
      continue;
    }
    if (one === null || one === undefined) continue;
    if (values.has(key.name) && values.get(key.name) !== one) {
      problems.error(`${path}.${written}`, {
        found: `says something else than another spelling of ${key.name}`,
        fix: "keep one",
      });
    }
    if (key.name !== written) {
      const found = key.old?.includes(written)
        ? "is an old spelling"
        : "has letters of the wrong case";
      problems.warn(`${path}.${written}`, { found, fix: `write ${key.name}` });
    }
    values.set(key.name, one);
  }
  return values;
}

const KIND_NAMES = { flasharray: "FlashArray", flashblade: "FlashBlade" } as const;

function findKey(written: string): ArrayKey | undefined {
  return ARRAY_KEYS.find(({ name }) => name === written) ??
    ARRAY_KEYS.find(({ name }) => name.toLowerCase() === written.toLowerCase());
}

function keyAdvice(written: string, kind: Kind): string {
  const near = nearest(
    written,
    ARRAY_KEYS.filter(({ kinds }) => kinds.includes(kind)).map(({ name }) => name),
  );
  return near ? `did you mean ${near}?` : "remove it";
}

async function readEntry(entry: Entry): Promise<ArrayConfig | undefined> {
  const { kind, path, problems } = entry;
  const address = readAddress(entry);
  const token = await readToken(entry);
  const tls = await readTls(entry);
  const labels = readLabels(entry);
  const name = optionalText(entry, "Name");
  const nfsEndpoint = kind === "flashblade" ? readNfsEndpoint(entry) : undefined;
  if (address) checkUnique(entry, { key: "MgmtEndPoint", value: address.managementAddress });
  if (name !== undefined) checkUnique(entry, { key: "Name", value: name });
  if (!address || !token || !tls) return undefined;
  if (address.scheme === "http") {
    const found = "begins with http://, so that the API token travels in the clear";
    problems.warn(`${path}.MgmtEndPoint`, {
      found,
      fix: "use https:// for anything but a simulated array",
    });
  }
  const common = { path, ...address, token, tls, labels, ...(name === undefined ? {} : { name }) };
  if (kind === "flasharray") return { kind, ...common };
  return nfsEndpoint === undefined ? undefined : { kind, nfsEndpoint, ...common };
}

/**
 * The text of a key, without blanks around it; undefined when it is not set, empty, or (told) no
 * text.
 */
function optionalText({ path, values, problems }: Entry, name: string): string | undefined {
  const value = values.get(name);
  if (value === undefined) return undefined;
  if (typeof value === "string") return value.trim() === "" ? undefined : value.trim();
  problems.error(`${path}.${name}`, {
    found: `is ${kindOf(value)}`,
    wanted: "a text",
    fix: "put it in quotes",
  });
  return undefined;
}

/** True when a key is there but optionalText() has already told what is wrong with it. */
function isBadType({ values }: Entry, name: string): boolean {
  const value = values.get(name);
  return value !== undefined && typeof value !== "string";
}

function readAddress(entry: Entry): Pick<ArrayConfig, "scheme" | "managementAddress"> | undefined {
  const path = `${entry.path}.MgmtEndPoint`;
  const text = optionalText(entry, "MgmtEndPoint");
  if (text === undefined) {
    if (isBadType(entry, "MgmtEndPoint")) return undefined;
    entry.problems.error(path, {
      found: "is missing",
      fix: "give the management address of the array, a name or an IP address",
    });
    return undefined;
  }
  const [, scheme, rest = ""] = /^(?:(https?):\/\/)?(.*?)\/?$/i.exec(text) ?? [];
  const managementAddress = readAuthority(rest, scheme?.toLowerCase() === "http" ? 80 : 443);
  if (managementAddress !== undefined) {
    return { scheme: scheme?.toLowerCase() === "http" ? "http" : "https", managementAddress };
  }
  entry.problems.error(path, {
    found: `is ${shown(text)}`,
    wanted:
      "a host name or an IP address, with `:port` if it is not 443, and no path (IPv6 with a port: `[fd00::1]:8443`)",
  });
  return undefined;
}

/**
 * `host[:port]` as a URL has it: lower case, IPv6 in brackets, the port left out when it is the
 * usual one.
 */
function readAuthority(text: string, usualPort: number): string | undefined {
  const { host, port } = parseHostPort(text) ?? {};
  if (host === undefined || port === 0 || !(parseIp(host) || isHost(host))) return undefined;
  return printHostPort({
    host: host.toLowerCase(),
    port: port === usualPort ? undefined : port,
  });
}

/**
 * A DNS name (RFC 1123) or an IPv4 address; four numbers that are no address are no name either.
 */
function isHost(text: string): boolean {
  if (/^[\d.]+$/.test(text)) return parseIp(text) !== undefined;
  return text.length <= 253 &&
    text.replace(/\.$/, "").split(".").every((label) =>
      /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)
    );
}

function readNfsEndpoint(entry: Entry): string | undefined {
  const path = `${entry.path}.NFSEndPoint`;
  const text = optionalText(entry, "NFSEndPoint");
  if (text === undefined) {
    if (isBadType(entry, "NFSEndPoint")) return undefined;
    entry.problems.error(path, {
      found: "is missing",
      fix: "give the address of a data interface of the FlashBlade, from which the nodes mount",
    });
    return undefined;
  }
  const host = withoutBrackets(text);
  if (parseIp(host) || isHost(host)) return host.toLowerCase();
  entry.problems.error(path, {
    found: `is ${shown(text)}`,
    wanted: "a host name or an IP address, without port and path",
  });
  return undefined;
}

async function readToken(entry: Entry): Promise<Secret | undefined> {
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
    return await tokenFromFile(entry, "APITokenFile", optionalText(entry, "APITokenFile"));
  }
  if (sources[0] === "APITokenSecret") {
    return await tokenFromFile(entry, "APITokenSecret", secretPath(entry));
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
    typeof text === "string" && /^[-._a-zA-Z0-9]+$/.test(text) && !text.includes("..");
  if (isPlain(name) && isPlain(key)) return `${TOKEN_SECRETS_FOLDER}/${name}/${key}`;
  problems.error(`${path}.APITokenSecret`, {
    found: `is ${kindOf(reference)}`,
    wanted: "{name, key} of a Kubernetes Secret",
  });
  return undefined;
}

async function tokenFromFile(
  entry: Entry,
  name: string,
  file: string | undefined,
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
  const text = await readNamedFile(entry, name, file);
  if (text === undefined) return undefined;
  if (/^\S+$/.test(text.trim())) return new Secret(text.trim());
  const fix = "create one with `pureadmin create --api-token`";
  entry.problems.error(`${entry.path}.${name}`, {
    found: `names ${file}, which ${text.trim() === "" ? "is empty" : "holds more than one token"}`,
    fix,
  });
  return undefined;
}

async function readNamedFile(
  { path, problems, readTextFile }: Entry,
  name: string,
  file: string,
): Promise<string | undefined> {
  try {
    return await readTextFile(file);
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? "does not exist"
      : `cannot be read (${messageOf(error)})`;
    const fix = name === "APITokenSecret"
      ? "only the controller's pod has it mounted; elsewhere use APITokenFile"
      : undefined;
    problems.error(`${path}.${name}`, { found: `names ${file}, which ${why}`, fix });
    return undefined;
  }
}

async function readTls(entry: Entry): Promise<ArrayTls | undefined> {
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

async function readCa(entry: Entry): Promise<Pick<ArrayTls, "caPem" | "caFile"> | "bad"> {
  const text = optionalText(entry, "CACert");
  if (text === undefined) return isBadType(entry, "CACert") ? "bad" : {};
  const isInline = text.includes("-----BEGIN");
  const caPem = isInline ? text : await readNamedFile(entry, "CACert", text);
  if (caPem === undefined) return "bad";
  if (/-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/.test(caPem)) {
    return { caPem, ...(isInline ? {} : { caFile: text }) };
  }
  entry.problems.error(`${entry.path}.CACert`, {
    found: isInline ? "holds no whole certificate" : `names ${text}, which holds no certificate`,
    wanted: "PEM text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----",
  });
  return "bad";
}

const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const LABEL_KEY =
  /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

function readLabels({ path, values, problems }: Entry): Record<string, string> {
  const given = values.get("Labels") ?? {};
  if (!isMapping(given)) {
    problems.error(`${path}.Labels`, {
      found: `is ${shown(given)}`,
      wanted: "a mapping of label names to texts",
    });
    return {};
  }
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined) continue;
    const labelPath = `${path}.Labels.${name}`;
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      problems.error(labelPath, {
        found: `is ${shown(value)}`,
        wanted: "a text",
        fix: "put it in quotes",
      });
      continue;
    }
    const text = String(value);
    if (typeof value !== "string") {
      problems.warn(labelPath, {
        found: `is ${shown(value)}, taken as "${text}"`,
        fix: "put it in quotes",
      });
    }
    if (!LABEL_KEY.test(name)) {
      problems.warn(labelPath, {
        found:
          "has a name that Kubernetes does not allow for a label, so that no node can match it",
      });
    } else if (!LABEL_VALUE.test(text)) {
      problems.warn(labelPath, {
        found: `is ${
          shown(text)
        }, which Kubernetes does not allow as a label, so that no node can match it`,
      });
    }
    labels[name] = text;
  }
  return labels;
}

/**
 * Tells of an address or a name that an earlier entry has: two entries for one array would count
 * its room twice.
 */
function checkUnique(
  { path, problems, seen }: Entry,
  { key, value }: { key: "MgmtEndPoint" | "Name"; value: string },
): void {
  const id = `${key} ${value.toLowerCase()}`;
  const first = seen.get(id);
  if (first === undefined) seen.set(id, path);
  else {problems.error(`${path}.${key}`, {
      found: `is ${shown(value)}, as in ${first}`,
      fix: "list each array once, under a name of its own",
    });}
}
