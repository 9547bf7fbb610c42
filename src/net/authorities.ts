const STORES = "DENO_TLS_CA_STORE";

/**
 * Lets this process trust the CA certificates of the system (`SSL_CERT_FILE`, `SSL_CERT_DIR`, else
 * those of the distribution) beside Mozilla's, which are built into the runtime and all that it
 * trusts by itself. Works before the first TLS connection of the process only; what a person has
 * set in DENO_TLS_CA_STORE stays.
 */
export function trustSystemAuthorities(): void {
  if (Deno.env.get(STORES) === undefined) Deno.env.set(STORES, "system,mozilla");
}
