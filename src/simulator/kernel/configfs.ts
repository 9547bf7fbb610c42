import { messageOf, PsoError } from "../../errors.ts";
import { removeIfThere } from "../images.ts";

// configfs (kernel, filesystems/configfs.rst): a folder is an object of the kernel, made by mkdir
// and ended by rmdir; its files are the object's attributes, which come and go with it; a link
// connects two objects.

/** Does one step and says what was done on what when the kernel refuses. */
function step<T>(what: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new PsoError(
      "unavailable",
      `cannot ${what} ${path}: ${messageOf(error)}; see the kernel's log`,
      { cause: error },
    );
  }
}

/** Makes the object and those above it; one that exists is right. */
export function makeObject(path: string): void {
  step("make", path, () => Deno.mkdirSync(path, { recursive: true }));
}

/**
 * Ends an object; one that is gone is right. `unavailable` while another object is linked to it.
 */
export function endObject(path: string): void {
  step("remove", path, () => removeIfThere(path));
}

/** Writes an attribute in one piece and without a line break: LIO would keep it in CHAP names. */
export function setAttribute(path: string, value: string): void {
  step("set", path, () => Deno.writeTextFileSync(path, value));
}

/**
 * The attribute without the line break at its end; `undefined` when there is no such object or
 * attribute.
 */
export function attribute(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path).trimEnd();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Sets the attribute unless it has that value. */
export function ensureAttribute(path: string, value: string): void {
  if (attribute(path) !== value) setAttribute(path, value);
}

/** Links `path` to the object `to`; one that exists is right. */
export function linkObject(to: string, path: string): void {
  if (linkTarget(path) === undefined) step("link", path, () => Deno.symlinkSync(to, path));
}

/** Where a link leads, in the kernel's own words (relative); `undefined` when there is none. */
export function linkTarget(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The names of the objects below this one that begin with `prefix`; none when it is not there. */
export function objectsIn(path: string, prefix = ""): string[] {
  return entriesOf(path).filter((entry) => entry.isDirectory && entry.name.startsWith(prefix)).map((
    { name },
  ) => name);
}

/** The names of the links of this object. */
export function linksIn(path: string): string[] {
  return entriesOf(path).filter((entry) => entry.isSymlink).map(({ name }) => name);
}

function entriesOf(path: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(path)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
