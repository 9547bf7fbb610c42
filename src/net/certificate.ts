import type { PeerCertificate } from "node:tls";
import { foreignText } from "../foreign_text.ts";

/** What people are told of a certificate; nothing of it is proven. */
export interface ShownCertificate {
  /** SHA-256, as `AB:CD:…`. */
  fingerprint: string;
  /** Whom it is for, by its common name. */
  subject: string;
  /** Who signed it, by the common name; the same as `subject` when nobody else did. */
  issuer: string;
  isSelfSigned: boolean;
  /** Milliseconds since 1970; NaN when it says none that can be read. */
  expiresMs: number;
}

/** Characters of a name that a certificate gives: RFC 5280 allows a common name 64. */
const NAME_CHARS = 100;

/** What a certificate says of itself, cut to what people can read. */
export function shownCertificate(certificate: PeerCertificate): ShownCertificate {
  const { fingerprint256, subject, issuer, valid_to } = certificate;
  return {
    fingerprint: fingerprint256,
    subject: shownName(subject),
    issuer: shownName(issuer),
    isSelfSigned: JSON.stringify(subject) === JSON.stringify(issuer),
    expiresMs: Date.parse(valid_to),
  };
}

/** The common name, else the organization, else that it has none. */
function shownName(name: PeerCertificate["subject"] | undefined): string {
  const [text] = [name?.CN ?? name?.O ?? "nobody"].flat();
  return foreignText(text ?? "nobody", NAME_CHARS);
}
