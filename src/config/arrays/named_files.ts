import { PsoError } from "../../errors.ts";

/** The only folder whose files a configuration from a cluster may name: the charts mount it. */
export const NAMED_FILES_FOLDER = "/etc/pure";

/**
 * A file that a configuration may not name (`denied`). Both parts go on in the sentence of the key:
 * `names FILE, which WHY: FIX`.
 */
export class ForbiddenFile extends PsoError {
  constructor(
    readonly why: string,
    /** What to do; absent: that depends on the key alone. */
    readonly fix?: string,
  ) {
    super("denied", `it ${why}`);
  }
}

/** What a configuration may name, and how it is read. */
export interface NamedFileRules {
  /** Nothing outside of this folder; absent: a file anywhere. */
  within?: string;
  /** Nothing below these folders, which hold the credentials of this process' own pod. */
  never: readonly string[];
  /** Given the path without links. */
  readTextFile: (path: string) => Promise<string>;
  /** The path without links; throws NotFound when there is no such file. */
  realPath: (path: string) => Promise<string>;
}

/**
 * Reads the files that a configuration names, as far as the rules go: both the path as it is written
 * and the file that its links lead to must keep them. A path that breaks them as it is written is
 * refused before the file system is asked. Throws ForbiddenFile, and what the file system throws.
 */
export function namedFileReader(rules: NamedFileRules): (path: string) => Promise<string> {
  const read = async (path: string) => {
    const real = await rules.realPath(path);
    const [within, ...never] = await Promise.all(
      [rules.within, ...rules.never].map((folder) => folder && withoutLinks(folder, rules)),
    );
    refuse(real, { path, within, never, rules });
    return await rules.readTextFile(real);
  };
  return async (path) => {
    refuse(absolutePath(path), { path, within: rules.within, never: rules.never, rules });
    try {
      return await read(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return await read(path); // kubelet exchanges the folder behind its link at each change
    }
  };
}

/** ForbiddenFile unless the path as it is written is below NAMED_FILES_FOLDER. */
export function refuseOutside(path: string): void {
  const within = NAMED_FILES_FOLDER;
  refuse(absolutePath(path), { path, within, never: [], rules: { within, never: [] } });
}

/** A folder that is not there has no links. */
async function withoutLinks(
  folder: string,
  { realPath }: Pick<NamedFileRules, "realPath">,
): Promise<string> {
  try {
    return await realPath(folder);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return folder;
    throw error;
  }
}

/** The rules as they are written, and the same without links. */
interface Resolved {
  /** As the configuration names it. */
  path: string;
  within?: string;
  never: readonly (string | undefined)[];
  rules: Pick<NamedFileRules, "within" | "never">;
}

function refuse(file: string, { path, within, never, rules }: Resolved): void {
  const leads = path === file ? "is" : `leads to ${file},`;
  const at = never.findIndex((folder) => folder !== undefined && isBelow(file, folder));
  if (at >= 0) {
    throw new ForbiddenFile(
      `${leads} below ${rules.never[at]}, where the credentials of this pod are`,
    );
  }
  if (within === undefined || isBelow(file, within)) return;
  throw new ForbiddenFile(
    `${leads} outside ${rules.within}, and a configuration from the cluster may name no file ` +
      "elsewhere",
  );
}

function isBelow(file: string, folder: string): boolean {
  return file.startsWith(`${absolutePath(folder)}/`);
}

/**
 * The path from `/` on without `.` and `..`, by its text alone: links are not followed. Ours, because
 * the compiled program does not start when its bundle has the runtime's module of paths.
 */
export function absolutePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
