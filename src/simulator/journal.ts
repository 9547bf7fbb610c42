import { messageOf, PsoError } from "../errors.ts";

/** One change of one record; `null` = the record is gone. */
export type Op = [table: string, key: string, value: object | null];

const encoder = new TextEncoder();

function parseLine(path: string, line: string, number: number): Op[] {
  try {
    return JSON.parse(line) as Op[]; // written by append() below
  } catch (error) {
    throw new PsoError(
      "unavailable",
      `simulator state ${path} cannot be read: line ${number} is damaged (${
        messageOf(error)
      }); remove the file to start empty`,
      { cause: error },
    );
  }
}

/**
 * An append-only file of changes, one line per change that must happen as a whole. What append()
 * has returned from survives a SIGKILL of this process: it is in the page cache (a power loss is
 * not covered). compact() replaces the file atomically.
 */
export class Journal {
  readonly #path: string;
  #file: Deno.FsFile;
  #lines: number;
  private constructor(path: string, file: Deno.FsFile, lines: number) {
    this.#path = path;
    this.#file = file;
    this.#lines = lines;
  }

  /**
   * Opens or creates the file; `changes` are what it holds. A last line that a crash left
   * unfinished was never answered: it is cut off.
   */
  static open(path: string): { journal: Journal; changes: Op[][] } {
    let text = "";
    try {
      text = Deno.readTextFileSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    const complete = text.slice(0, text.lastIndexOf("\n") + 1);
    const changes = complete.split("\n").slice(0, -1).map((line, at) =>
      parseLine(path, line, at + 1)
    );
    const file = Deno.openSync(path, { create: true, append: true });
    if (complete.length < text.length) file.truncateSync(encoder.encode(complete).length);
    return { journal: new Journal(path, file, changes.length), changes };
  }

  /** Lines in the file: what a start has to read. */
  get lines(): number {
    return this.#lines;
  }

  /**
   * Throws when the line cannot be written as a whole (no space left): then nothing of it stays.
   */
  append(ops: Op[]): void {
    const { size } = this.#file.statSync();
    try {
      writeAll(this.#file, JSON.stringify(ops) + "\n");
    } catch (error) {
      // A piece of a line would swallow the next one.
      this.#file.truncateSync(size);
      throw error;
    }
    this.#lines++;
  }

  /** Replaces the file by one that holds only `ops`, a line each. */
  compact(ops: Op[]): void {
    const fresh = `${this.#path}.new`;
    const file = Deno.openSync(fresh, { create: true, write: true, truncate: true });
    writeAll(file, ops.map((op) => JSON.stringify([op]) + "\n").join(""));
    file.close();
    Deno.renameSync(fresh, this.#path);
    this.#file.close();
    this.#file = Deno.openSync(this.#path, { append: true });
    this.#lines = ops.length;
  }

  close(): void {
    this.#file.close();
  }
}

function writeAll(file: Deno.FsFile, text: string): void {
  const bytes = encoder.encode(text);
  for (let written = 0; written < bytes.length;) written += file.writeSync(bytes.subarray(written));
}
