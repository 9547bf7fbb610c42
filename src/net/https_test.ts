import assert from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import { NEW_KEY, openssl } from "../../tests/support/openssl.ts";
import { HttpsClient, type HttpsOptions, TransportError } from "./https.ts";

/**
 * A folder with `self.pem`/`self.key` (CA:TRUE, as arrays ship them) and `leaf.pem`/`leaf.key`
 * signed by `ca.pem` for 127.0.0.1.
 */
async function certificates(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "pso-https-" });
  const make = (...args: string[]) => openssl(folder, args);
  const name = ["-addext", "subjectAltName=IP:127.0.0.1"];
  await make(
    "req",
    "-x509",
    ...NEW_KEY,
    "-keyout",
    "self.key",
    "-out",
    "self.pem",
    "-days",
    "2",
    "-subj",
    "/CN=array",
    ...name,
  );
  await make(
    "req",
    "-x509",
    ...NEW_KEY,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-days",
    "2",
    "-subj",
    "/CN=authority",
  );
  for (const [leaf, address] of [["leaf", "IP:127.0.0.1"], ["strange", "DNS:other.example"]]) {
    await make(
      "req",
      ...NEW_KEY,
      "-keyout",
      `${leaf}.key`,
      "-out",
      `${leaf}.csr`,
      "-subj",
      `/CN=${leaf}`,
    );
    await Deno.writeTextFile(`${folder}/ext`, `subjectAltName=${address}`);
    const signed = [
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      "2",
      "-extfile",
      "ext",
    ];
    await make("x509", "-req", "-in", `${leaf}.csr`, "-out", `${leaf}.pem`, ...signed);
    // The same key in another certificate.
    await make("x509", "-req", "-in", `${leaf}.csr`, "-out", `${leaf}-renewed.pem`, ...signed);
  }
  return folder;
}

/** Serves `handler` over TLS (or plainly) and runs `test` with a way to make clients of it. */
async function withServer(
  handler: (request: Request) => Response | Promise<Response>,
  test: (make: (options?: Partial<HttpsOptions>) => HttpsClient) => Promise<void>,
  tls?: { cert: string; key: string },
): Promise<void> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {}, ...(tls ?? {}) },
    handler,
  );
  const clients: HttpsClient[] = [];
  try {
    await test((options = {}) => {
      const address = `127.0.0.1:${server.addr.port}`;
      const client = new HttpsClient({
        scheme: tls ? "https" : "http",
        address,
        tls: { verify: true },
        ...options,
      });
      clients.push(client);
      return client;
    });
  } finally {
    for (const client of clients) client.close();
    await server.shutdown();
  }
}

Deno.test("HttpsClient asks once more right before the first byte, and sends none if refused", async () => {
  let requests = 0;
  const count = () => {
    requests++;
    return new Response("done");
  };
  await withServer(count, async (make) => {
    const client = make();
    const refuse = () => {
      throw new Error("not any more");
    };
    const change = { method: "POST", path: "/", body: "x" } as const;
    await assert.rejects(client.fetch({ ...change, beforeBytes: refuse }), /^Error: not any more/);
    assert.equal(requests, 0);
    let asked = 0;
    await client.fetch({ ...change, beforeBytes: () => asked++ });
    await assert.rejects(client.fetch({ ...change, beforeBytes: refuse }), /^Error: not any more/);
    assert.deepEqual([requests, asked], [1, 1], "also on a connection that was kept");
  });
});

Deno.test("HttpsClient asks once more after the TLS handshake, not before", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const client = new HttpsClient({
    address: `127.0.0.1:${listener.addr.port}`,
    tls: { verify: false },
  });
  let asked = 0;
  const stop = new AbortController();
  const { signal } = stop;
  const sent = client.fetch({ method: "POST", path: "/", beforeBytes: () => asked++, signal });
  const connection = await accepted;
  await connection.read(new Uint8Array(1)); // the handshake has begun, and nobody answers
  stop.abort();
  await assert.rejects(sent, (error) => error instanceof TransportError && !error.sent);
  assert.equal(asked, 0);
  client.close();
  connection.close();
  listener.close();
});

