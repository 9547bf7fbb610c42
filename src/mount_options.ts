// Mount options as a class, a PV or the values file writes them.

/**
 * The options of one text, parted by commas or blanks; quotes keep both, as in a SELinux label
 * (`context="system_u:object_r:x:s0:c1,c2"`). An element of a class's `mountOptions` may hold
 * several (`"ro,noatime"`), because mount(8) takes it so.
 */
export function splitMountOptions(text: string): string[] {
  return text.match(/(?:[^\s,"]|"[^"]*"?)+/g) ?? [];
}
