/**
 * What anybody who reaches the admin port, or root at the CSI socket, can send in masses: the
 * process lives on, answers a polite client, and keeps its memory.
 */
import { Buffer } from "node:buffer";
import { equal, match, ok } from "node:assert/strict";
import { connectCsi } from "../scripts/csi_client.ts";
import { freePort } from "../scripts/probe.ts";
import { pause, until } from "../src/async/wait.ts";
import { type EndpointProcess, socketFolder, startEndpointProcess } from "./goaway/processes.ts";
import {
  CONTINUATION,
  DATA,
  encode,
  END_HEADERS,
  type Frame,
  HEADERS,
  PING,
  PREFACE,
  REQUEST_HEADERS,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "./goaway/raw_frames.ts";

/** More than a burst of garbage that is collected later, less than a flood that is kept. */
const GROWTH_MIB = 150;

function rssMiB({ pid }: EndpointProcess): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** A polite client gets its answer. */
async function isServed(path: string): Promise<void> {
  const client = connectCsi(`unix://${path}`, { timeoutMs: 10_000 });
  try {
    equal((await client.identity.probe({})).ready, true);
  } finally {
    client.close();
  }
}

const none = new Uint8Array();
const frame = (type: number, more: Partial<Frame> = {}): Uint8Array =>
  encode({ type, flags: 0, stream: 0, payload: none, ...more });
const open = (index: number, flags = END_HEADERS) =>
  frame(HEADERS, { flags, stream: 2 * index + 1, payload: REQUEST_HEADERS });

/** What is sent for each index, after the preface and the first SETTINGS. */
const FLOODS: [string, number, (index: number) => Uint8Array[]][] = [
  ["streams that send no message", 20_000, (index) => [open(index)]],
  ["streams that are reset at once", 20_000, (index) => [
    open(index),
    frame(RST_STREAM, { stream: 2 * index + 1, payload: new Uint8Array(4) }),
  ]],
  ["SETTINGS", 50_000, () => [frame(SETTINGS)]],
  ["PING", 50_000, () => [frame(PING, { payload: new Uint8Array(8) })]],
  ["empty DATA", 50_000, (index) => [
    ...index === 0 ? [open(0)] : [],
    frame(DATA, { stream: 1 }),
  ]],
  ["WINDOW_UPDATE", 50_000, () => [
    frame(WINDOW_UPDATE, { payload: Uint8Array.of(0, 0, 0, 1) }),
  ]],
  ["CONTINUATION without end", 20_000, (index) => [
    index === 0
      ? open(0, 0)
      : frame(CONTINUATION, { stream: 1, payload: new Uint8Array(1000).fill(65) }),
  ]],
  ["half a frame header", 1, () => [Uint8Array.of(0, 0)]],
];

/** Sends all of it, or as much as the server takes; reads nothing. */
async function flood(path: string, [, count, make]: (typeof FLOODS)[number]): Promise<Deno.Conn> {
  const connection = await Deno.connect({ transport: "unix", path });
  const send = async () => {
    await connection.write(PREFACE);
    await connection.write(frame(SETTINGS));
    for (let index = 0; index < count; index += 500) {
      const pieces = Array.from(
        { length: Math.min(500, count - index) },
        (_, at) => make(index + at),
      ).flat();
      for (let rest: Uint8Array = Buffer.concat(pieces); rest.length > 0;) {
        rest = rest.subarray(await connection.write(rest));
      }
    }
  };
  // A server that no longer reads, or that closed the connection, has had enough.
  const over = new AbortController();
  await Promise.race([send().catch(() => {}), pause(5_000, over.signal).catch(() => {})]);
  over.abort();
  return connection;
}

for (const kind of FLOODS) {
  Deno.test(`the CSI socket outlives a flood of HTTP/2: ${kind[0]}`, async () => {
    using folder = socketFolder();
    await using endpoint = await startEndpointProcess("repaired", `${folder.path}/csi.sock`);
    await isServed(endpoint.path);
    const before = rssMiB(endpoint);
    const floods = await Promise.all([1, 2, 3].map(() => flood(endpoint.path, kind)));
    await isServed(endpoint.path);
    const grown = rssMiB(endpoint) - before;
    for (const connection of floods) connection.close();
    await isServed(endpoint.path);
    ok(grown < GROWTH_MIB, `${Math.round(grown)} MiB more`);
    equal(endpoint.ended, undefined);
  });
}

Deno.test("a process whose file descriptors were all taken serves again, on both endpoints", async () => {
  using folder = socketFolder();
  const port = freePort();
  await using endpoint = await startEndpointProcess("repaired", `${folder.path}/csi.sock`, {
    args: ["1000", `${port}`],
    descriptors: 60,
  });
  const healthy = async () =>
    match(await (await fetch(`http://127.0.0.1:${port}/healthz`)).text(), /"status":"ok"/);
  await healthy();
  const openers = [
    () => Deno.connect({ hostname: "127.0.0.1", port }),
    () => Deno.connect({ transport: "unix", path: endpoint.path }),
    () => Deno.connect({ transport: "unix", path: `${folder.path}/admin.sock` }),
  ];
  for (const opener of openers) {
    const taken: Deno.Conn[] = [];
    for (let left = 100; left > 0; left--) taken.push(await opener());
    await until("a refusal", () => /connections are refused/.test(endpoint.stderr), {
      timeoutMs: 10_000,
    });
    await healthy(); // beside those that are open still
    await isServed(endpoint.path);
    for (const connection of taken) connection.close();
  }
  await healthy();
  await isServed(endpoint.path);
  equal(endpoint.ended, undefined);
});
