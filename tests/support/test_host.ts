/** A host of files alone and the recorded words of real tools, for the tests beside. */
import { toolFailure } from "../../src/host/tools/command.ts";
import type { CommandResult, Run } from "../../src/run.ts";
import type { Host, Namespaces } from "../../src/host/host.ts";
import { HostFiles, makeHostFolder } from "./host_files.ts";

/** The distributions whose tools were recorded (tests/lab/record_transcripts.ts). */
export const DEBIANS = ["debian12", "debian13"] as const;
export type Debian = (typeof DEBIANS)[number];

interface Recorded extends Omit<CommandResult, "stdout" | "stderr"> {
  tool: string;
  args: string[];
  stdout: string[];
  stderr: string[];
}

/** What the tools of one distribution said, by the name that the recording has for it. */
export class Transcripts {
  readonly #records: Record<string, Recorded>;

  private constructor(records: Record<string, Recorded>) {
    this.#records = records;
  }

  static async of(debian: Debian): Promise<Transcripts> {
    const url = new URL(`../../tests/transcripts/${debian}.json`, import.meta.url);
    return new Transcripts(JSON.parse(await Deno.readTextFile(url)));
  }

  /** Names of all answers. */
  names(): string[] {
    return Object.keys(this.#records);
  }

  result(name: string): CommandResult {
    const { code, stdout, stderr } = this.#record(name);
    return { code, stdout: stdout.join("\n"), stderr: stderr.join("\n") };
  }

  /**
   * The tools, as they were when these were recorded; a later name answers in place of an earlier
   * one with the same command line. Any other command line is a fault of the test: then the product
   * calls the tool in a way that was never recorded.
   */
  run(...names: string[]): Run {
    const lines = names.map((name) => ({ name, line: lineOf(this.#record(name)) }));
    return (tool, args, options = {}) => {
      const line = lineOf({ tool, args });
      const name = lines.findLast((one) => one.line === line)?.name;
      if (name === undefined) return Promise.reject(new Error(`not recorded: ${line}`));
      const result = this.result(name);
      if ((options.okCodes ?? [0]).includes(result.code)) return Promise.resolve(result);
      return Promise.reject(
        toolFailure({ tool, shown: line, result, secrets: [], namespaces: "direct" }),
      );
    };
  }

  #record(name: string): Recorded {
    const record = this.#records[name];
    if (!record) throw new Error(`nothing was recorded as ${name}`);
    return record;
  }
}

function lineOf({ tool, args }: { tool: string; args: string[] }): string {
  return [tool, ...args].join(" ");
}

/** A Run for checks that need no tool: it knows none. */
export const noTool: Run = (tool) => Promise.reject(new Error(`tool ${tool} is not needed`));

/**
 * Runs `work` with a host whose / holds these files, by path; a path that ends in `/` is a folder.
 */
export async function withHostRoot(
  files: Record<string, string>,
  work: (host: Host) => Promise<void>,
  { run = noTool, namespaces = "chroot" }: { run?: Run; namespaces?: Namespaces } = {},
): Promise<void> {
  const root = await makeHostFolder();
  const hostFiles = new HostFiles(root);
  try {
    for (const [path, text] of Object.entries(files)) {
      if (path.endsWith("/")) hostFiles.folder(path);
      else hostFiles.write(path, text);
    }
    await work({ root, namespaces, run });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}
