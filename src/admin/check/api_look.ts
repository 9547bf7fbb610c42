// What the server at an array's address shows to everybody: its certificate, its REST versions and
// its clock.
import type { ArrayConfig } from "../../config/model.ts";
import { isPsoError, messageOf } from "../../errors.ts";
import { foreignText } from "../../foreign_text.ts";
import { HttpsClient } from "../../net/https.ts";
import type { ShownCertificate } from "../../net/certificate.ts";
import type { FoundList } from "./found.ts";

/** Longest wait for the answer. */
const ANSWER_MS = 10_000;
/** The Date of an answer has whole seconds, and the answer was on its way. */
const CLOCK_TOLERANCE_MS = 5_000;
const DAY_MS = 86_400_000;
/** An array's certificate is renewed by hand: a month is enough to do it. */
const SOON_DAYS = 30;
/** What is shown of one REST version. */
const VERSION_CHARS = 20;

/** What a server shows before any login. */
export interface ApiLook {
  /** Absent over plain HTTP. */
  certificate?: ShownCertificate;
  /** REST versions in the server's order; empty when it gives no list. */
  versions: string[];
  /** How far this machine's clock is ahead of the server's; absent when it tells no time. */
  aheadMs?: number;
}

/** Where findings go, and what time it is here. */
interface ApiScope {
  found: FoundList;
  now: () => number;
  /** As AdminContext.answerMs; an answer is waited for 10 s at most. */
  answerMs: number;
}

/**
 * Asks for the REST versions with the trust of the configuration, and tells the certificate.
 * `undefined` after telling that there was no answer, or that the certificate is not trusted.
 */
export async function lookAtApi(
  { scheme, managementAddress: address, tls }: ArrayConfig,
  { found, now, answerMs }: ApiScope,
): Promise<ApiLook | undefined> {
  const firstMs = Math.min(ANSWER_MS, answerMs);
  const client = new HttpsClient({ scheme, address, tls, connectTimeoutMs: firstMs });
  try {
    const certificate = await client.presentedCertificate();
    const answer = await askVersions(client, { now, firstMs }).catch((error) => {
      const isTrust = scheme === "https" && isPsoError(error, "denied");
      found.fail(isTrust ? "tls" : "rest", messageOf(error));
    });
    if (!answer) return undefined;
    tellTrust({ found, now }, { tls, certificate });
    return { ...answer, ...(certificate ? { certificate } : {}) };
  } finally {
    client.close();
  }
}

async function askVersions(
  client: HttpsClient,
  { now, firstMs }: Pick<ApiScope, "now"> & { firstMs: number },
): Promise<Pick<ApiLook, "versions" | "aheadMs">> {
  const askedMs = now();
  const { headers, text } = await client.fetch({
    method: "GET",
    path: "/api/api_version",
    signal: AbortSignal.timeout(firstMs),
  });
  const aheadMs = (askedMs + now()) / 2 - Date.parse(headers.date ?? "");
  return { versions: versionsIn(text), ...(Number.isNaN(aheadMs) ? {} : { aheadMs }) };
}

/** As both kinds of array write them; whoever negotiates judges what they are. */
function versionsIn(text: string): string[] {
  try {
    const { version, versions } = JSON.parse(text);
    const list: unknown = version ?? versions;
    if (!Array.isArray(list)) return [];
    return list.filter((one) => typeof one === "string").map((one) =>
      foreignText(one, VERSION_CHARS)
    );
  } catch {
    return [];
  }
}

/** A certificate, and by what it was checked. */
interface Trusted {
  tls: ArrayConfig["tls"];
  certificate: ShownCertificate | undefined;
}

function tellTrust(
  { found, now }: Pick<ApiScope, "found" | "now">,
  { tls, certificate }: Trusted,
): void {
  if (certificate === undefined) {
    found.ok("tls", "plain HTTP, as only simulated arrays have it");
    return;
  }
  const { issuer, isSelfSigned, expiresMs, fingerprint } = certificate;
  const days = Math.floor((expiresMs - now()) / DAY_MS);
  const date = Number.isNaN(expiresMs)
    ? "on no day"
    : new Date(expiresMs).toISOString().slice(0, 10);
  const signed = isSelfSigned ? "self-signed" : `signed by ${issuer}`;
  const text = `${signed}, expires ${date} (${days} days), SHA-256 ${fingerprint}`;
  if (!tls.verify) {
    found.warn(
      "tls",
      `${text}, and nobody checks it: TLSVerify is false`,
      `compare the fingerprint with the array's own, then set CertFingerprint: ${fingerprint}`,
    );
  } else if (days < SOON_DAYS) {
    found.warn("tls", text, "renew it on the array, and put the new one into the configuration");
  } else {
    const by = tls.fingerprint !== undefined
      ? "CertFingerprint"
      : tls.caPem !== undefined
      ? "CACert"
      : "the system's CA certificates";
    found.ok("tls", `${text}, trusted by ${by}`);
  }
}

/** Tells how far the clocks are apart; nothing when the array tells no time. */
export function tellClock(found: FoundList, { aheadMs }: Pick<ApiLook, "aheadMs">): void {
  if (aheadMs === undefined) return;
  if (Math.abs(aheadMs) <= CLOCK_TOLERANCE_MS) {
    found.ok("clock", "it agrees with the clock here");
    return;
  }
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const where = aheadMs > 0 ? "behind" : "ahead of";
  found.warn(
    "clock",
    `it is ${seconds} s ${where} the clock here`,
    "give both one time source (NTP)",
  );
}
