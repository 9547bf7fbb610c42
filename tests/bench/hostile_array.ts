// A process: stands before a simulated array, passes calls on, and answers as an attack wants. It
// speaks HTTP in bytes of its own, because no server library would say such things.

import { stdin } from "node:process";
import { createInterface } from "node:readline";
import { say } from "../../scripts/shell.ts";
import { type HttpRequest, HttpsClient } from "../../src/net/https.ts";
import type { Attack, Order } from "./hostile_attacks.ts";

interface Request {
  method: HttpRequest["method"];
  path: string;
  head: string;
  body: string;
}

const JSON_HEAD = "content-type: application/json";
let attack: Attack = "none";
let upstream: HttpsClient | undefined;
let answered = 0;

function answer(status: number, text: string, header = ""): string {
  const { length } = new TextEncoder().encode(text);
  return `HTTP/1.1 ${status} X\r\n${JSON_HEAD}\r\n${header}content-length: ${length}\r\n\r\n${text}`;
}

function refusal(message: string): string {
  return answer(400, JSON.stringify({ errors: [{ message, context: "x" }] }));
}

function endlessPage(path: string): string {
  const isSnapshot = path.includes("/volume-snapshots");
  const items = Array.from({ length: 500 }, (_, at) => {
    const volume = `k8s-pvc-${crypto.randomUUID()}-${at}`;
    return isSnapshot
      ? { name: `${volume}.a`, source: { name: volume }, created: 1, provisioned: 1 }
      : { name: volume, created: 1, provisioned: 1, serial: "A1" };
  });
  const continuation_token = `${answered}`;
  return answer(200, JSON.stringify({ items, continuation_token, more_items_remaining: true }));
}

function once(make: () => string): () => string {
  let made: string | undefined;
  return () => made ??= make();
}

/** What an attack answers once; undefined for one that only passes calls on here. */
const ONCE: Partial<Record<Attack, (request: Request) => string | undefined>> = {
  "long error": once(() => refusal("out of ".repeat(2_000))),
  "20 MB error": once(() => refusal("x".repeat(20_000_000))),
  "page of {}": once(() => answer(200, `{"items":[${"{},".repeat(700_000)}{}]}`)),
  "nested JSON": once(() => answer(200, `{"items":${"[".repeat(5e6)}${"]".repeat(5e6)}}`)),
  "endless pages": ({ path }) =>
    /continuation_token|filter/.test(path) ? endlessPage(path) : undefined,
  "5 MB name": ({ path }) =>
    /\/arrays\b/.test(path)
      ? answer(200, JSON.stringify({ items: [{ id: "x", name: "n".repeat(5_000_000) }] }))
      : undefined,
  "101": () => "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
  silence: () => "",
  "odd statuses": () => answer(200 + answered % 400, "<html>odd</html>"),
  echo: ({ head, body }) => refusal(`${head} ${body}`),
};

/** What an attack says again and again, after a beginning. */
const FOREVER: Partial<Record<Attack, [string, string]>> = {
  "1xx flood": ["", "HTTP/1.1 102 Processing\r\n\r\n".repeat(1_000)],
  "endless chunk": ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", "a".repeat(65_536)],
};

async function passedOn({ method, path, head, body }: Request): Promise<string> {
  if (!upstream) return answer(503, "");
  const headers: Record<string, string> = {};
  for (const name of ["api-token", "x-auth-token", "content-type"]) {
    const value = new RegExp(`^${name}: (.*)$`, "im").exec(head)?.[1];
    if (value !== undefined) headers[name] = value.trim();
  }
  const call = { method, path, headers, body: body === "" ? undefined : body };
  const response = await upstream.fetch(call);
  const session = response.headers["x-auth-token"];
  const header = session === undefined ? "" : `x-auth-token: ${session}\r\n`;
  return answer(response.status, response.text, header);
}

/** The next request of a connection; undefined at its end. Requests here fit one read or two. */
async function nextRequest(connection: Deno.Conn): Promise<Request | undefined> {
  const bytes = new Uint8Array(65_536);
  let text = "";
  for (;;) {
    const [head = "", body] = text.split("\r\n\r\n", 2);
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
    if (body !== undefined && body.length >= length) {
      const [method = "", path = ""] = head.split(" ", 2);
      return { method: method as Request["method"], path, head, body };
    }
    const count = await connection.read(bytes);
    if (count === null) return undefined;
    text += new TextDecoder().decode(bytes.subarray(0, count));
  }
}

/** Encoded once: what an attacker computes must not take the time of those who are measured. */
const encoded = new Map<string, Uint8Array>();

function bytesOf(text: string): Uint8Array {
  const found = encoded.get(text) ?? new TextEncoder().encode(text);
  if (text.length > 10_000 && encoded.size < 20) encoded.set(text, found);
  return found;
}

async function write(connection: Deno.Conn, text: string): Promise<void> {
  const bytes = bytesOf(text);
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

async function serve(connection: Deno.Conn): Promise<void> {
  for (let request; (request = await nextRequest(connection)) !== undefined;) {
    answered++;
    const flood = FOREVER[attack];
    if (flood) {
      await write(connection, flood[0]);
      for (;;) await write(connection, flood[1]);
    }
    await write(connection, ONCE[attack]?.(request) ?? await passedOn(request));
  }
}

/** Orders come as lines of JSON. */
async function obey(): Promise<void> {
  for await (const line of createInterface({ input: stdin })) {
    const order: Order = JSON.parse(line);
    attack = order.attack;
    const { upstream: address } = order;
    if (address !== undefined) upstream = new HttpsClient({ address, tls: { verify: false } });
  }
  Deno.exit(0);
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
say(`${listener.addr.port}`);
void obey();
for await (const connection of listener) {
  serve(connection).catch(() => {}).finally(() => {
    try {
      connection.close();
    } catch {
      // the other side was quicker
    }
  });
}
