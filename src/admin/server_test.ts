import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { untilAborted, withDeadline } from "../async/wait.ts";
import { silentLogger } from "../log.ts";
import { ADMIN_CONNECTIONS_MAX, adminSocketOf, startAdmin } from "./server.ts";

interface Served extends AsyncDisposable {
  address: string;
  socket: string;
  folder: string;
  open(): Promise<Deno.Conn>;
}

async function served(connectionMs?: number): Promise<Served> {
  const folder = Deno.makeTempDirSync({ dir: "/tmp", prefix: "admin-" });
  const admin = await startAdmin({
    listen: { hostname: "127.0.0.1", port: 0 },
    csiSocket: `${folder}/csi.sock`,
    mode: "node",
    version: "7",
    ready: () => [{ name: "nfs", ok: false, state: "unusable", reason: "canary" }],
    metrics: () => "pso_up 1\n",
    log: silentLogger,
    connectionMs,
  });
  const { port, hostname } = new URL(admin.address);
  return {
    ...admin,
    folder,
    open: () => Deno.connect({ hostname, port: Number(port) }),
    [Symbol.asyncDispose]: async () => {
      await admin.stop();
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

/** All that the server says on a connection after `text`. */
async function talk(connection: Deno.Conn, text: string): Promise<string> {
  await connection.write(new TextEncoder().encode(text));
  return await new Response(connection.readable).text();
}

const GET = "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n";

Deno.test("the port tells state words, the socket file beside csi.sock the whole texts", async () => {
  await using admin = await served();
  equal(admin.socket, `${admin.folder}/admin.sock`);
  equal((Deno.lstatSync(admin.socket).mode ?? 0) & 0o777, 0o600);
  const open = await talk(await admin.open(), GET);
  match(open, /^HTTP\/1\.1 503 /);
  match(open, /"state":"unusable"/);
  equal(open.includes("canary"), false);
  const full = await talk(await Deno.connect({ transport: "unix", path: admin.socket }), GET);
  match(full, /"reason":"canary"/);
});

Deno.test("a probe gets in beside more idle connections than are allowed", async () => {
  await using admin = await served(60_000); // no timer closes the first one
  const idle = [];
  for (let i = 0; i < 3 * ADMIN_CONNECTIONS_MAX; i++) idle.push(await admin.open());
  match(await talk(await admin.open(), GET), /"state":"unusable"/);
  // The last one that came is still served, the first one was closed.
  match(await talk(idle.pop() ?? await admin.open(), GET), /"state":"unusable"/);
  const read = idle[0]?.read(new Uint8Array(1)) ?? Promise.resolve(0);
  const end = { timeoutMs: 10_000 };
  equal(
    await withDeadline("the end of the first", end, (signal) => untilAborted(read, signal)),
    null,
  );
  for (const connection of idle) connection.close();
});

Deno.test("a connection that sends half a request is closed in time", async () => {
  await using admin = await served(50);
  equal(await talk(await admin.open(), "GET / HT"), "");
});

for (
  const [what, text, status] of [
    ["another method", "POST /readyz HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc", 405],
    ["no URL", "GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n", 405],
    ["many requests in one piece", GET.repeat(500), 503],
    ["HEAD", "HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n", 200],
  ] as const
) {
  Deno.test(`one connection gets one answer: ${what}`, async () => {
    await using admin = await served();
    const said = await talk(await admin.open(), text);
    deepEqual(said.match(/HTTP\/1\.1 \d+/g), [`HTTP/1.1 ${status}`]);
  });
}

for (
  const [what, text] of [
    ["no HTTP", "\x16\x03\x01\x02\x00\x01\x00"],
    ["headers without end", `GET / HTTP/1.1\r\nx: ${"a".repeat(20_000)}`],
    ["CONNECT", "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n"],
    ["two lengths", "GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"],
  ] as const
) {
  Deno.test(`the admin port survives what is no request: ${what}`, async () => {
    await using admin = await served(200);
    const said = await talk(await admin.open(), text).catch(() => "");
    ok(!said.includes("200 OK"), said);
    match(await talk(await admin.open(), GET), /"state":"unusable"/);
  });
}

Deno.test("stop() ends idle connections and removes the socket file", async () => {
  const admin = await served();
  const connection = await admin.open();
  await admin[Symbol.asyncDispose]();
  equal(await connection.read(new Uint8Array(1)), null);
  connection.close();
});

Deno.test("a port that is taken is an error, and leaves no socket file behind", async () => {
  await using admin = await served();
  const { hostname, port } = new URL(admin.address);
  const csiSocket = `${admin.folder}/node-1.sock`;
  const second = startAdmin({
    listen: { hostname, port: Number(port) },
    csiSocket,
    mode: "node",
    version: "7",
    ready: () => [],
    metrics: () => "",
    log: silentLogger,
  });
  await rejects(second, Deno.errors.AddrInUse);
  deepEqual([...Deno.readDirSync(admin.folder)].map(({ name }) => name), ["admin.sock"]);
  equal(adminSocketOf(csiSocket), `${admin.folder}/node-1-admin.sock`);
});
