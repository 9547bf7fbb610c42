import type { ArrayContext } from "./array_context.ts";
import type { SimulatedArray } from "./array_server.ts";
import { FlashArray } from "./flasharray/flasharray.ts";
import { FlashBlade } from "./flashblade/flashblade.ts";

/** Which of the two families an array belongs to. */
export type ArrayKind = SimulatedArray["kind"];

/** How each kind of array is made. A new kind is one line here and its own files. */
export const ARRAY_KINDS: Record<ArrayKind, (context: ArrayContext) => SimulatedArray> = {
  flasharray: (context) => new FlashArray(context),
  flashblade: (context) => new FlashBlade(context),
};
