import { deepEqual, equal } from "node:assert/strict";
import { Buffer } from "node:buffer";
import net from "node:net";
import { once } from "node:events";
import { GoawayRepair, RepairedConnection } from "./goaway_repair.ts";

const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const DATA = 0x00;
const SETTINGS = 0x04;
const GOAWAY = 0x07;

function frame(type: number, payload: number[]): number[] {
  const length = payload.length;
  return [(length >> 16) & 255, (length >> 8) & 255, length & 255, type, 0, 0, 0, 0, 1, ...payload];
}

/** A GOAWAY with NO_ERROR. */
function goaway(lastStreamId: number[], debug: number[] = []): number[] {
  return frame(GOAWAY, [...lastStreamId, 0, 0, 0, 0, ...debug]);
}

/**
 * The repaired form of `bytes` when they arrive in chunks of the given lengths (the last one
 * repeats), up to the end.
 */
function repaired(bytes: Uint8Array, lengths: number[]): Uint8Array {
  const repair = new GoawayRepair();
  const parts: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[Math.min(i, lengths.length - 1)] ?? bytes.length;
    parts.push(...repair.apply(bytes.slice(at, at + length)));
    at += length;
  }
  parts.push(...repair.end());
  return Uint8Array.from(Buffer.concat(parts));
}

const LOOKS_LIKE_GOAWAY = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const SENT = Uint8Array.from([
  ...PREFACE,
  ...frame(SETTINGS, []),
  ...frame(DATA, LOOKS_LIKE_GOAWAY),
  ...goaway([0, 0, 0, 0]),
  ...goaway([0, 0, 0, 200], LOOKS_LIKE_GOAWAY),
  ...frame(DATA, []),
  ...goaway([0, 0, 1, 1]),
  ...frame(SETTINGS, [0, 1, 0, 0, 0, 0]),
]);
const OTHERS = [
  ...PREFACE,
  ...frame(SETTINGS, []),
  ...frame(DATA, LOOKS_LIKE_GOAWAY),
  ...frame(DATA, []),
  ...frame(SETTINGS, [0, 1, 0, 0, 0, 0]),
];
/** RFC 9113 6.8: stream 0; last-stream-id 2^31-1, NO_ERROR. */
const LAST_GOAWAY = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 255, 255, 255, 0, 0, 0, 0];
const WANTED = Uint8Array.from([...OTHERS, ...LAST_GOAWAY]);

Deno.test("GoawayRepair takes out every GOAWAY, leaves all else, and ends in one with last-stream-id 2^31-1", () => {
  deepEqual(repaired(SENT, [SENT.length]), WANTED);
});

Deno.test("GoawayRepair gives the same wherever the bytes are cut in two", () => {
  for (let cut = 1; cut < SENT.length; cut++) {
    deepEqual(repaired(SENT, [cut, SENT.length]), WANTED, `cut at ${cut}`);
  }
});

Deno.test("GoawayRepair gives the same in chunks of 1 to 40 bytes", () => {
  for (let length = 1; length <= 40; length++) {
    deepEqual(repaired(SENT, [length]), WANTED, `chunks of ${length}`);
  }
});

Deno.test("GoawayRepair holds nothing back but GOAWAYs and unfinished headers", () => {
  const repair = new GoawayRepair();
  deepEqual(repair.apply(Uint8Array.from(PREFACE)), [Uint8Array.from(PREFACE)]);
  const data = Uint8Array.from(frame(DATA, [1, 2, 3]));
  deepEqual(repair.apply(data), [data]);
  deepEqual(repair.apply(data.subarray(0, 10)), [data.subarray(0, 10)]);
  deepEqual(repair.apply(data.subarray(10)), [data.subarray(10)]);
  deepEqual(repair.apply(Uint8Array.from(goaway([0, 0, 0, 0]))), []);
  deepEqual(repair.apply(data.subarray(0, 4)), []);
  deepEqual(repair.end(), [data.subarray(0, 4), Uint8Array.from(LAST_GOAWAY)]);
});

Deno.test("GoawayRepair ends with nothing when the client sent no GOAWAY", () => {
  const sent = Uint8Array.from(OTHERS);
  deepEqual(repaired(sent, [7]), sent);
});

Deno.test("GoawayRepair follows frames longer than 64 KiB", () => {
  const long = [...PREFACE, ...frame(DATA, new Array(70_000).fill(7))];
  deepEqual(
    repaired(Uint8Array.from([...long, ...goaway([0, 0, 0, 2])]), [4096]),
    Uint8Array.from([...long, ...LAST_GOAWAY]),
  );
});

Deno.test("GoawayRepair takes out a GOAWAY that is too short or empty", () => {
  const sent = Uint8Array.from([
    ...PREFACE,
    ...frame(GOAWAY, [0, 0]),
    ...frame(GOAWAY, []),
    ...frame(DATA, [1]),
  ]);
  deepEqual(
    repaired(sent, [1]),
    Uint8Array.from([...PREFACE, ...frame(DATA, [1]), ...LAST_GOAWAY]),
  );
});

interface Pair {
  client: net.Socket;
  connection: RepairedConnection;
  close(): void;
}

/** A client over a real unix socket, and what the server sees of it. */
async function connect(): Promise<Pair> {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/test.sock`;
  const listener = Deno.listen({ transport: "unix", path });
  const accepted = listener.accept();
  const client = net.connect({ path, allowHalfOpen: true });
  await once(client, "connect");
  const connection = new RepairedConnection(await accepted, 1);
  const close = () => {
    client.destroy();
    connection.destroy();
    listener.close();
    Deno.removeSync(folder, { recursive: true });
  };
  return { client, connection, close };
}

Deno.test("RepairedConnection passes bytes and ends both ways, the GOAWAY at the end", async () => {
  const { client, connection, close } = await connect();
  const received: Buffer[] = [];
  connection.on("data", (chunk: Buffer) => received.push(chunk));
  const ended = once(connection, "end");
  client.end(Buffer.from(SENT));
  await ended;
  deepEqual(Uint8Array.from(Buffer.concat(received)), WANTED);
  const answers: Buffer[] = [];
  client.on("data", (chunk: Buffer) => answers.push(chunk));
  const answered = once(client, "end");
  connection.write(Buffer.from("one "));
  connection.write(Buffer.from("two "));
  connection.end(Buffer.from("three"));
  await answered;
  equal(Buffer.concat(answers).toString(), "one two three");
  close();
});

Deno.test("RepairedConnection carries more than its buffers hold while the reader is slow", async () => {
  const { client, connection, close } = await connect();
  const total = 4 * 1024 * 1024;
  client.end(Buffer.alloc(total, 1));
  let read = 0;
  // An iterator reads one chunk at a time: pushes beyond the high-water mark pause the socket.
  for await (const chunk of connection) {
    read += chunk.length;
    await Promise.resolve();
  }
  equal(read, total);
  close();
});

Deno.test("RepairedConnection survives a client that vanishes", async () => {
  const { client, connection, close } = await connect();
  const closed = new Promise((resolve) => connection.once("close", resolve));
  connection.resume();
  client.destroy();
  connection.write(Buffer.alloc(1024 * 1024));
  connection.end();
  await closed;
  close();
});
