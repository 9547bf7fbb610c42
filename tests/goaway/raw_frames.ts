/** HTTP/2 by hand, for frames that no client library would send on request (RFC 9113, RFC 7541). */

export const SETTINGS = 0x04;
export const HEADERS = 0x01;
export const DATA = 0x00;
export const RST_STREAM = 0x03;
export const PING = 0x06;
export const WINDOW_UPDATE = 0x08;
export const CONTINUATION = 0x09;
const GOAWAY = 0x07;
const ACK = 0x1;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
const HEADER_BYTES = 9;

const encoder = new TextEncoder();
export const PREFACE = encoder.encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export interface Frame {
  type: number;
  flags: number;
  stream: number;
  payload: Uint8Array;
}

function uint32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

export function encode(frame: Frame): Uint8Array {
  const { length } = frame.payload;
  return Uint8Array.from([
    ...uint32(length).slice(1),
    frame.type,
    frame.flags,
    ...uint32(frame.stream),
    ...frame.payload,
  ]);
}

/**
 * RFC 7541 6.2.2, literal without indexing, new name, no Huffman coding; texts shorter than 127
 * bytes.
 */
function literal(name: string, value: string): number[] {
  return [0, name.length, ...encoder.encode(name), value.length, ...encoder.encode(value)];
}

/** The headers of a call, by the path of its method. */
export function requestHeaders(path: string): Uint8Array {
  return Uint8Array.from([
    ...literal(":method", "POST"),
    ...literal(":scheme", "http"),
    ...literal(":path", path),
    ...literal(":authority", "localhost"),
    ...literal("content-type", "application/grpc"),
    ...literal("te", "trailers"),
  ]);
}

export const REQUEST_HEADERS = requestHeaders("/csi.v1.Identity/Probe");

/** Reads frames until `wanted` says yes; false when the connection ended first. */
export async function readUntil(
  connection: Deno.Conn,
  wanted: (frame: Frame) => boolean,
): Promise<boolean> {
  let bytes = new Uint8Array();
  const chunk = new Uint8Array(65_536);
  for (;;) {
    while (bytes.length >= HEADER_BYTES) {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const length = view.getUint32(0) >>> 8;
      if (bytes.length < HEADER_BYTES + length) break;
      const frame = {
        type: view.getUint8(3),
        flags: view.getUint8(4),
        stream: view.getUint32(5),
        payload: bytes.slice(9, 9 + length),
      };
      bytes = bytes.slice(HEADER_BYTES + length);
      if (wanted(frame)) return true;
    }
    const read = await connection.read(chunk);
    if (read === null) return false;
    bytes = Uint8Array.from([...bytes, ...chunk.subarray(0, read)]);
  }
}

/**
 * Connects, makes `calls` Probe calls one after the other, sends a GOAWAY with `lastStreamId`, a
 * PING, and closes. Throws when a call was not answered. Whether the server lived on is for the
 * caller to see: it may die at the frame or later.
 */
export async function sendGoaway(path: string, lastStreamId: number, calls: number): Promise<void> {
  using connection = await Deno.connect({ transport: "unix", path });
  const send = async (frame: Frame) => {
    for (let rest = encode(frame); rest.length > 0;) {
      rest = rest.subarray(await connection.write(rest));
    }
  };
  await connection.write(PREFACE);
  await send({ type: SETTINGS, flags: 0, stream: 0, payload: new Uint8Array() });
  await send({ type: SETTINGS, flags: ACK, stream: 0, payload: new Uint8Array() });
  for (let i = 0; i < calls; i++) {
    const stream = 2 * i + 1;
    await send({ type: HEADERS, flags: END_HEADERS, stream, payload: REQUEST_HEADERS });
    // An empty message: not compressed, length 0.
    await send({ type: DATA, flags: END_STREAM, stream, payload: new Uint8Array(5) });
    const answered = await readUntil(
      connection,
      (frame) =>
        frame.type === HEADERS && frame.stream === stream && (frame.flags & END_STREAM) !== 0,
    );
    if (!answered) throw new Error(`call ${i + 1} on a raw connection was not answered`);
  }
  try {
    await send({
      type: GOAWAY,
      flags: 0,
      stream: 0,
      payload: Uint8Array.from([...uint32(lastStreamId), ...uint32(0)]),
    });
    await send({ type: PING, flags: 0, stream: 0, payload: new Uint8Array(8) });
    await readUntil(connection, (frame) => frame.type === PING);
  } catch (error) {
    // A server that died at the frame no longer reads.
    if (
      !(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset)
    ) throw error;
  }
}
