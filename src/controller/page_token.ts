import { PsoError } from "../errors.ts";
import { BoundedMap } from "./bounded_map.ts";

/** Which item of a part of an array's list was given out last. */
export interface ListMark {
  /** The part as this process keeps it: 8 hex digits. */
  part: string;
  /** 12 hex digits that stand for the item. */
  after: string;
}

/** Where a list over all arrays goes on: in which array, and at which place there. */
export interface ListPosition {
  /** First 8 hex digits of the array's id. */
  arrayHint: string;
  /** The array's own token; absent = from its first item. */
  arrayToken?: string;
  /** Behind which item of what stands there; absent: all of it. */
  mark?: ListMark;
}

/** Size limit of a string in CSI; an array's own token may be of any length. */
const TOKEN_MAX_BYTES = 128;
/** Long array tokens that are kept here; each list that is under way needs one. */
const MAX_KEPT = 1_000;
const TOKEN = /^([12])\.([0-9a-f]{8})\.([A-Za-z0-9_-]*)(?:\.([0-9a-f]{8})([0-9a-f]{12}))?$/;

/**
 * Tokens of lists over all arrays, opaque to the caller: `1.<8 hex>.<the array's token in
 * base64url>`. A token that would be too long stays here, and the caller gets `2.<8 hex>.<UUID>` in
 * its place. A restart forgets such tokens, and the caller begins its list again. A mark follows
 * behind a dot.
 */
export class PageTokens {
  readonly #kept = new BoundedMap<string, string>(MAX_KEPT);

  /** The token by which the list goes on from here; decode() reads it back. */
  encode({ arrayHint, arrayToken = "", mark }: ListPosition): string {
    const bytes = new TextEncoder().encode(arrayToken);
    const behind = mark ? `.${mark.part}${mark.after}` : "";
    const whole = `1.${arrayHint}.${
      bytes.toBase64({ alphabet: "base64url", omitPadding: true })
    }${behind}`;
    if (whole.length <= TOKEN_MAX_BYTES) return whole;
    const key = crypto.randomUUID();
    this.#kept.set(key, arrayToken);
    return `2.${arrayHint}.${key}${behind}`;
  }

  /** The position inside a token of encode(); `stale_token` for anything else. */
  decode(token: string): ListPosition {
    const [, form, arrayHint, rest, part, after] = TOKEN.exec(token) ?? [];
    try {
      if (arrayHint === undefined || rest === undefined) throw new TypeError("not of our form");
      const arrayToken = form === "2" ? this.#kept.get(rest) : plainText(rest);
      if (arrayToken === undefined) throw new TypeError("forgotten");
      return {
        arrayHint,
        ...(arrayToken === "" ? {} : { arrayToken }),
        ...(part === undefined || after === undefined ? {} : { mark: { part, after } }),
      };
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
