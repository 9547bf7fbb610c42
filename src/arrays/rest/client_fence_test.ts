import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { type ChangeFence, FencedError } from "../../async/fence.ts";
import { silentLogger } from "../../log.ts";
import type { Fetch, HttpRequest, HttpResponse } from "../../net/https.ts";
import { Secret } from "../../secret.ts";
import { NothingMadeError } from "../array.ts";
import { FLASHARRAY_DIALECT } from "../flasharray/status.ts";
import { RestClient } from "./client.ts";
import { Limiter } from "./limiter.ts";
import { number } from "./shape.ts";

const refused = () => new FencedError("another leads", { sent: false });

/** A fence that a test opens and shuts. */
class TestFence implements ChangeFence {
  readonly heldForMs = Infinity;
  isOpen = true;
  asked: string[] = [];
  /** Cuts what runs. */
  cut = new AbortController();
  isSettled = true;
  settled = () => Promise.resolve();

  async pass<T>(
    _signal: AbortSignal,
    send: Parameters<ChangeFence["pass"]>[1],
  ): Promise<T> {
    const check = () => {
      this.asked.push("check");
      if (!this.isOpen) throw refused();
    };
    this.asked.push("pass");
    if (!this.isOpen) throw refused();
    try {
      const unclear = () => this.asked.push("unclear");
      return await send({ signal: this.cut.signal, check, unclear }) as T;
    } catch (error) {
      throw this.cut.signal.aborted ? new FencedError("cut", { sent: true }) : error;
    }
  }
}

/** A client of an array that answers each change as `answer` says, behind a fence. */
function fenced(answer: (request: HttpRequest) => Promise<HttpResponse> | HttpResponse) {
  const fence = new TestFence();
  const changes: string[] = [];
  const limiter = new Limiter();
  const fetch: Fetch = async (request) => {
    const { method, path } = request;
    const json = (body: unknown, headers = {}) => ({
      status: 200,
      headers,
      text: JSON.stringify(body),
    });
    if (path === "/api/api_version") return json({ version: ["2.26"] });
    if (path.endsWith("/login")) return json({ items: [] }, { "x-auth-token": "session" });
    if (method === "GET") return json({ items: [] });
    request.beforeBytes?.();
    changes.push(`${method} ${path}`);
    return await answer(request);
  };
  const rest = new RestClient({
    fetch,
    dialect: FLASHARRAY_DIALECT,
    token: new Secret("api-token-value"),
    label: () => "fa-1",
    log: silentLogger,
    limiter,
    fence,
  });
  return { rest, fence, changes, limiter };
}

const DONE = { status: 200, headers: {}, text: `{"items":[]}` };
const BUSY = { status: 503, headers: {}, text: "{}" };

Deno.test("login and reads pass a shut fence, and no change does", async () => {
  const { rest, fence, changes } = fenced(() => DONE);
  fence.isOpen = false;
  await rest.call({ method: "GET", path: "volumes" });
  for (const method of ["POST", "PATCH", "PUT", "DELETE"] as const) {
    await rejects(rest.call({ method, path: "volumes" }), (error) => error instanceof FencedError);
  }
  await rejects(rest.create({ path: "volumes", item: number }), /another leads/);
  deepEqual(changes, []);
});

Deno.test("the fence is asked before each attempt, and once more before its bytes", async () => {
  const answers = [BUSY, BUSY, DONE];
  const { rest, fence, changes } = fenced(() => answers.shift() ?? DONE);
  await rest.call({ method: "PATCH", path: "volumes" });
  equal(changes.length, 3);
  deepEqual(fence.asked, ["pass", "check", "pass", "check", "pass", "check"]);
});

Deno.test("a gateway's answer to a change tells the fence that the change may go on", async () => {
  for (
    const [status, isUnclear] of [[502, true], [504, true], [400, false], [500, false]] as const
  ) {
    const { rest, fence } = fenced(() => ({ status, headers: {}, text: "{}" }));
    await rejects(rest.call({ method: "PATCH", path: "volumes" }));
    equal(fence.asked.includes("unclear"), isUnclear, `${status}`);
  }
});

Deno.test("a fence that shuts between two attempts ends the change, and nothing is proven", async () => {
  const { rest, fence, changes } = fenced(() => {
    fence.isOpen = false;
    return BUSY;
  });
  await rejects(rest.create({ path: "volumes", item: number }), (error) => {
    match(String(error), /another leads/);
    return !(error instanceof NothingMadeError);
  });
  equal(changes.length, 1);
});

Deno.test("a fence that shuts while the change waits for its turn ends it", async () => {
  const { rest, fence, changes, limiter } = fenced(() => DONE);
  const permits = [];
  while (limiter.running < limiter.limit) permits.push(await limiter.acquire("attach"));
  const change = rest.call({ method: "PATCH", path: "volumes" });
  const ended = rejects(change, (error) => error instanceof FencedError);
  while (limiter.waiting === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  fence.isOpen = false;
  for (const permit of permits) permit.release();
  await ended;
  deepEqual(changes, []);
});

Deno.test("no create is sent while one of a leader before may be under way; other changes are", async () => {
  const { rest, fence, changes } = fenced(() => DONE);
  fence.isSettled = false;
  await rejects(rest.create({ path: "volumes", item: number }), (error) => {
    match(String(error), /array fa-1 may still carry out creates of a controller that led before/);
    return error instanceof FencedError && !error.sent;
  });
  await rest.call({ method: "DELETE", path: "volumes" });
  deepEqual(changes, ["DELETE /api/2.26/volumes"]);
});

Deno.test("a change that is cut is unclear, says nothing of the array, and slows nothing down", async () => {
  const { rest, fence, limiter } = fenced(({ signal }) =>
    new Promise((_, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
      setTimeout(() => fence.cut.abort(), 0);
    })
  );
  const before = limiter.limit;
  const error = await rest.create({ path: "volumes", item: number }).catch((error) => error);
  ok(error instanceof FencedError && error.sent);
  equal(rest.silence, undefined);
  equal(limiter.limit, before);
});
