/** What a finished tool left behind. `code` is the exit status, or 128 + signal. */
export interface CommandResult {
  code: number;
  /** Empty when `binary` was asked for. */
  stdout: string;
  stderr: string;
  /** The standard output as it came; only when `binary` was asked for. */
  bytes?: Uint8Array;
}

/** How one call of a tool is limited and what of it is kept out of logs. */
export interface RunOptions {
  /** Exit codes that are an answer; every other one throws. Default `[0]`. */
  okCodes?: number[];
  /** Kills the whole process group when over; default 30,000. `Infinity`: never. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Text for the tool's standard input. */
  stdin?: string;
  /** True: the output is no text, and `bytes` holds it. */
  binary?: boolean;
  /** What logs and errors call the command in place of its words, for one with many. */
  shownAs?: string;
  /** Strings that must not appear in logs or errors (CHAP passwords). */
  secrets?: string[];
}

/**
 * Runs one host tool with a list of arguments, never through a shell. Throws PsoError `timeout`
 * when the time is over or the signal fires, `unavailable` when the tool is missing or ends with a
 * code that is not in `okCodes` (the message holds tool, code and the end of stderr). Implemented
 * by `host/command.ts` alone.
 */
export type Run = (tool: string, args: string[], options?: RunOptions) => Promise<CommandResult>;
