import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { NEW_KEY, openssl } from "../../tests/support/openssl.ts";
import { AnswerTooLargeError, HttpsClient, type HttpsOptions, TransportError } from "./https.ts";

// Servers that speak bytes of their own: none of them may keep a request from ending.

type Talk = (connection: Deno.Conn) => Promise<void>;

async function say(connection: Deno.Conn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

async function sayForever(connection: Deno.Conn, text: string): Promise<never> {
  for (;;) await say(connection, text);
}

/** A server that reads the first bytes of each connection and then talks; and a client of it. */
async function withTalk(
  talk: Talk,
  test: (client: HttpsClient, opened: () => number) => Promise<void>,
  options: Partial<HttpsOptions> = {},
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const serving = (async () => {
    for await (const connection of listener) {
      connections.push(connection);
      await connection.read(new Uint8Array(65_536)).catch(() => {});
      talk(connection).catch(() => {}); // the client hung up
    }
  })();
  const client = new HttpsClient({
    scheme: "http",
    address: `127.0.0.1:${listener.addr.port}`,
    tls: { verify: true },
    ...options,
  });
  try {
    await test(client, () => connections.length);
  } finally {
    client.close();
    listener.close();
    for (const connection of connections) connection.close();
    await serving;
  }
}

const POST = { method: "POST", path: "/api/2.4/login", body: "{}" } as const;

const ENDED_AT_ONCE: [string, Talk, RegExp][] = [
  [
    "an answer that leaves HTTP",
    (one) =>
      say(one, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    /answered 101/,
  ],
  [
    "answers that only say that one will come",
    (one) => sayForever(one, "HTTP/1.1 102 Processing\r\n\r\n".repeat(100)),
    /only answers that it will answer/,
  ],
  [
    "a header without end",
    async (one) => {
      await say(one, "HTTP/1.1 200 OK\r\nx: ");
      await sayForever(one, "a".repeat(10_000));
    },
    /cannot be reached/,
  ],
  [
    "a body without end",
    async (one) => {
      await say(one, "HTTP/1.1 200 OK\r\n\r\n");
      await sayForever(one, "a".repeat(100_000));
    },
    /larger than 4194304 bytes/,
  ],
  ["an extension of a chunk without end", async (one) => {
    await say(one, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;");
    await sayForever(one, "a".repeat(10_000));
  }, /larger than 4194304 bytes/],
  ["half an answer", async (one) => {
    await say(one, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab");
    await one.closeWrite();
  }, /closed before the answer/],
];

for (const [name, talk, wanted] of ENDED_AT_ONCE) {
  Deno.test(`HttpsClient ends a request by itself whose server gives ${name}`, async () => {
    await withTalk(talk, async (client) => {
      await rejects(client.fetch(POST), (error) => {
        ok(error instanceof TransportError && error.code === "unavailable" && error.sent);
        match(error.message, wanted);
        return true;
      });
    });
  });
}

const ENDLESS: [string, Talk][] = [
  ["nothing", () => Promise.resolve()],
  ["one byte of a head", (one) => say(one, "H")],
  ["half a body", (one) => say(one, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab")],
];

for (const [name, talk] of ENDLESS) {
  Deno.test(`HttpsClient ends a request at its signal whose server gives ${name}`, async () => {
    await withTalk(talk, async (client, opened) => {
      const deadline = new AbortController();
      const running = client.fetch({ ...POST, signal: deadline.signal });
      while (opened() === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      deadline.abort();
      await rejects(
        running,
        (error) => error instanceof TransportError && error.code === "timeout",
      );
    });
  });
}

Deno.test("HttpsClient reads one large answer at a time, and small ones beside it", async () => {
  const LARGE = 300_000;
  let open = 0;
  const talk: Talk = async (one) => {
    const isLarge = ++open <= 2;
    const size = isLarge ? LARGE : 10;
    await say(one, `HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\nconnection: close\r\n\r\n`);
    await say(one, "a".repeat(isLarge ? size - 1 : size));
    // The last byte of the first large answer comes when the small one has been read.
    if (open === 1) await finish.promise;
    if (isLarge) await say(one, "z");
  };
  const finish = Promise.withResolvers<void>();
  await withTalk(talk, async (client) => {
    const order: string[] = [];
    const get = async (name: string) => {
      const { text } = await client.fetch({ method: "GET", path: "/" });
      order.push(`${name} ${text.length}`);
    };
    const first = get("first");
    while (open < 1) await new Promise((resolve) => setTimeout(resolve, 1));
    const second = get("second");
    while (open < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    await get("small");
    deepEqual(order, ["small 10"]);
    finish.resolve();
    await Promise.all([first, second]);
    deepEqual(order, ["small 10", `first ${LARGE}`, `second ${LARGE}`]);
  });
});

Deno.test("HttpsClient reads the beginning of a large error alone, and keeps its status", async () => {
  const talk: Talk = async (one) => {
    await say(one, "HTTP/1.1 503 Busy\r\n\r\n");
    await sayForever(one, "x".repeat(10_000));
  };
  await withTalk(talk, async (client) => {
    const { status, text } = await client.fetch(POST);
    equal(status, 503);
    ok(text.length > 64 * 1024 && text.length < 256 * 1024, `${text.length}`);
  });
});

Deno.test("HttpsClient says of an answer that is too large that fewer objects may be asked for", async () => {
  const talk: Talk = (one) =>
    say(
      one,
      `HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 101\r\n\r\n${"a".repeat(101)}`,
    );
  await withTalk(talk, async (client) => {
    for (const answerBytes of [undefined, 100, 50]) {
      const error = await client.fetch({ ...POST, answerBytes }).catch((error) => error);
      ok(error instanceof AnswerTooLargeError);
      match(error.message, answerBytes === 50 ? /larger than 50 bytes/ : /larger than 100 bytes/);
      equal(error.sent, true);
    }
  }, { maxResponseBytes: 100 });
});

Deno.test("HttpsClient refuses a certificate without names of hosts, whose common name fits, and tells the cure", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pso-https-" });
  const files = "-keyout key -out cert -days 2 -subj /CN=localhost".split(" ");
  await openssl(folder, ["req", "-x509", ...NEW_KEY, ...files]);
  const cert = await Deno.readTextFile(`${folder}/cert`);
  const server = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      cert,
      key: await Deno.readTextFile(`${folder}/key`),
    },
    () => new Response("hello"),
  );
  const open = (tls: HttpsOptions["tls"]) =>
    new HttpsClient({ address: `localhost:${server.addr.port}`, tls });
  const checked = open({ verify: true, caPem: cert });
  const fingerprint = await checked.presentedFingerprint();
  const pinned = open({ verify: true, fingerprint });
  try {
    await rejects(checked.fetch({ method: "GET", path: "/" }), (error) => {
      ok(error instanceof TransportError && error.code === "denied" && !error.sent, String(error));
      match(error.message, /names no host: give the array one with a subjectAltName.*or pin it/);
      return true;
    });
    equal((await pinned.fetch({ method: "GET", path: "/" })).text, "hello");
  } finally {
    for (const client of [checked, pinned]) client.close();
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});

const STREAM = { method: "GET", path: "/watch", answerBytes: 1_000 } as const;
const HEAD = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/** A chunk of the body. */
function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

Deno.test("an answer without end comes line by line, however long it is, until its server ends it", async () => {
  const count = 20_000;
  const talk: Talk = async (one) => {
    await say(one, HEAD);
    for (let at = 0; at < count; at++) await say(one, chunk(`${"x".repeat(50)} ${at}\n`));
    await say(one, chunk("half a line") + "0\r\n\r\n");
  };
  await withTalk(talk, async (client) => {
    const lines: string[] = [];
    const { status, text } = await client.fetch({ ...STREAM, onLine: (line) => lines.push(line) });
    deepEqual([status, text, lines.length], [200, "", count]);
    match(lines.at(-1) ?? "", / 19999$/);
  });
});

Deno.test("a line comes when its server has sent it, and not at the end of the answer", async () => {
  const gate = Promise.withResolvers<void>();
  const talk: Talk = async (one) => {
    await say(one, HEAD + chunk("first\n"));
    await gate.promise;
    await say(one, chunk("second\n") + "0\r\n\r\n");
  };
  await withTalk(talk, async (client) => {
    const lines: string[] = [];
    const onLine = (line: string) => {
      lines.push(line);
      gate.resolve(); // the second one is sent for the first
    };
    await client.fetch({ ...STREAM, onLine, onOpen: () => lines.push("open") });
    deepEqual(lines, ["open", "first", "second"]);
  });
});

for (
  const [what, talk, wanted] of [
    ["a line without end", (one) => sayForever(one, chunk("a".repeat(300))), /larger than 1000/],
    ["a chunk's extension without end", (one) => sayForever(one, "1;"), /larger than 1000/],
  ] satisfies [string, Talk, RegExp][]
) {
  Deno.test(`a stream ends at ${what}`, async () => {
    await withTalk(async (one) => {
      await say(one, HEAD);
      await talk(one);
    }, async (client) => {
      await rejects(client.fetch({ ...STREAM, onLine: () => {} }), (error: Error) => {
        match(error.message, wanted);
        return error instanceof AnswerTooLargeError;
      });
    });
  });
}

Deno.test("a stream ends with its signal, with its connection, and gives no line of a refusal", async () => {
  const stop = new AbortController();
  const lines: string[] = [];
  const onLine = (line: string) => {
    lines.push(line);
    stop.abort();
  };
  await withTalk((one) => say(one, HEAD + chunk("one\n")), async (client) => {
    await rejects(client.fetch({ ...STREAM, onLine, signal: stop.signal }), /in time/);
  });
  const cut: Talk = async (one) => {
    await say(one, HEAD + chunk("two\n"));
    await one.closeWrite();
  };
  await withTalk(cut, async (client) => {
    await rejects(client.fetch({ ...STREAM, onLine }), /cannot be reached/);
  });
  const refuse: Talk = (one) => say(one, "HTTP/1.1 410 Gone\r\ncontent-length: 5\r\n\r\nold\n\n");
  await withTalk(refuse, async (client) => {
    const { status, text } = await client.fetch({ ...STREAM, onLine });
    deepEqual([status, text], [410, "old\n\n"]);
  });
  deepEqual(lines, ["one", "two"]);
});
