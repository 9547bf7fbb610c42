// Pods and volume groups of a FlashArray, as a class names them and as an administrator makes them.
import type { RestCall } from "../../src/arrays/rest/client.ts";
import type { Container } from "../../src/names.ts";

/** An array as an administrator changes it, and the controller that looks at it afterwards. */
interface Bed {
  admin(array: string, call: RestCall): Promise<unknown>;
  fleet: { refresh(signal?: AbortSignal): Promise<void> };
  signal: AbortSignal;
}

/** A container to be made, where, and what the call says of it. */
interface NewContainer extends Container {
  array: string;
  body?: unknown;
}

/** The collection that has it. */
export function pathOf({ what }: Container): string {
  return what === "pod" ? "pods" : "volume-groups";
}

/** What a class says to have its volumes there. */
export function classOf({ what, name }: Container): Record<string, string> {
  return { [what === "pod" ? "pod" : "volumeGroup"]: name };
}

/** Makes it on an array, which shows it at the controller's next look: that is over afterwards. */
export async function makeContainer(
  bed: Bed,
  { array, body = {}, ...container }: NewContainer,
): Promise<void> {
  const query = { names: container.name };
  await bed.admin(array, { method: "POST", path: pathOf(container), query, body });
  await bed.fleet.refresh(bed.signal);
}