const hello = () => new Response("hello", { headers: { "X-Auth-Token": "abc" } });

Deno.test("presentedKey() tells servers apart by their keys, whatever their certificates say", async () => {
  const folder = await certificates();
  const read = (name: string) => Deno.readTextFileSync(`${folder}/${name}`);
  const keyOf = async (certificate?: string, key = "") => {
    let shown: string | undefined;
    await withServer(
      hello,
      async (make) => {
        shown = await make({ tls: { verify: false } }).presentedKey();
      },
      certificate === undefined ? undefined : { cert: read(certificate), key: read(key) },
    );
    return shown;
  };
  try {
    const leaf = await keyOf("leaf.pem", "leaf.key");
    assert.match(leaf ?? "", /^[0-9a-f]{64}$/);
    assert.equal(await keyOf("leaf-renewed.pem", "leaf.key"), leaf);
    assert.notEqual(await keyOf("self.pem", "self.key"), leaf);
    assert.equal(await keyOf(), undefined, "plain HTTP");
    const gone = new HttpsClient({ address: "127.0.0.1:1", tls: { verify: false } });
    assert.equal(await gone.presentedKey(), undefined, "nobody answers");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("HttpsClient checks by CA and name, by pin alone, or not at all", async () => {
  const folder = await certificates();
  const read = (name: string) => Deno.readTextFileSync(`${folder}/${name}`);
  const get = (client: HttpsClient) =>
    client.fetch({ method: "GET", path: "/" }).then(({ text }) => text, (error) => error);
  try {
    for (const name of ["self", "leaf", "strange"]) {
      await withServer(hello, async (make) => {
        const shown = await make({ tls: { verify: false } }).presentedFingerprint() ?? "";
        assert.match(shown, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
        const ca = name === "self" ? "self.pem" : "ca.pem";
        assert.equal(await get(make({ tls: { verify: false } })), "hello");
        assert.equal(
          await get(make({ tls: { verify: true, fingerprint: shown } })),
          "hello",
          `${name} pinned`,
        );
        const byCa = await get(make({ tls: { verify: true, caPem: read(ca) } }));
        if (name === "strange") {
          assert.ok(
            isPsoError(byCa, "denied") && byCa.message.includes(shown),
            "its name is another one",
          );
        } else assert.equal(byCa, "hello");
        for (
          const tls of [{ verify: true }, { verify: true, fingerprint: "00".repeat(32) }, {
            verify: true,
            caPem: read("strange.pem"),
          }]
        ) {
          const error = await get(make({ tls }));
          assert.ok(
            error instanceof TransportError && error.code === "denied" && !error.sent,
            `${name} ${JSON.stringify(tls).slice(0, 60)}`,
          );
          assert.ok(error.message.includes(shown), error.message);
        }
      }, { cert: read(`${name}.pem`), key: read(`${name}.key`) });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("HttpsClient sends method, path, headers and body, and gives header names in lower case", async () => {
  await withServer(async (request) => {
    const { pathname, search } = new URL(request.url);
    const seen = [
      request.method,
      pathname + search,
      request.headers.get("api-token"),
      request.headers.get("content-type"),
      await request.text(),
    ];
    return Response.json(seen, { status: 418, headers: { "X-Auth-Token": "abc" } });
  }, async (make) => {
    const client = make();
    const sent = await client.fetch({
      method: "PATCH",
      path: "/a?b=1",
      headers: { "api-token": "t" },
      body: '{"ü":1}',
    });
    assert.equal(sent.status, 418);
    assert.equal(sent.headers["x-auth-token"], "abc");
    assert.deepEqual(JSON.parse(sent.text), [
      "PATCH",
      "/a?b=1",
      "t",
      "application/json",
      '{"ü":1}',
    ]);
    const empty = await client.fetch({ method: "POST", path: "/" });
    assert.deepEqual(JSON.parse(empty.text), ["POST", "/", null, null, ""]);
  });
});

Deno.test("HttpsClient refuses an answer above the limit", async () => {
  await withServer(() => new Response("x".repeat(5000)), async (make) => {
    const request = { method: "GET", path: "/" } as const;
    await assert.rejects(
      make({ maxResponseBytes: 4999 }).fetch(request),
      (error) =>
        error instanceof TransportError && error.sent &&
        /larger than 4999 bytes/.test(error.message),
    );
    assert.equal((await make({ maxResponseBytes: 5000 }).fetch(request)).text.length, 5000);
  });
});

Deno.test("HttpsClient ends at the signal, whether before or after the request was sent", async () => {
  const arrived = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<Response>();
  await withServer(() => {
    arrived.resolve();
    return finish.promise;
  }, async (make) => {
    const client = make();
    await assert.rejects(
      client.fetch({ method: "POST", path: "/", signal: AbortSignal.abort() }),
      (error) => error instanceof TransportError && error.code === "timeout" && !error.sent,
    );
    const later = new AbortController();
    const running = client.fetch({
      method: "POST",
      path: "/slow?names=secret-name",
      signal: later.signal,
    });
    await arrived.promise;
    later.abort();
    await assert.rejects(running, (error) => {
      assert.ok(error instanceof TransportError && error.code === "timeout" && error.sent);
      assert.match(error.message, /did not answer POST \/slow in time/);
      return true;
    });
    finish.resolve(new Response("late"));
  });
});

Deno.test("HttpsClient sends a request once, though the kept connection that it used is closed before the answer", async () => {
  // A server of bytes: answers the first request of a connection and hangs up on the second, having
  // read it.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let posts = 0;
  const serving = (async () => {
    for await (const connection of listener) {
      const bytes = new Uint8Array(4096);
      for (let number = 0; await connection.read(bytes).catch(() => null) !== null; number++) {
        const isPost = new TextDecoder().decode(bytes).startsWith("POST");
        if (isPost) posts++;
        if (isPost && number > 0) break;
        await connection.write(
          new TextEncoder().encode("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        );
      }
      connection.close();
    }
  })();
  const client = new HttpsClient({
    scheme: "http",
    address: `127.0.0.1:${listener.addr.port}`,
    tls: { verify: true },
  });
  assert.equal((await client.fetch({ method: "GET", path: "/" })).text, "ok");
  await assert.rejects(
    client.fetch({ method: "POST", path: "/" }),
    (error) => error instanceof TransportError && error.code === "unavailable" && error.sent,
  );
  assert.equal(posts, 1);
  client.close();
  listener.close();
  await serving;
});

Deno.test("HttpsClient gives up a TLS handshake that does not end, with nothing sent", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const client = new HttpsClient({
    address: `127.0.0.1:${listener.addr.port}`,
    tls: { verify: true },
    connectTimeoutMs: 50,
  });
  await assert.rejects(
    client.fetch({ method: "GET", path: "/" }),
    (error) =>
      error instanceof TransportError && error.code === "unavailable" && !error.sent &&
      /ETIMEDOUT/.test(error.message),
  );
  (await accepted).close();
  listener.close();
  client.close();
});

Deno.test("HttpsClient names an unknown host and a refused connection", async () => {
  const cases: [string, RegExp][] = [[
    "no-such-array.invalid",
    /its name (is not known|cannot be looked up now)/,
  ], [
    "127.0.0.1:1",
    /nothing listens there/,
  ]];
  for (const [address, wanted] of cases) {
    const client = new HttpsClient({ address, tls: { verify: true } });
    await assert.rejects(client.fetch({ method: "POST", path: "/" }), (error) => {
      assert.ok(
        error instanceof TransportError && error.code === "unavailable" && !error.sent,
        String(error),
      );
      assert.match(error.message, wanted);
      return true;
    });
    client.close();
  }
});
