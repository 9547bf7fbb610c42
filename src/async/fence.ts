import { PsoError } from "../errors.ts";

/** One attempt of a change that may be sent. */
export interface FencedAttempt {
  /** Fires with the caller's signal, and when the right to change ends. */
  signal: AbortSignal;
  /** To be called right before the bytes leave; FencedError when the right has ended. */
  check: () => void;
  /** To be told when the answer does not say whether the change was, or will be, carried out. */
  unclear: () => void;
}

/** The right of this process to change arrays: it has it while it leads. */
export interface ChangeFence {
  /** Whether a change may begin now, and so whether what this process remembers is whole. */
  readonly isOpen: boolean;
  /**
   * Waits until no create of a leader that died can be under way on an array. To be awaited before
   * a name is looked for that is created if it is not there. FencedError when this process does not
   * lead; `timeout` when the signal fires first.
   */
  settled(signal?: AbortSignal): Promise<void>;
  /**
   * For how long no other process can have begun a change or given an answer; Infinity where there
   * is no other.
   */
  readonly heldForMs: number;
  /** Whether `settled` would wait no more. No create is sent before. */
  readonly isSettled: boolean;
  /**
   * Sends one attempt of a change. FencedError when this process does not lead, or when its right
   * ended before the answer came.
   */
  pass<T>(signal: AbortSignal, send: (attempt: FencedAttempt) => Promise<T>): Promise<T>;
}

/** This process does not lead: the change must be repeated, by whoever asks the leader. */
export class FencedError extends PsoError {
  /** `false` only when no byte of the change left. */
  readonly sent: boolean;
  constructor(message: string, options: { sent: boolean; cause?: unknown }) {
    super("unavailable", message, { cause: options.cause });
    this.sent = options.sent;
  }
}

/** For a process that is alone, as without Kubernetes: it may always change everything. */
export const NO_FENCE: ChangeFence = {
  isOpen: true,
  isSettled: true,
  heldForMs: Infinity,
  settled: () => Promise.resolve(),
  pass: (signal, send) => send({ signal, check: () => {}, unclear: () => {} }),
};
