// Mount options as a class, a PV or the values file writes them. A new class is judged by the list
// of what may be given; a node, where volumes may have options of earlier releases, by the list of
// what it must never do.

import {
  ALLOWED_MOUNT_OPTIONS,
  type MountedType,
  type MountOptions,
  REFUSED_MOUNT_OPTIONS,
} from "./mount_tables.ts";

/** How much of an option a message shows. */
const SHOWN_LENGTH = 60;

/**
 * The options of one text, parted by commas or blanks; quotes keep both, as in a SELinux label
 * (`context="system_u:object_r:x:s0:c1,c2"`). An element of a class's `mountOptions` may hold
 * several (`"ro,noatime"`), because mount(8) takes it so.
 */
export function splitMountOptions(text: string): string[] {
  return text.match(/(?:[^\s,"]|"[^"]*"?)+/g) ?? [];
}

/**
 * Why a class must not give these options to what is mounted as `type`, as "loop is refused: …";
 * `undefined` when it may. Each is one option, as splitMountOptions() makes them.
 */
export function mountOptionsFault(
  type: MountedType,
  options: readonly string[],
): string | undefined {
  const refused = refusedMountOption(options);
  if (refused !== undefined) return refused;
  for (const option of options) {
    const reason = reasonAgainst(option, type);
    if (reason !== undefined) return `${shown(option)} is refused for ${type}: ${reason}`;
  }
  return undefined;
}

/**
 * Why no node must mount with these options, as "loop is refused: …"; `undefined` when nothing is
 * known against them. Quotes, backslashes and control characters are refused too, but for the quotes
 * of a SELinux label: the tools that read them disagree about where such an option ends.
 */
export function refusedMountOption(options: readonly string[]): string | undefined {
  for (const option of options) {
    const name = nameOf(option).toLowerCase();
    const group = REFUSED_MOUNT_OPTIONS.find(({ names }) =>
      names.some((one) => one.endsWith(".") ? name.startsWith(one) : name === one)
    );
    if (group !== undefined) return `${shown(option)} is refused: it ${group.does}`;
    if (!isPlain(option) && reasonAgainst(option, "xfs") !== undefined) {
      return `${shown(option)} is refused: quotes, commas and control characters are for ` +
        "SELinux labels only";
    }
  }
  return undefined;
}

/** The names of those options that nothing is known about for what is mounted as `type`. */
export function unknownMountOptions(type: MountedType, options: readonly string[]): string[] {
  return options.filter((option) => reasonAgainst(option, type) !== undefined)
    .map((option) => cut(nameOf(option)));
}

function reasonAgainst(option: string, type: MountedType): string | undefined {
  const name = nameOf(option);
  const rule = ALLOWED_MOUNT_OPTIONS[type].find(({ names }) => names.includes(name));
  if (rule === undefined) return "it is none of those that docs/formatting-options.md lists";
  const value = option === name ? undefined : option.slice(name.length + 1);
  return isRight(value, rule) ? undefined : `wanted ${rule.value?.says ?? "no value"}`;
}

function isRight(value: string | undefined, { value: rule, bare }: MountOptions): boolean {
  if (value === undefined) return rule === undefined || bare === true;
  return rule?.pattern.test(value) ?? false;
}

function isPlain(option: string): boolean {
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  return !/[\x00-\x20\x7f-\x9f"\\,]/.test(option);
}

function nameOf(option: string): string {
  return option.split("=", 1)[0] ?? option;
}

function cut(text: string): string {
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}

function shown(option: string): string {
  return /^[\w.+:=-]+$/.test(option) ? cut(option) : JSON.stringify(cut(option));
}
