import { deepEqual, equal, rejects } from "node:assert/strict";
import { silentLogger } from "../../../log.ts";
import { Secret } from "../../../secret.ts";
import type { Fetch, HttpResponse } from "../../../net/https.ts";
import { FLASHARRAY_DIALECT } from "../../flasharray/status.ts";
import { RestClient } from "../client.ts";

const WELL = { isRefused: () => false };

/** A client of a server that lets one token in, and what came by it. */
function clientOf(token: string, { isRefused }: { isRefused: () => boolean } = WELL) {
  const came: string[] = [];
  let hold: Promise<void> | undefined;
  const answer = (status: number, body: unknown, headers = {}): HttpResponse => ({
    status,
    headers,
    text: JSON.stringify(body),
  });
  const fetch: Fetch = async ({ method, path }) => {
    came.push(`${token} ${method} ${path.replace(/^\/api\/(2\.\d+\/)?/, "")}`);
    if (path.endsWith("/api_version")) return answer(200, { version: ["2.26"] });
    if (path.endsWith("/logout")) return answer(200, {});
    if (path.endsWith("/login")) {
      return isRefused()
        ? answer(401, { errors: [{ message: "Invalid API token." }] })
        : answer(200, {}, { "x-auth-token": `session-of-${token}` });
    }
    await hold;
    return isRefused() ? answer(401, { errors: [{ message: "no session" }] }) : answer(200, {
      items: [],
    });
  };
  const closed: string[] = [];
  const client = new RestClient({
    fetch,
    close: () => closed.push(token),
    dialect: FLASHARRAY_DIALECT,
    token: new Secret(token),
    label: () => "fa-1",
    log: silentLogger,
  });
  return { client, came, closed, holdUntil: (until: Promise<void>) => hold = until };
}

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("a call that is under way ends on the way that it began on", async () => {
  const [before, after] = [clientOf("old"), clientOf("new")];
  const gate = Promise.withResolvers<void>();
  before.holdUntil(gate.promise);
  const running = before.client.call({ method: "POST", path: "volumes" });
  while (!before.came.includes("old POST volumes")) await turn();
  before.client.take(after.client);
  await before.client.call({ method: "GET", path: "volumes" });
  deepEqual(after.came.at(-1), "new GET volumes");
  deepEqual(before.closed, [], "still in use");
  gate.resolve();
  await running;
  await turn();
  deepEqual(before.came.slice(-2), ["old POST volumes", "old POST logout"]);
  deepEqual([before.closed, after.closed], [["old"], []]);
  await before.client.close({ atOnce: true });
  deepEqual(after.closed, ["new"]);
});

Deno.test("what an old token was refused is done by the new one that came meanwhile", async () => {
  let isRevoked = false;
  const before = clientOf("old", { isRefused: () => isRevoked });
  const after = clientOf("new");
  await before.client.call({ method: "GET", path: "volumes" });
  isRevoked = true;
  const gate = Promise.withResolvers<void>();
  before.holdUntil(gate.promise);
  const running = before.client.call({ method: "GET", path: "volumes" });
  await turn();
  before.client.take(after.client);
  gate.resolve();
  await running;
  equal(after.came.at(-1), "new GET volumes");
});

Deno.test("a client whose token is refused and that gets no other says so", async () => {
  const { client } = clientOf("old", { isRefused: () => true });
  await rejects(client.call({ method: "GET", path: "volumes" }), /refuses the API token/);
});

Deno.test("a client that retires closes at once when nothing is under way", async () => {
  const { client, closed } = clientOf("old");
  await client.call({ method: "GET", path: "volumes" });
  void client.close({ atOnce: false });
  await turn();
  deepEqual(closed, ["old"]);
});
