/**
 * Kinds of permission that a program compiled by us may hold. A part of a granted kind cannot be
 * given back, a whole kind can.
 */
type PermissionKind = "run" | "write" | "sys" | "env" | "read" | "net";

/**
 * What a browser's page stores its data by. Deno serves it without the permission to write, in
 * files below the home folder; and a worker has all of it anew.
 */
const STORES = [
  "caches",
  "Cache",
  "CacheStorage",
  "localStorage",
  "sessionStorage",
  "Storage",
  "Worker",
];

/**
 * Gives whole kinds of permission back, for good: no code of this process can ask for them again
 * (`--no-prompt`). With them go the stores of a browser's page, whichever kinds are named: they ask
 * for no permission and write below the home folder. Throws when a kind is still granted afterwards,
 * because a program that believes itself confined must be. Repeating it changes nothing.
 */
export function giveUp(kinds: readonly PermissionKind[]): void {
  closeStores();
  for (const name of kinds) {
    const { state } = Deno.permissions.revokeSync({ name });
    if (state === "granted") {
      throw new Error(
        `the permission ${name} cannot be given back: compile the program with scripts/build, ` +
          "never with -A",
      );
    }
  }
}

function closeStores(): void {
  for (const name of STORES) {
    Object.defineProperty(globalThis, name, {
      value: undefined,
      writable: false,
      configurable: false,
    });
  }
}

/** Which kinds this process still holds. */
export function heldPermissions(): Record<PermissionKind, boolean> {
  const held = (name: PermissionKind) => Deno.permissions.querySync({ name }).state === "granted";
  return {
    run: held("run"),
    write: held("write"),
    sys: held("sys"),
    env: held("env"),
    read: held("read"),
    net: held("net"),
  };
}
