import type { StorageArray } from "./array.ts";

/** A name that no object has. */
function nobodys(what: string): string {
  return `${what}-check-${crypto.randomUUID().replaceAll("-", "")}`;
}

/**
 * Proves that the array heeds which object a call names; `unavailable` when it answers with
 * another one, as behind a proxy that takes parameters away. An array without objects proves it.
 */
export async function proveNames(array: StorageArray, signal?: AbortSignal): Promise<void> {
  await array.findVolume(nobodys("name"), { signal });
}

/**
 * Proves that the array lets this driver's user change things; `denied` when it does not. Reading
 * needs a lower role, so that health checks show nothing of it. The change asked for is to destroy
 * a snapshot of a new random name, which no array has: nothing happens.
 */
export async function proveRole(array: StorageArray, signal?: AbortSignal): Promise<void> {
  await array.deleteSnapshot(`${nobodys("role")}.none`, { signal });
}
