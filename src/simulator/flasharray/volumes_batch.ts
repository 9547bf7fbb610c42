import { Fields } from "../body.ts";
import type { Answer, ArrayRoutes, Call } from "../call.ts";
import { type Modelled, requireModelled } from "../modelled.ts";
import { refused } from "../rest_error.ts";
import type { Row } from "../filter.ts";
import { items } from "../list.ts";
import { requireDistinct } from "./names.ts";
import type { FlashArrayState } from "./state.ts";
import { postVolumes } from "./volumes.ts";

/** The first version that makes volumes of different sizes in one call. */
const SINCE = { since: 32 };
const BATCH_MODELLED: Modelled = { fields: [], query: ["with_default_protection"] };

/** One volume of the batch, as a call of its own. */
function singleCall(call: Call, body: unknown): { name: string; call: Call } {
  const fields = new Fields(body);
  const name = fields.text("name") ?? "";
  if (name === "") throw refused("name is required for each volume.");
  const query = new URLSearchParams(call.query);
  query.set("names", name);
  const { name: _, ...rest } = Object(body);
  return { name, call: { ...call, query, body: rest } };
}

/** All or none: when one cannot be made, those before it go without a trace. */
async function postBatch(state: FlashArrayState, call: Call): Promise<Answer> {
  requireModelled(call, BATCH_MODELLED, state.context.name);
  if (!Array.isArray(call.body) || call.body.length === 0) {
    throw refused("The request body must be a list of volumes.");
  }
  const calls = call.body.map((one) => singleCall(call, one));
  requireDistinct(calls.map(({ name }) => name));
  const rows: Row[] = [];
  const made: string[] = [];
  try {
    for (const one of calls) {
      const answer = await postVolumes(state, one.call);
      made.push(one.name);
      rows.push(...rowsOf(answer));
    }
  } catch (error) {
    for (const name of made) {
      const volume = state.volumeNamed(name);
      if (volume !== undefined) state.eradicateVolume(volume);
    }
    throw error;
  }
  return items(rows);
}

function rowsOf({ body }: Answer): Row[] {
  const { items: rows } = Object(body);
  return Array.isArray(rows) ? rows : [];
}

/** Serves /volumes/batch. */
export function addVolumeBatchRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  routes.on("POST /volumes/batch", (call) => state.turns.take(() => postBatch(state, call)), SINCE);
}
