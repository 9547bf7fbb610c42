import assert from "node:assert/strict";
import { isPsoError, PsoError } from "../../errors.ts";
import {
  type Fetch,
  type HttpRequest,
  type HttpResponse,
  TransportError,
} from "../../net/https.ts";
import { createLogger, silentLogger } from "../../log.ts";
import { Secret } from "../../secret.ts";
import { FLASHARRAY_DIALECT } from "../flasharray/status.ts";
import { FLASHBLADE_DIALECT } from "../flashblade/status.ts";
import { NothingMadeError } from "../array.ts";
import { type CallRecord, RestClient, type RestOptions } from "./client.ts";
import { filterText } from "./query.ts";
import { isRefusal } from "./refusals.ts";
import { Limiter } from "./limiter.ts";
import { number } from "./shape.ts";

type Answer = HttpResponse | Error;

function json(status: number, body: unknown, headers: Record<string, string> = {}): HttpResponse {
  return { status, headers, text: body === undefined ? "" : JSON.stringify(body) };
}

/**
 * A client whose array answers versions and login by itself and everything else from `answers`, in
 * order.
 */
function scripted(
  answers: Answer[],
  options: Partial<RestOptions> & { versions?: string[]; kind?: "FA" | "FB" } = {},
) {
  const { versions = ["1.19", "2.0", "2.4", "2.26", "2.DEV"], kind = "FA", ...rest } = options;
  const requests: HttpRequest[] = [];
  let sessions = 0;
  const fetch: Fetch = (request) => {
    requests.push(request);
    if (request.path === "/api/api_version") {
      return Promise.resolve(json(200, { [kind === "FA" ? "version" : "versions"]: versions }));
    }
    if (request.path.endsWith("/login")) {
      return Promise.resolve(json(200, { items: [] }, { "x-auth-token": `session-${++sessions}` }));
    }
    const answer = answers.shift() ?? new Error("no more answers");
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const client = new RestClient({
    fetch,
    dialect: kind === "FA" ? FLASHARRAY_DIALECT : FLASHBLADE_DIALECT,
    token: new Secret("api-token-value"),
    label: () => "fa-1",
    log: silentLogger,
    ...rest,
  });
  const paths = () => requests.map(({ method, path }) => `${method} ${path}`);
  return { client, requests, paths };
}

const RESET = new TransportError("unavailable", "reset", { sent: true });
const UNSENT = new TransportError("unavailable", "refused", { sent: false });

Deno.test("RestClient.create() throws NothingMadeError for a refusal that proves it, and for no other", async () => {
  const role = json(403, { message: "Operation not permitted." });
  const busy = json(503, { errors: [{ message: "Busy." }] });
  const cases: [Answer[], boolean][] = [
    [[role], true],
    [[UNSENT, UNSENT, UNSENT], true],
    [[busy, role], false],
    [[RESET], false],
    [[json(200, { items: 7 })], false],
    [[{ ...role, text: "<html>" }], false],
  ];
  for (const [answers, isProof] of cases) {
    const { client } = scripted([...answers]);
    const error = await client.create({ path: "volumes", item: number }).catch((error) => error);
    assert.equal(error instanceof NothingMadeError, isProof, String(error));
  }
});

Deno.test("RestClient takes the newest version that both know, skipping what it does not", async () => {
  const cases: [string[], string][] = [
    [["1.0", "2.4", "2.11", "2.12"], "2.11"],
    [["2.26", "2.4"], "2.26"],
    [["2.55", "2.56", "2.99"], "2.56"],
  ];
  for (const [versions, wanted] of cases) {
    const { client, paths } = scripted([json(200, { items: [] })], { versions });
    await client.call({ method: "GET", path: "volumes" });
    assert.deepEqual(paths(), [
      "GET /api/api_version",
      `POST /api/${wanted}/login`,
      `GET /api/${wanted}/volumes`,
    ]);
  }
});

Deno.test("RestClient tells the versions of REST 2 that it does not know, and those of REST 1 if there are no others", async () => {
  for (
    const [versions, told] of [[["1.0", "1.19", "2.0"], /speaks REST 2\.0, and/], [
      ["1.0", "1.19"],
      /speaks REST 1\.0, 1\.19, and/,
    ]] as [string[], RegExp][]
  ) {
    const { client } = scripted([], { versions });
    await assert.rejects(client.call({ method: "GET", path: "volumes" }), told);
  }
});

Deno.test("RestClient sends the API token to the login only, and its session elsewhere", async () => {
  const { client, requests } = scripted([json(200, { items: [] })], { kind: "FB" });
  await client.call({ method: "GET", path: "file-systems" });
  const [versions, login, call] = requests;
  assert.equal(versions?.headers?.["api-token"], undefined);
  assert.equal(login?.path, "/api/login");
  assert.equal(login?.headers?.["api-token"], "api-token-value");
  assert.equal(call?.headers?.["x-auth-token"], "session-1");
  assert.equal(call?.headers?.["api-token"], undefined);
});

Deno.test("RestClient never logs a token or session", async () => {
  const lines: string[] = [];
  const log = createLogger({ level: "debug", write: (line) => lines.push(line) });
  const { client } = scripted([json(401, {}), json(200, { items: [] })], { log });
  await client.call({ method: "GET", path: "volumes" });
  assert.ok(lines.length >= 4);
  assert.doesNotMatch(lines.join(""), /api-token-value|session-/);
});

Deno.test("RestClient writes lists with literal commas and everything else encoded", async () => {
  const { client, paths } = scripted([json(200, { items: [] })]);
  const query = {
    names: ["a", "pod::b"],
    filter: `name=${filterText("it's\\*")}`,
    destroyed: false,
    limit: undefined,
  };
  await client.call({ method: "GET", path: "volumes", query });
  assert.equal(
    paths()[2],
    "GET /api/2.26/volumes?names=a,pod%3A%3Ab&filter=name%3D'it%5C's%5C%5C*'&destroyed=false",
  );
});

Deno.test("RestClient sends no name that would mean another object, several or all", async () => {
  for (const name of ["a,b", "", "*", "a b", "a'b", "a\\b"]) {
    for (const query of [{ names: name }, { source_names: name }, { volume_names: ["a", name] }]) {
      const { client, paths } = scripted([]);
      await assert.rejects(
        client.call({ method: "PATCH", path: "volumes", query }),
        (error) => isRefusal(error, "missing"),
      );
      assert.deepEqual(paths(), []);
    }
  }
});

Deno.test("RestClient repeats a login that met a busy array", async () => {
  const statuses = [503, 429, 200];
  const { client } = scripted([], {
    fetch: (request) => {
      if (request.path.endsWith("api_version")) {
        return Promise.resolve(json(200, { version: ["2.26"] }));
      }
      if (!request.path.endsWith("login")) return Promise.resolve(json(200, { items: [1] }));
      return Promise.resolve(json(statuses.shift() ?? 500, {}, { "x-auth-token": "s" }));
    },
  });
  assert.deepEqual((await client.call({ method: "POST", path: "volumes", item: number })).items, [
    1,
  ]);
});

Deno.test("RestClient renews the session once after 401, and gives up after the second", async () => {
  const once = scripted([json(401, {}), json(200, { items: [1] })]);
  assert.deepEqual(
    (await once.client.call({ method: "POST", path: "volumes", item: number })).items,
    [1],
  );
  assert.equal(once.paths().filter((path) => path.endsWith("/login")).length, 2);
  const twice = scripted([json(401, {}), json(401, {})]);
  await assert.rejects(
    twice.client.call({ method: "GET", path: "volumes" }),
    (error) => isPsoError(error, "denied"),
  );
});

Deno.test("RestClient repeats a read after a reset, and a change only when it surely never left", async () => {
  const read = scripted([RESET, json(504, {}), json(200, { items: [1] })]);
  assert.deepEqual(
    (await read.client.call({ method: "GET", path: "volumes", item: number })).items,
    [1],
  );
  const unsent = scripted([UNSENT, json(200, { items: [1] })]);
  assert.deepEqual(
    (await unsent.client.call({ method: "POST", path: "volumes", item: number })).items,
    [1],
  );
  for (const answer of [RESET, json(502, {}), json(500, {}), json(504, {})]) {
    const sent = scripted([answer, json(200, { items: [1] })]);
    await assert.rejects(
      sent.client.call({ method: "POST", path: "volumes" }),
      (error) => isPsoError(error, "unavailable"),
    );
    assert.equal(
      sent.paths().filter((path) => path.startsWith("POST /api/2.26/volumes")).length,
      1,
    );
  }
});

Deno.test("RestClient keeps one X-Request-ID over the repetitions of a call", async () => {
  const { client, requests } = scripted([
    json(503, {}),
    json(429, { message: "slow down" }),
    json(200, { items: [] }),
  ]);
  await client.call({ method: "POST", path: "volumes" });
  const ids = requests.filter(({ path }) => path.includes("volumes")).map(({ headers }) =>
    headers?.["x-request-id"]
  );
  assert.equal(ids.length, 3);
  assert.equal(new Set(ids).size, 1);
  assert.match(ids[0] ?? "", /^[0-9a-f-]{36}$/);
});

Deno.test("RestClient stops repeating when the caller's deadline passes", async () => {
  const deadline = new AbortController();
  const { client } = scripted(
    Array.from({ length: 1000 }, () => json(429, { message: "slow down" })),
    {
      onCall: ({ status }) =>
        status === 429 && deadline.abort(new PsoError("timeout", "the RPC's deadline")),
    },
  );
  await assert.rejects(
    client.call({ method: "GET", path: "volumes", signal: deadline.signal }),
    /^PsoError: array .* gave no good answer to GET volumes: the RPC's deadline; it said: .*slow down/,
  );
});

const SLOW = new TransportError("timeout", "no answer within 30 s", { sent: true });

const PACES: { name: string; answers: Answer[]; before: number; after: number }[] = [
  { name: "429 halves", answers: [json(429, {}), json(200, {})], before: 16, after: 8 },
  { name: "503 halves", answers: [json(503, {}), json(200, {})], before: 16, after: 8 },
  { name: "an answer that does not come in time halves", answers: [SLOW], before: 16, after: 8 },
  { name: "a reset keeps", answers: [RESET], before: 16, after: 16 },
  { name: "a good answer raises", answers: [json(200, {})], before: 1, after: 2 },
  {
    name: "a refusal, which costs the array nothing, raises",
    answers: [json(400, {})],
    before: 1,
    after: 2,
  },
  { name: "500 keeps", answers: [json(500, {})], before: 1, after: 1 },
];

for (const { name, answers, before, after } of PACES) {
  Deno.test(`RestClient tells the limiter of each answer: ${name} the limit`, async () => {
    const limiter = new Limiter({ start: before });
    // a limit of 1 is raised by a part of 1 each time: three are enough
    const times = before === 1 ? 3 : 1;
    const { client } = scripted(Array.from({ length: times }, () => answers).flat(), { limiter });
    for (let time = 0; time < times; time++) {
      await client.call({ method: "POST", path: "volumes", lane: "attach" }).catch(() => {});
    }
    assert.equal(limiter.limit, after);
    assert.equal(limiter.running, 0, "every permit is given back");
  });
}

Deno.test("RestClient does not take it for a slow array when the caller goes away", async () => {
  const limiter = new Limiter({ start: 16 });
  const caller = new AbortController();
  const { client } = scripted([], {
    limiter,
    fetch: (request) => {
      if (request.path.endsWith("api_version")) {
        return Promise.resolve(json(200, { version: ["2.26"] }));
      }
      if (request.path.endsWith("login")) {
        return Promise.resolve(json(200, {}, { "x-auth-token": "s" }));
      }
      caller.abort(new PsoError("timeout", "the RPC's deadline"));
      return Promise.reject(SLOW);
    },
  });
  await assert.rejects(
    client.call({ method: "GET", path: "volumes", signal: caller.signal }),
    (error) => isPsoError(error, "unavailable"),
  );
  assert.deepEqual([limiter.limit, limiter.running], [16, 0]);
});

Deno.test("RestClient waits for an answer no longer than its own limit, and slows down then", async () => {
  const limiter = new Limiter({ start: 16 });
  const { client } = scripted([], {
    limiter,
    callTimeoutMs: 20,
    fetch: ({ path, signal }) => {
      if (path.endsWith("api_version")) return Promise.resolve(json(200, { version: ["2.26"] }));
      if (path.endsWith("login")) return Promise.resolve(json(200, {}, { "x-auth-token": "s" }));
      return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(SLOW)));
    },
  });
  await assert.rejects(
    client.call({ method: "POST", path: "volumes" }),
    (error) =>
      isPsoError(error, "unavailable") && error.cause === SLOW &&
      error.message === "array fa-1 gave no answer to POST volumes: no answer within 30 s",
  );
  assert.equal(limiter.limit, 8);
});

