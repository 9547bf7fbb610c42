import type { PeerCertificate } from "node:tls";
import { messageOf } from "../errors.ts";
import { foreignText } from "../foreign_text.ts";

/** Node's and OpenSSL's codes for a certificate that was checked and refused. */
const CERTIFICATE_CODES = new RegExp(
  "^(CERT_|ERR_TLS_CERT|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET_ISSUER)|" +
    "HOSTNAME_MISMATCH|INVALID_CA|PIN_MISMATCH|NO_HOST_NAMES)",
);

const REASONS: Record<string, string> = {
  ECONNREFUSED: "nothing listens there (ECONNREFUSED); check the address and port",
  ENOTFOUND: "its name is not known (ENOTFOUND); check the name and the DNS",
  EAI_AGAIN: "its name cannot be looked up now (EAI_AGAIN); check the DNS",
  EHOSTUNREACH: "there is no way to it (EHOSTUNREACH); check network and firewall",
  ENETUNREACH: "there is no way to its network (ENETUNREACH); check network and firewall",
  ECONNRESET: "the connection was closed before the answer (ECONNRESET); look at its state",
  EPIPE: "the connection was closed before the answer (EPIPE); look at its state",
  ETIMEDOUT: "no connection in time (ETIMEDOUT); check network and firewall",
};

/** What the TLS library says of a handshake that failed, and what it means. */
const HANDSHAKES: [said: RegExp, meaning: string][] = [
  [
    /InvalidContentType|wrong version number|corrupt message/i,
    "what listens there does not speak TLS; check address and port",
  ],
  [
    /alert: ProtocolVersion/i,
    "it speaks no TLS 1.2 or 1.3, which are needed; update it, or enable them there",
  ],
  [
    /alert: (HandshakeFailure|InsufficientSecurity)/i,
    "it takes none of our ciphers, which are those of TLS 1.3 and ECDHE with AES-GCM or ChaCha20 " +
    "of TLS 1.2; enable them there",
  ],
];

/** Whether an error is a certificate's that was checked and refused. */
export function isCertificateCode(code: string): boolean {
  return CERTIFICATE_CODES.test(code);
}

/** An error of a connection: its code, and whether the request had left. */
interface ConnectionFault {
  error: unknown;
  code: string;
  sent: boolean;
}

/**
 * Why there was no answer and what to do, for a message. A text of ours is told as it is: it says
 * what to do itself.
 */
export function connectionReason({ error, code, sent }: ConnectionFault): string {
  const known = REASONS[code];
  if (known !== undefined) return known;
  const said = foreignText(messageOf(error));
  if (sent) return said;
  const [, meaning] = HANDSHAKES.find(([pattern]) => pattern.test(said)) ?? [];
  return `${meaning ?? "no connection was made; check what listens there"} (${said})`;
}

/**
 * Whether a certificate has no subjectAltName for hosts: the runtime would take its common name for
 * the host's, which authorities have not checked since RFC 6125.
 */
export function namesNoHost({ subjectaltname }: Pick<PeerCertificate, "subjectaltname">): boolean {
  return !/(^|, )(DNS|IP Address):/.test(subjectaltname ?? "");
}

/** A certificate that was refused, and what it was checked against. */
interface CertificateFault {
  error: unknown;
  code: string;
  /** SHA-256 of what the server shows, with colons; absent: nothing that can be read. */
  shown?: string;
  pinned?: string;
  /** Whether the configuration names CAs. */
  hasOwnCa: boolean;
}

/** Why a certificate was refused, and what makes it trusted. */
export function certificateReason(
  { error, code, shown, pinned, hasOwnCa }: CertificateFault,
): string {
  if (shown === undefined) {
    return `${
      foreignText(messageOf(error))
    } (${code}), and a second look showed none that can be ` +
      "read: if that stays so, give the array one with a key of ECDSA, or of RSA with 2048 bits or " +
      "more, and without critical extensions of its own";
  }
  if (pinned !== undefined) {
    return `its SHA-256 fingerprint is ${shown} and the pinned one is ${pinned}; ` +
      "if it was changed on purpose, pin the new one";
  }
  const authorities = hasOwnCa ? "the configured" : "the system's and Mozilla's";
  return `${
    foreignText(messageOf(error))
  } (${code}), checked against ${authorities} CA certificates; ` +
    `configure the CA that signed it, or pin it: its SHA-256 fingerprint is ${shown} ` +
    "(compare it with the array's own first)";
}
