/**
 * The repair of the client's GOAWAY, without which a normal close of a Node or Deno client can kill this process.
 *
 * In Deno's node:http2 a received GOAWAY whose last-stream-id is 0 or even corrupts the memory of the server's session
 * (denoland/deno#36788). The frame is well formed, and nothing in JavaScript sees it in time, so it is changed on its way in: the
 * last-stream-id becomes 2^31-1, an odd number, which says "none of your streams was refused". Dropping the frame would leak the session.
 * To be removed when the runtime is fixed; `tests/goaway_test.ts` notices.
 */
import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import type { Buffer } from "node:buffer";

/** RFC 9113 3.4: what a client sends before its first frame. */
const PREFACE_BYTES = 24;
/** RFC 9113 4.1: length (3), type (1), flags (1), stream identifier (4). */
const HEADER_BYTES = 9;
const TYPE_OFFSET = 3;
/** RFC 9113 6.8. */
const GOAWAY = 0x07;
const LAST_STREAM_ID = [0x7f, 0xff, 0xff, 0xff];

/** Walks what one client sends, in chunks of any size, and gives each GOAWAY the last-stream-id 2^31-1. One per connection. */
export class GoawayRepair {
  #prefaceLeft = PREFACE_BYTES;
  #headerSeen = 0;
  #type = 0;
  #payloadLength = 0;
  #payloadSeen = 0;

  /** Changes `chunk` in place and returns it; nothing is held back. */
  apply<T extends Uint8Array>(chunk: T): T {
    let at = Math.min(this.#prefaceLeft, chunk.length);
    this.#prefaceLeft -= at;
    while (at < chunk.length) {
      at = this.#headerSeen < HEADER_BYTES ? this.#header(chunk, at) : this.#payload(chunk, at);
    }
    return chunk;
  }

  #header(chunk: Uint8Array, start: number): number {
    let at = start;
    for (; at < chunk.length && this.#headerSeen < HEADER_BYTES; at++, this.#headerSeen++) {
      const byte = chunk[at] ?? 0;
      if (this.#headerSeen === 0) this.#payloadLength = 0;
      if (this.#headerSeen < TYPE_OFFSET) this.#payloadLength = this.#payloadLength * 256 + byte;
      else if (this.#headerSeen === TYPE_OFFSET) this.#type = byte;
    }
    this.#payloadSeen = 0;
    if (this.#headerSeen === HEADER_BYTES && this.#payloadLength === 0) this.#headerSeen = 0;
    return at;
  }

  #payload(chunk: Uint8Array, start: number): number {
    const count = Math.min(this.#payloadLength - this.#payloadSeen, chunk.length - start);
    if (this.#type === GOAWAY) {
      for (let i = 0; i < count; i++) {
        const byte = LAST_STREAM_ID[this.#payloadSeen + i];
        if (byte === undefined) break;
        chunk[start + i] = byte;
      }
    }
    this.#payloadSeen += count;
    if (this.#payloadSeen === this.#payloadLength) this.#headerSeen = 0;
    return start + count;
  }
}

/** A client's connection as the gRPC server may see it: the bytes of `socket`, inbound ones repaired. Ends and errors pass both ways. */
export class RepairedConnection extends Duplex {
  readonly #socket: Socket;
  readonly #repair = new GoawayRepair();

  constructor(socket: Socket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      if (!this.push(this.#repair.apply(chunk))) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.on("error", (error: Error) => this.destroy(error));
    socket.on("close", () => this.destroy());
    // A client that goes away is no event for this process; without a listener its ECONNRESET would end it.
    this.on("error", () => {});
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#socket.cork();
    const last = chunks.length - 1;
    chunks.forEach(({ chunk }, i) => i === last ? this.#socket.write(chunk, done) : this.#socket.write(chunk));
    this.#socket.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
