import { type Answer, type ArrayRoutes, type Call, csv } from "./call.ts";
import { refused } from "./rest_error.ts";

/** Paths without their first slash, by the first REST 2.N that has them. */
export type KnownLists = ReadonlyMap<number, readonly string[]>;

/** Reads a table of paths that are separated by white space. */
export function knownLists(table: Record<number, string>): KnownLists {
  return new Map(
    Object.entries(table).map(([since, text]) => [Number(since), text.trim().split(/\s+/)]),
  );
}

/** `object-store-accounts` → `Object store account`, as arrays name the sort in their messages. */
function sortOf(path: string): string {
  const words = path.replaceAll("-", " ").replace(/ies$/, "y").replace(/s$/, "");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * Answers every known list that is not modelled as an empty one, so that clients which look through
 * the whole array go on. An object that is asked for by name is not there. Changes stay 404.
 */
export function addEmptyLists(
  routes: ArrayRoutes,
  known: KnownLists,
  empty: (call: Call) => Answer,
): void {
  for (const [since, paths] of known) {
    for (const path of paths.filter((path) => !routes.answers(`GET /${path}`))) {
      routes.on(`GET /${path}`, (call) => {
        const [name] = csv(call.query, "names") ?? csv(call.query, "ids") ?? [];
        if (name !== undefined && !path.includes("/")) {
          throw refused(`${sortOf(path)} does not exist.`, name);
        }
        return empty(call);
      }, { since, isListOnly: true });
    }
  }
}
