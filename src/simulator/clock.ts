/**
 * Time of the simulated fleet, in milliseconds since 1970: real time plus what was added to it, so
 * that a test can let a day pass.
 */
export class Clock {
  readonly #real: () => number;
  #offsetMs: number;
  constructor(options: { real?: () => number; offsetMs?: number } = {}) {
    this.#real = options.real ?? Date.now;
    this.#offsetMs = options.offsetMs ?? 0;
  }
  now(): number {
    return this.#real() + this.#offsetMs;
  }
  get offsetMs(): number {
    return this.#offsetMs;
  }
  /**
   * Lets `seconds` pass at once. Time never goes back: a negative number is refused by the caller
   * (control.ts).
   */
  advance(seconds: number): void {
    this.#offsetMs += Math.round(seconds * 1000);
  }
}
