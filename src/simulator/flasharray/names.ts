import { refused } from "../rest_error.ts";

const HOST_NAME = /^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/;
const VOLUME_NAME = /^(?=.*[a-zA-Z_-])[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?$/;
const SUFFIX = /^(?=.*[a-zA-Z-])[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/;
const NUMERIC_SUFFIX = /^[1-9]([0-9]{0,61}[0-9])?$/;

const MIN_VOLUME_BYTES = 1_048_576;
/** 2^52 = 4 PiB. */
const MAX_VOLUME_BYTES = 4_503_599_627_370_496;

/**
 * RestError 400 unless `base`, the part of a volume's `name` after its pod and volume group, can
 * stand there. The text is recorded from an array.
 */
export function requireBaseName(base: string, name: string): void {
  if (!VOLUME_NAME.test(base)) {
    throw refused(
      "Volume name must be between 1 and 63 characters (alphanumeric, _ and -), begin and end " +
        "with a letter or number, and include at least one letter, _, or -.",
      name,
    );
  }
}

/** RestError 400 unless `base` can be the name of a pod or volume group that is called `name`. */
export function requireContainerName(
  base: string,
  { what, name }: { what: string; name: string },
): void {
  if (!VOLUME_NAME.test(base)) {
    throw refused(
      `${what} name must be between 1 and 63 characters (alphanumeric, _ and -), begin and end ` +
        "with a letter or number, and include at least one letter, _, or -.",
      name,
    );
  }
}

/** RestError 400 when one call names an object twice, in whatever case. */
export function requireDistinct(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name.toLowerCase())) throw refused("Duplicate names are not allowed.", name);
    seen.add(name.toLowerCase());
  }
}

/** RestError 400 unless `name` can be a host's name: 1 to 63 letters, digits and `-`. */
export function requireHostName(name: string): void {
  if (!HOST_NAME.test(name)) {
    throw refused(
      "Invalid host name: it must have 1 to 63 letters, digits and '-', and begin and end with a " +
        "letter or digit.",
      name,
    );
  }
}

/** RestError 400 unless `suffix` can end a snapshot's name. */
export function requireSuffix(suffix: string): void {
  if (!SUFFIX.test(suffix) && !NUMERIC_SUFFIX.test(suffix)) {
    throw refused(
      "Invalid snapshot suffix: it must have 1 to 63 letters, digits and '-', with at least one " +
        "letter or '-'.",
      suffix,
    );
  }
}

/** RestError 400 unless a volume can have this size. `name` is the context of the error. */
export function requireSize(provisioned: number, name: string): void {
  if (provisioned < MIN_VOLUME_BYTES || provisioned > MAX_VOLUME_BYTES) {
    throw refused(
      `Invalid volume size: ${provisioned} is not within ${MIN_VOLUME_BYTES} and ` +
        `${MAX_VOLUME_BYTES}.`,
      name,
    );
  }
  if (provisioned % 512 !== 0) {
    throw refused(`Invalid volume size: ${provisioned} is not a multiple of 512.`, name);
  }
}

/** Size of a volume whose creation names none. */
export const DEFAULT_VOLUME_BYTES = MIN_VOLUME_BYTES;
