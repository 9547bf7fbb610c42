// An array of one process that is asked for objects by their names, and answers what a test says.
import type { Fetch, HttpResponse } from "../../src/net/https.ts";
import { silentLogger } from "../../src/log.ts";
import { Secret } from "../../src/secret.ts";
import type { Dialect } from "../../src/arrays/rest/access/session.ts";
import { RestClient } from "../../src/arrays/rest/client.ts";
import type { ArrayContext } from "../../src/arrays/rest/named_objects.ts";

type Row = Record<string, unknown>;
/** What an array answers to a list of names: its items, or a refusal about one of them. */
type Give = (names: string[], path: string) => Row[] | { message: string; context: string };

/** Longer than the clock is coarse, so that those who come during a call are gathered. */
const CALL_MS = 10;
const NAMED_BY = ["names", "volume_names", "source_names", "names_or_owner_names"];

/** An array that gives what `give` says, which may throw; `asked` has the names of each call. */
export function arrayThat(
  give: Give,
  { dialect, label }: { dialect: Dialect; label: string },
): { context: ArrayContext; asked: string[][] } {
  const asked: string[][] = [];
  const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    ({ status, headers, text: JSON.stringify(body) }) satisfies HttpResponse;
  const fetch: Fetch = async ({ path }) => {
    if (path === "/api/api_version") return json(200, { [dialect.versionsKey]: ["2.26"] });
    if (path.endsWith("/login")) return json(200, { items: [] }, { "x-auth-token": "session" });
    const query = new URL(`http://x${path}`).searchParams;
    const names = NAMED_BY.flatMap((key) => query.get(key)?.split(",") ?? []);
    asked.push(names);
    await new Promise((resolve) => setTimeout(resolve, CALL_MS));
    const given = give(names, path);
    return Array.isArray(given)
      ? json(200, { items: given, more_items_remaining: false })
      : json(400, { errors: [given] });
  };
  const rest = new RestClient({
    fetch,
    dialect,
    token: new Secret("token"),
    label: () => label,
    log: silentLogger,
  });
  return { context: { rest, label: () => label }, asked };
}
