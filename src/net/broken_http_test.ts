// A server, or a proxy before it, that answers with something else than HTTP has it: a request is
// sent once, ends, and leaves the client as it was.
import { deepEqual, equal, ok } from "node:assert/strict";
import { HttpsClient, type HttpsOptions, TransportError } from "./https.ts";

interface Outcome {
  /** What came of the broken answer: its status, or the code of the error. */
  result: number | string;
  /** Request lines that the server saw, the one of a polite request after it included. */
  lines: string[];
}

const POLITE = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/** Gives `answer` to the first request and a right one to the next. */
async function outcomeOf(answer: string | Uint8Array<ArrayBuffer>): Promise<Outcome> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const lines: string[] = [];
  const broken = typeof answer === "string" ? new TextEncoder().encode(answer) : answer;
  const serving = (async () => {
    for await (const connection of listener) {
      const bytes = new Uint8Array(65_536);
      const count = await connection.read(bytes);
      lines.push(new TextDecoder().decode(bytes.subarray(0, count ?? 0)).split("\r\n")[0] ?? "");
      const reply = lines.length === 1 ? broken : new TextEncoder().encode(POLITE);
      for (let at = 0; at < reply.length;) at += await connection.write(reply.subarray(at));
      connection.close();
    }
  })();
  const options: HttpsOptions = {
    scheme: "http",
    address: `127.0.0.1:${listener.addr.port}`,
    tls: { verify: true },
  };
  const client = new HttpsClient(options);
  const headers = { "x-auth-token": "canary" };
  const result = await client.fetch({
    method: "POST",
    path: "/api/2.4/volumes",
    headers,
    body: "{}",
  })
    .then(({ status }) => status, (error) => {
      ok(error instanceof TransportError && error.sent, String(error));
      return error.code;
    });
  equal((await client.fetch({ method: "GET", path: "/polite" })).text, "{}");
  client.close();
  listener.close();
  await serving;
  return { result, lines };
}

const REDIRECTS = [300, 301, 302, 303, 305, 307, 308];
for (const status of REDIRECTS) {
  Deno.test(`HttpsClient follows no redirect of status ${status}, and sends its token nowhere else`, async () => {
    const elsewhere = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    let reached = 0;
    const serving = (async () => {
      for await (const connection of elsewhere) {
        reached++;
        connection.close();
      }
    })();
    const location = `http://127.0.0.1:${elsewhere.addr.port}/stolen`;
    const { result, lines } = await outcomeOf(
      `HTTP/1.1 ${status} Moved\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`,
    );
    elsewhere.close();
    await serving;
    equal(result, status);
    equal(reached, 0);
    deepEqual(lines, ["POST /api/2.4/volumes HTTP/1.1", "GET /polite HTTP/1.1"]);
  });
}

const HEAD = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${HEAD}transfer-encoding: chunked\r\n\r\n`;
const BROKEN: [string, string | Uint8Array<ArrayBuffer>][] = [
  ["nothing at all", ""],
  ["no HTTP", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["TLS where none is spoken", Uint8Array.of(0x15, 3, 1, 0, 2, 2, 70)],
  ["zeros", new Uint8Array(1000)],
  ["a line break alone", "\r\n\r\n"],
  ["HTTP/0.9", "<html>hello</html>"],
  ["HTTP/2", "HTTP/2 200\r\n\r\n"],
  ["another protocol", "ICY 200 OK\r\n\r\n"],
  ["no status", "HTTP/1.1 OK\r\n\r\n"],
  ["a status of letters", "HTTP/1.1 abc OK\r\n\r\n"],
  ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
  ["a negative status", "HTTP/1.1 -200 OK\r\n\r\n"],
  ["half a status line", "HTTP/1.1 2"],
  ["half a header", `${HEAD}content-le`],
  ["a header without a colon", `${HEAD}oops\r\n\r\n`],
  ["a header without a name", `${HEAD}: x\r\n\r\n`],
  ["a NUL in a header", `${HEAD}x: a\0b\r\n\r\n`],
  ["a length of letters", `${HEAD}content-length: abc\r\n\r\n`],
  ["a negative length", `${HEAD}content-length: -1\r\n\r\n`],
  ["two lengths", `${HEAD}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`],
  ["a length beyond any number", `${HEAD}content-length: 99999999999999999999\r\n\r\n{}`],
  [
    "a length and chunks",
    `${HEAD}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ["less than its length", `${HEAD}content-length: 100\r\n\r\n{}`],
  ["a chunk of no length", `${CHUNKED}zz\r\n`],
  ["a chunk with a negative length", `${CHUNKED}-1\r\n\r\n`],
  ["a chunk beyond any number", `${CHUNKED}ffffffffffffffffff\r\n`],
  ["half a chunk", `${CHUNKED}a\r\n{}`],
  ["chunks without an end", `${CHUNKED}2\r\n{}\r\n`],
];

for (const [what, answer] of BROKEN) {
  Deno.test(`HttpsClient ends, and sends once, a request that is answered with ${what}`, async () => {
    const { result, lines } = await outcomeOf(answer);
    equal(result, "unavailable");
    deepEqual(lines, ["POST /api/2.4/volumes HTTP/1.1", "GET /polite HTTP/1.1"]);
  });
}
