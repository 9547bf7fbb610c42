import { PsoError } from "../errors.ts";

/** Where a list over all arrays goes on: in which array, and at which place there. */
export interface ListPosition {
  /** First 8 hex digits of the array's id. */
  arrayHint: string;
  /** The array's own token; absent = from its first item. */
  arrayToken?: string;
}

const TOKEN = /^1\.([0-9a-f]{8})\.([A-Za-z0-9_-]*)$/;

/** `1.<8 hex>.<the array's token in base64url>`; opaque to the caller. */
export function encodePageToken({ arrayHint, arrayToken = "" }: ListPosition): string {
  const bytes = new TextEncoder().encode(arrayToken);
  return `1.${arrayHint}.${bytes.toBase64({ alphabet: "base64url", omitPadding: true })}`;
}

/** The position inside a token of encodePageToken; `stale_token` for anything else. */
export function decodePageToken(token: string): ListPosition {
  const [, arrayHint, encoded] = TOKEN.exec(token) ?? [];
  try {
    if (arrayHint === undefined || encoded === undefined) throw new TypeError("not of our form");
    const arrayToken = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(encoded, { alphabet: "base64url" }));
    return arrayToken === "" ? { arrayHint } : { arrayHint, arrayToken };
  } catch (error) {
    const message = `starting_token ${JSON.stringify(token)} was never given out: start again with an empty one`;
    throw new PsoError("stale_token", message, { cause: error });
  }
}
