/** A fingerprint in the form by which two are compared: hexadecimal in lower case, no colons. */
export function plainHex(fingerprint: string): string {
  return fingerprint.replaceAll(/[^0-9a-fA-F]/g, "").toLowerCase();
}

/** A fingerprint as people read it, and as openssl(1) writes it: `AB:CD:…`. */
export function withColons(hex: string): string {
  return (hex.toUpperCase().match(/../g) ?? []).join(":");
}
