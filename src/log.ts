import { maskSecrets } from "./secret.ts";

/** Levels in rising order; a logger drops what is below its own. */
export const LEVELS = ["debug", "info", "warn", "error"] as const;
/** How grave a line is; `debug` is for finding faults and says every command and REST call. */
export type Level = (typeof LEVELS)[number];
/** The facts of a line, by name. An Error shows its message, a bigint its digits. */
export type Fields = Record<string, unknown>;

/**
 * Writes one line per call: an event in few fixed words, and its facts as fields. `undefined`
 * fields are left out. The value of a Secret is masked, wherever in a line it stands.
 */
export interface Logger {
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  /** A logger that adds `fields` to each line. */
  with(fields: Fields): Logger;
}

/** How a logger writes. */
export interface LogOptions {
  /** What is below it is dropped, asked for at each line; default `info`. */
  level?: Level | (() => Level);
  /** Default `json`. */
  format?: "json" | "text";
  /** Takes each line with its line break; default: standard error. */
  write?: (line: string) => void;
  now?: () => number;
}

const encoder = new TextEncoder();

/** Lines go to stderr, so that stdout stays free for what a command prints. */
function writeStderr(line: string): void {
  const bytes = encoder.encode(line);
  for (let written = 0; written < bytes.length;) {
    written += Deno.stderr.writeSync(bytes.subarray(written));
  }
}

/** Characters of one text in a line; what is longer was not written by us. */
export const LOG_TEXT_CHARS_MAX = 4096;

/** For JSON.stringify(): texts at any depth cut to what a line may hold. */
function cutTexts(_key: string, value: unknown): unknown {
  if (typeof value !== "string" || value.length <= LOG_TEXT_CHARS_MAX) return value;
  return `${value.slice(0, LOG_TEXT_CHARS_MAX)}… (${value.length} characters)`;
}

/** A text value that needs quotes in the text form is written as JSON. */
function textValue(value: unknown): string {
  const cut = cutTexts("", value);
  return typeof cut === "string" && /^[^\s"=]+$/.test(cut) ? cut : JSON.stringify(cut, cutTexts);
}

function plain(value: unknown): unknown {
  if (value instanceof Error) return value.message;
  return typeof value === "bigint" ? value.toString() : value;
}

/** The level of the flag, when there is one; else `debug` or `info`, as the configuration says. */
export function chosenLevel(flag: Level | undefined, config: { debug: boolean }): Level {
  return flag ?? (config.debug ? "debug" : "info");
}

/** A logger without fields of its own; each line reaches `write` in one call. */
export function createLogger(options: LogOptions = {}): Logger {
  const { level = "info", format = "json", now = Date.now } = options;
  const write = (line: string) => (options.write ?? writeStderr)(maskSecrets(line));
  const least = () => LEVELS.indexOf(typeof level === "function" ? level() : level);
  const make = (bound: Fields): Logger => {
    const emit = (at: Level) => (event: string, fields: Fields = {}) => {
      if (LEVELS.indexOf(at) < least()) return;
      const entries = Object.entries({ ...bound, ...fields }).filter(([, value]) =>
        value !== undefined
      ).map((
        [key, value],
      ) => [key, plain(value)]);
      const time = new Date(now()).toISOString();
      if (format === "json") {
        const line = { time, level: at, event, ...Object.fromEntries(entries) };
        write(JSON.stringify(line, cutTexts) + "\n");
      } else {write(`${time} ${at.padEnd(5)} ${event}${
          entries.map(([key, value]) => ` ${key}=${textValue(value)}`).join("")
        }\n`);}
    };
    return {
      debug: emit("debug"),
      info: emit("info"),
      warn: emit("warn"),
      error: emit("error"),
      with: (fields) => make({ ...bound, ...fields }),
    };
  };
  return make({});
}

/** A logger that drops everything: for commands that print what they find, and for tests. */
export const silentLogger: Logger = createLogger({ write: () => {} });
