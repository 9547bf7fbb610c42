/**
 * The repair of the client's GOAWAY, without which a normal close of a Node or Deno client can kill
 * this process.
 *
 * In Deno's node:http2 a received GOAWAY whose last-stream-id is 0 or even corrupts the memory of
 * the server's session (denoland/deno#36788). The frame is well formed, and nothing in JavaScript
 * sees it in time. So it is taken out on its way in, and given to the server when the client
 * closes, with the last-stream-id 2^31-1: that odd number is refused as an error of the connection
 * before any stream is looked at, which ends the session and frees it. Not earlier, because calls
 * may still run: a client that got our own GOAWAY (SIGTERM) answers with one and goes on waiting.
 * Never dropped, because that leaks the session. To be removed when the runtime is fixed;
 * `tests/goaway_test.ts` notices.
 */
import { ConnectionStream } from "../net/connection_stream.ts";

/** RFC 9113 3.4: what a client sends before its first frame. */
const PREFACE_BYTES = 24;
/** RFC 9113 4.1: length (3), type (1), flags (1), stream identifier (4). */
const HEADER_BYTES = 9;
const TYPE_OFFSET = 3;
/** RFC 9113 6.8. */
const GOAWAY = 0x07;
/** A GOAWAY with last-stream-id 2^31-1 and NO_ERROR. */
const LAST_GOAWAY = Uint8Array.of(
  0,
  0,
  8,
  GOAWAY,
  0,
  0,
  0,
  0,
  0,
  0x7f,
  0xff,
  0xff,
  0xff,
  0,
  0,
  0,
  0,
);

/**
 * Walks what one client sends, in chunks of any size, and takes out each GOAWAY. One per
 * connection.
 */
export class GoawayRepair {
  #prefaceLeft = PREFACE_BYTES;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerSeen = 0;
  #payloadLeft = 0;
  #inGoaway = false;
  #sawGoaway = false;

  /**
   * What of `chunk`, and of a header that began before it, goes to the server now: parts in order,
   * without a copy where possible.
   */
  apply(chunk: Uint8Array): Uint8Array[] {
    const parts: Uint8Array[] = [];
    let at = Math.min(this.#prefaceLeft, chunk.length);
    this.#prefaceLeft -= at;
    // What goes on begins here; it ends where a GOAWAY or an unfinished header begins.
    let from = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const count = Math.min(this.#payloadLeft, chunk.length - at);
        this.#payloadLeft -= count;
        at += count;
        if (this.#inGoaway) from = at;
        continue;
      }
      const begunBefore = this.#headerSeen > 0;
      const begin = at;
      at = this.#takeHeader(chunk, at);
      if (this.#headerSeen === HEADER_BYTES && !this.#readHeader()) {
        if (!begunBefore) continue;
        parts.push(this.#header.slice());
      } else if (begin > from) parts.push(chunk.subarray(from, begin));
      from = at;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
    return parts;
  }

  /**
   * What goes to the server before the end of the connection: a header that stayed unfinished, and
   * one GOAWAY if the client sent any.
   */
  end(): Uint8Array[] {
    const parts = this.#headerSeen > 0 ? [this.#header.slice(0, this.#headerSeen)] : [];
    this.#headerSeen = 0;
    if (this.#sawGoaway) parts.push(LAST_GOAWAY.slice());
    return parts;
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const taken = chunk.subarray(at, at + HEADER_BYTES - this.#headerSeen);
    this.#header.set(taken, this.#headerSeen);
    this.#headerSeen += taken.length;
    return at + taken.length;
  }

  /** Begins the frame of the header that is complete; true when it is a GOAWAY. */
  #readHeader(): boolean {
    const [high = 0, middle = 0, low = 0] = this.#header;
    this.#headerSeen = 0;
    this.#payloadLeft = high * 65_536 + middle * 256 + low;
    this.#inGoaway = this.#header[TYPE_OFFSET] === GOAWAY;
    this.#sawGoaway ||= this.#inGoaway;
    return this.#inGoaway;
  }
}

/**
 * A client's connection as the gRPC server may see it: its bytes, repaired. grpc-js tells each call
 * of it the address and the port; a unix socket has none, so the port is the connection's number.
 */
export class RepairedConnection extends ConnectionStream {
  readonly #repair = new GoawayRepair();
  readonly remoteAddress = "unix";
  readonly remotePort: number;

  constructor(connection: Deno.Conn, number: number) {
    super(connection);
    this.remotePort = number;
  }

  protected override received(chunk: Uint8Array): Uint8Array[] {
    return this.#repair.apply(chunk);
  }

  protected override ended(): Uint8Array[] {
    return this.#repair.end();
  }
}
