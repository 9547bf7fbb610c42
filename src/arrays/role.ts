import type { StorageArray } from "./array.ts";

/**
 * Proves that the array lets this driver's user change things; `denied` when it does not. Reading
 * needs a lower role, so that health checks show nothing of it. The change asked for is to destroy
 * a snapshot of a new random name, which no array has: nothing happens.
 */
export async function proveRole(array: StorageArray, signal?: AbortSignal): Promise<void> {
  const nobodys = crypto.randomUUID().replaceAll("-", "");
  await array.deleteSnapshot(`role-check-${nobodys}.none`, { signal });
}
