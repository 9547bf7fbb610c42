import { messageOf, PsoError } from "../errors.ts";

/** As many links in a row as the kernel follows (path_resolution(7)). */
const LINKS_MAX = 40;

/** One part of a path that is still to be walked. */
interface Part {
  name: string;
  /** The link that brought it in; absent for a part of the path that was asked for. */
  link?: { path: string; to: string };
}

/** How far followLinks() goes. */
interface FollowOptions {
  /**
   * False: the last part is taken as it is, and not even looked at, because a look at the mount of
   * a dead server hangs.
   */
  followLast: boolean;
}

/**
 * The path without symbolic links, as a process whose root is the folder `root` sees it: an
 * absolute link begins at `root`, and `..` does not leave it. To this process the same link would
 * lead into its own container. Parts that do not exist are kept as they are. `unavailable` for a
 * link that leads nowhere or in a circle.
 */
export async function followLinks(
  root: string,
  path: string,
  { followLast }: FollowOptions,
): Promise<string> {
  const pending: Part[] = partsOf(path);
  const done: string[] = [];
  let links = 0;
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part.name === "..") {
      done.pop();
      continue;
    }
    done.push(part.name);
    if (!followLast && pending.length === 0) break;
    const here = `/${done.join("/")}`;
    const found = await lookAt(`${root}${here}`, here);
    if (found.kind === "missing") {
      if (part.link) throw dangling(part.link, here);
      return [here, ...pending.map(({ name }) => name)].join("/");
    }
    if (found.kind === "other") continue;
    if (++links > LINKS_MAX) {
      throw new PsoError(
        "unavailable",
        `${path} on this host cannot be followed: more than ${LINKS_MAX} symbolic links, the last ` +
          `of them ${here}; correct that link`,
      );
    }
    const link = { path: here, to: found.to };
    if (found.to.startsWith("/")) done.length = 0;
    else done.pop();
    pending.unshift(...partsOf(found.to, link));
  }
  return `/${done.join("/")}`;
}

function partsOf(path: string, link?: Part["link"]): Part[] {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  return names.map((name) => ({ name, link }));
}

type Seen = { kind: "missing" } | { kind: "other" } | { kind: "link"; to: string };

async function lookAt(file: string, path: string): Promise<Seen> {
  try {
    const { isSymlink } = await Deno.lstat(file);
    return isSymlink ? { kind: "link", to: await Deno.readLink(file) } : { kind: "other" };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return { kind: "missing" };
    }
    throw unreadable(path, error);
  }
}

/** `unavailable` for something of the host that this process cannot read, with what to do. */
export function unreadable(what: string, error: unknown): PsoError {
  return new PsoError(
    "unavailable",
    `${what} on this host cannot be read: ${messageOf(error)}; see with ls -l what is there, and ` +
      "give the node plugin the rights to read it",
    { cause: error },
  );
}

function dangling({ path, to }: { path: string; to: string }, missing: string): PsoError {
  return new PsoError(
    "unavailable",
    `${path} on this host is a link to ${to}, and ${missing} does not exist: make it, or correct ` +
      "the link",
  );
}
