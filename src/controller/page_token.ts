import { PsoError } from "../errors.ts";
import { BoundedMap } from "./bounded_map.ts";

/** Where a list over all arrays goes on: in which array, and at which place there. */
export interface ListPosition {
  /** First 8 hex digits of the array's id. */
  arrayHint: string;
  /** The array's own token; absent = from its first item. */
  arrayToken?: string;
}

/** Size limit of a string in CSI; an array's own token may be of any length. */
const TOKEN_MAX_BYTES = 128;
/** Long array tokens that are kept here; each list that is under way needs one. */
const MAX_KEPT = 1_000;
const TOKEN = /^([12])\.([0-9a-f]{8})\.([A-Za-z0-9_-]*)$/;

/**
 * Tokens of lists over all arrays, opaque to the caller: `1.<8 hex>.<the array's token in
 * base64url>`. A token that would be too long stays here, and the caller gets `2.<8 hex>.<UUID>` in
 * its place. A restart forgets such tokens, and the caller begins its list again.
 */
export class PageTokens {
  readonly #kept = new BoundedMap<string, string>(MAX_KEPT);

  /** The token by which the list goes on from here; decode() reads it back. */
  encode({ arrayHint, arrayToken = "" }: ListPosition): string {
    const bytes = new TextEncoder().encode(arrayToken);
    const whole = `1.${arrayHint}.${bytes.toBase64({ alphabet: "base64url", omitPadding: true })}`;
    if (whole.length <= TOKEN_MAX_BYTES) return whole;
    const key = crypto.randomUUID();
    this.#kept.set(key, arrayToken);
    return `2.${arrayHint}.${key}`;
  }

  /** The position inside a token of encode(); `stale_token` for anything else. */
  decode(token: string): ListPosition {
    const [, form, arrayHint, rest] = TOKEN.exec(token) ?? [];
    try {
      if (arrayHint === undefined || rest === undefined) throw new TypeError("not of our form");
      const arrayToken = form === "2" ? this.#kept.get(rest) : plainText(rest);
      if (arrayToken === undefined) throw new TypeError("forgotten");
      return arrayToken === "" ? { arrayHint } : { arrayHint, arrayToken };
    } catch (error) {
      const message = `starting_token ${
        JSON.stringify(token)
      } was never given out or is too old: start again with an empty one`;
      throw new PsoError("stale_token", message, { cause: error });
    }
  }
}

function plainText(encoded: string): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(
    Uint8Array.fromBase64(encoded, { alphabet: "base64url" }),
  );
}
