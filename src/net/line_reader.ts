import { Buffer } from "node:buffer";

/** Where the lines go, and how long one may be. */
interface LineLimits {
  lineBytes: number;
  onLine: (line: string) => void;
}

/**
 * Cuts an answer without end into lines and keeps nothing but the line that has not ended yet. What
 * stands behind the last line break is no line: its sender was cut off.
 */
export class LineReader {
  readonly #limits: LineLimits;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(limits: LineLimits) {
    this.#limits = limits;
  }

  /** Takes what came. False, and nothing more is kept, when a line is longer than it may be. */
  push(bytes: Uint8Array): boolean {
    let from = 0;
    for (let at = bytes.indexOf(LINE_BREAK); at !== -1; at = bytes.indexOf(LINE_BREAK, from)) {
      if (!this.#keep(bytes.subarray(from, at))) return false;
      const line = Buffer.concat(this.#parts).toString("utf8");
      this.#parts = [];
      this.#size = 0;
      this.#limits.onLine(line);
      from = at + 1;
    }
    return this.#keep(bytes.subarray(from));
  }

  #keep(part: Uint8Array): boolean {
    this.#size += part.length;
    if (this.#size > this.#limits.lineBytes) {
      this.#parts = [];
      return false;
    }
    if (part.length > 0) this.#parts.push(part);
    return true;
  }
}

const LINE_BREAK = 0x0a;
