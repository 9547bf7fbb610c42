import type { Eradication } from "../delete_options.ts";
import type { RestClient } from "./client.ts";
import { isRefusal, RestError } from "./refusals.ts";

/** What a call has destroyed, to be eradicated. */
interface Destroyed extends Eradication {
  path: string;
  /** As messages name it. */
  what: string;
  /** The object in the answer of that call. */
  destroyed?: { id?: string; destroyed?: boolean };
  signal?: AbortSignal;
}

/**
 * Eradicates it by the id that the array gave: the name may mean another object by now. Never
 * throws: what came of it is told to `ended`.
 */
export async function eradicate(
  rest: RestClient,
  { path, what, destroyed = {}, ended, signal }: Destroyed,
): Promise<void> {
  const { id = "" } = destroyed;
  if (destroyed.destroyed !== true || id === "") {
    return ended(what, new Error("the array does not say what it destroyed"));
  }
  const send = () => rest.call({ method: "DELETE", path, query: { ids: id }, signal });
  try {
    await send().catch((error: unknown) => {
      if (error instanceof RestError) throw error;
      // No answer came: an array that has done it knows no such object any more.
      return send();
    });
  } catch (error) {
    if (!isRefusal(error, "missing")) return ended(what, error);
  }
  ended(what);
}