Deno.test("RestClient tells onCall of each call, with no query and no answer as 0", async () => {
  const calls: CallRecord[] = [];
  const { client } = scripted([RESET, json(200, { items: [] })], {
    onCall: (call) => calls.push(call),
  });
  await client.call({ method: "GET", path: "volumes", query: { names: "k8s-pvc-1" } });
  assert.deepEqual(calls.map(({ array, method, path, status }) => [array, method, path, status]), [
    ["fa-1", "GET", "api_version", 200],
    ["fa-1", "POST", "login", 200],
    ["fa-1", "GET", "volumes", 0],
    ["fa-1", "GET", "volumes", 200],
  ]);
});

Deno.test("page() follows FlashArray's more_items_remaining and FlashBlade's token alone", async () => {
  const page = (kind: "FA" | "FB", body: unknown) =>
    scripted([json(200, body)], { kind }).client.page({ path: "x", item: number }, { limit: 2 });
  const list = { items: [1, 2], continuation_token: "next" };
  assert.deepEqual(await page("FA", { ...list, more_items_remaining: true }), {
    items: [1, 2],
    nextToken: "next",
  });
  assert.deepEqual(await page("FA", { ...list, more_items_remaining: false }), { items: [1, 2] });
  assert.deepEqual(
    await page("FA", { items: [], continuation_token: null, more_items_remaining: false }),
    { items: [] },
  );
  assert.deepEqual(await page("FB", { ...list, total_item_count: 9 }), {
    items: [1, 2],
    nextToken: "next",
  });
  assert.deepEqual(await page("FB", { items: [1], continuation_token: null }), { items: [1] });
  await assert.rejects(
    page("FA", { items: [1], continuation_token: null, more_items_remaining: true }),
    (error) => isPsoError(error, "unavailable") && /list of x and cut it off/.test(error.message),
    "items must never be lost in silence",
  );
});

