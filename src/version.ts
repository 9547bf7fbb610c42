/**
 * The product's version (semantic versioning); equal to `version` in deno.json, which a test holds.
 */
export const VERSION = "7.0.0";
