/** Lists that are used as a whole, of an array that never comes to their end. */
import { equal, rejects } from "node:assert/strict";
import { asIs } from "../../../tests/support/as_is.ts";
import { clientOf } from "../../../tests/support/rest_client.ts";
import { REST_LIMITS } from "./limits.ts";

const { gatheredItems, pageItems, pages } = REST_LIMITS;

for (
  const { name, items, asked } of [
    {
      name: "full pages",
      items: pageItems.value,
      asked: gatheredItems.value / pageItems.value + 1,
    },
    { name: "pages of one item", items: 1, asked: pages.value + 1 },
  ]
) {
  Deno.test(`a list of ${name} without end is given up, with at most what is allowed`, async () => {
    let calls = 0;
    const text = () =>
      JSON.stringify({
        items: Array.from({ length: items }, (_, at) => ({ name: `host-${calls}-${at}` })),
        continuation_token: `page-${calls}`,
        more_items_remaining: calls < 2 * asked, // so that a list that is not given up ends too
      });
    const client = clientOf(() => {
      calls++;
      return Promise.resolve({ status: 200, headers: {}, text: text() });
    });
    await rejects(Array.fromAsync(client.all({ path: "hosts", item: asIs })), {
      code: "unavailable",
      message: new RegExp(
        `gave more than ${gatheredItems.value} items or ${pages.value} pages; try again$`,
      ),
    });
    equal(calls, asked);
  });
}