Deno.test("all() reads every page, and a list that repeats its token is refused instead of read for ever", async () => {
  const body = (items: number[], token?: string) =>
    json(200, {
      items,
      continuation_token: token ?? null,
      more_items_remaining: token !== undefined,
    });
  const three = scripted([body([1, 2], "a"), body([3, 4], "b"), body([5])]);
  assert.deepEqual(await Array.fromAsync(three.client.all({ path: "volumes", item: number })), [
    1,
    2,
    3,
    4,
    5,
  ]);
  assert.match(three.paths()[4] ?? "", /limit=500&continuation_token=b$/);
  const loop = scripted([body([1], "a"), body([2], "a")]);
  await assert.rejects(
    Array.fromAsync(loop.client.all({ path: "volumes", item: number })),
    (error) => isPsoError(error, "unavailable"),
  );
});

Deno.test("RestClient refuses answers that are no list of items", async () => {
  for (const text of ["<html>", '"text"x', '{"items":{}}']) {
    const { client } = scripted([{ status: 200, headers: {}, text }]);
    await assert.rejects(
      client.call({ method: "GET", path: "volumes" }),
      (error) => isPsoError(error, "unavailable"),
    );
  }
  const { client } = scripted([{ status: 200, headers: {}, text: "" }]);
  assert.deepEqual((await client.call({ method: "DELETE", path: "connections" })).items, []);
});

Deno.test("negotiate() asks an array that has too much to do again", async () => {
  const answers = [json(429, { errors: [] }), json(429, { errors: [] })];
  const fetch: Fetch = () => Promise.resolve(answers.shift() ?? json(200, { version: ["2.26"] }));
  const { client } = scripted([], { fetch });
  assert.equal(await client.negotiate(), 26);
});
