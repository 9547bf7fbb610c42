import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";

/** Bytes that are read at once. */
const READ_BYTES = 16 * 1024;

/**
 * A connection of Deno as a stream of Node, for servers that take connections in (node:http,
 * grpc-js). Ends pass both ways, each half on its own. A connection that breaks destroys the stream
 * without an error event: that a client goes away is no event for this process.
 */
export class ConnectionStream extends Duplex {
  readonly #connection: Deno.Conn;
  readonly #buffer = new Uint8Array(READ_BYTES);

  constructor(connection: Deno.Conn) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
  }

  /** Ends it once all that was written has left: what node:http asks of a socket. */
  destroySoon(): void {
    this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  /** What of the bytes that came goes on to the server now. */
  protected received(chunk: Uint8Array): Uint8Array[] {
    return [chunk];
  }

  /** What goes on to the server before the client's end. */
  protected ended(): Uint8Array[] {
    return [];
  }

  override _read(): void {
    this.#fill().catch(() => this.destroy());
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#writeAll(chunk).then(() => done(), () => this.destroy());
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    const all = Buffer.concat(chunks.map(({ chunk }) => chunk));
    this.#writeAll(all).then(() => done(), () => this.destroy());
  }

  override _final(done: () => void): void {
    this.#connection.closeWrite().then(() => done(), () => done());
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    try {
      this.#connection.close();
    } catch {
      // The system has closed it already.
    }
    done();
  }

  async #fill(): Promise<void> {
    for (let isGiven = false; !isGiven;) {
      const count = await this.#connection.read(this.#buffer);
      const parts = count === null ? this.ended() : this.received(this.#buffer.slice(0, count));
      for (const part of parts) this.push(part);
      if (count === null) this.push(null);
      isGiven = parts.length > 0 || count === null;
    }
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }
}
