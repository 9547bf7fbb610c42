// The record that Helm keeps of a release: a Secret whose key `release` is base64 of gzip of JSON,
// and once more in base64 as every Secret's value.
import { Buffer } from "node:buffer";
import { gunzipSync, gzipSync } from "node:zlib";
import { PsoError } from "../../errors.ts";
import { isObject, type KubeObject } from "../../kube/client.ts";
import { MiB } from "../../size.ts";
import { textAt } from "../check/kube_object.ts";
import { fullNameOf, numberAt } from "./cluster.ts";

/** The type of Secrets that are such records. */
export const RECORD_TYPE = "helm.sh/release.v1";
/** A record unpacked. A Secret holds 1 MiB, and charts are text that packs well. */
const UNPACKED_BYTES_MAX = 32 * MiB;
const GZIP = [0x1f, 0x8b, 0x08];

/** One revision of a release. */
export interface HelmRecord {
  secret: KubeObject;
  release: string;
  revision: number;
  /** `deployed`, `failed`, `superseded`, `pending-upgrade`… */
  status: string;
  /** `pure-csi-1.2.0` */
  chart: string;
  /** What Helm made, as it rendered it: YAML documents. */
  manifest: string;
  /** What the user said beside the chart's defaults. */
  values: KubeObject;
  /** The whole record. */
  json: string;
}

/** Reads a record; `invalid`, naming the Secret, when it is none that can be read. */
export function readRecord(secret: KubeObject): HelmRecord {
  const json = unpacked(secret);
  let record: unknown;
  try {
    record = JSON.parse(json);
  } catch {
    throw unreadable(secret, "holds no JSON");
  }
  const release = textAt(record, "name");
  const revision = numberAt(record, "version");
  if (release === "" || revision === 0) throw unreadable(secret, "names no release and revision");
  const { config } = isObject(record) ? record : {};
  return {
    secret,
    release,
    revision,
    status: textAt(record, "info", "status"),
    chart: ["name", "version"].map((key) => textAt(record, "chart", "metadata", key)).join("-"),
    manifest: textAt(record, "manifest"),
    values: isObject(config) ? config : {},
    json,
  };
}

function unpacked(secret: KubeObject): string {
  const packed = Buffer.from(textAt(secret, "data", "release"), "base64").toString("latin1");
  const bytes = Buffer.from(packed, "base64");
  // As Helm: records of its first versions are not packed.
  if (!GZIP.every((byte, at) => bytes[at] === byte)) return bytes.toString("utf8");
  try {
    return gunzipSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX }).toString("utf8");
  } catch {
    const limit = `${UNPACKED_BYTES_MAX / MiB} MiB`;
    throw unreadable(secret, `is not packed by gzip as it says, or has more than ${limit}`);
  }
}

function unreadable(secret: KubeObject, why: string): PsoError {
  return new PsoError(
    "invalid",
    `the release record Secret ${fullNameOf(secret)} ${why}: look at it by \`helm history\`, and ` +
      "delete it if it is damaged",
  );
}

/** The Secret of the record with another manifest; nothing else of it changes, not one byte. */
export function withManifest({ secret, json }: HelmRecord, manifest: string): KubeObject {
  const data = isObject(secret.data) ? secret.data : {};
  return { ...secret, data: { ...data, release: packed(replaceText(json, "manifest", manifest)) } };
}

/** The value of a record's key `release`. */
export function packed(json: string): string {
  const inner = gzipSync(Buffer.from(json, "utf8")).toString("base64");
  return Buffer.from(inner, "latin1").toString("base64");
}

/**
 * The JSON text with another text as the value of that key of the outermost object. Its numbers are
 * never read: some do not fit into those of this language.
 */
function replaceText(json: string, key: string, value: string): string {
  let depth = 0;
  let isWanted = false;
  for (const token of json.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g)) {
    const [text] = token;
    if (text === "{" || text === "[") depth++;
    else if (text === "}" || text === "]") depth--;
    else if (text === "," && depth === 1) isWanted = false;
    if (!text.startsWith('"') || depth !== 1) continue;
    if (isWanted) {
      const end = token.index + text.length;
      return json.slice(0, token.index) + JSON.stringify(value) + json.slice(end);
    }
    isWanted = text === JSON.stringify(key);
  }
  throw new PsoError(
    "invalid",
    `the release record has no text ${key}: look at it by \`helm history\``,
  );
}
