import { KiB, MiB } from "../../size.ts";

/** No tool that we call prints as much. One that does is broken, and would fill our memory. */
export const OUTPUT_MAX_BYTES = 4 * MiB;

/**
 * What is read into: a buffer of its own for each read of each tool would grow the memory of the
 * process until the garbage collector comes, by some 4 MiB after 200 stages.
 */
const READ_BYTES = 64 * KiB;
/** As many buffers are kept as two outputs of some tools at once need. */
const SPARE_MAX = 8;
const spare: ArrayBuffer[] = [];

/** One read; `value` lies in the buffer that was given, and is absent after close(). */
interface PipeRead {
  value?: Uint8Array;
  done: boolean;
}

/** One output of a tool, read to its end, or until it is more than OUTPUT_MAX_BYTES. */
export class Pipe {
  readonly #reader: ReadableStreamBYOBReader;
  readonly #chunks: Uint8Array[] = [];
  readonly ended: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>, onTooMuch: () => void) {
    this.#reader = stream.getReader({ mode: "byob" });
    this.ended = this.#read(onTooMuch);
  }

  async #read(onTooMuch: () => void): Promise<void> {
    let bytes = 0;
    let buffer: ArrayBufferLike | undefined = spare.pop() ?? new ArrayBuffer(READ_BYTES);
    while (buffer) {
      const read: PipeRead = await this.#reader.read(new Uint8Array(buffer));
      const { value } = read;
      buffer = value?.buffer; // the same memory; none after close()
      if (read.done || !value) break;
      bytes += value.length;
      if (bytes > OUTPUT_MAX_BYTES) return onTooMuch();
      this.#chunks.push(value.slice());
    }
    if (buffer instanceof ArrayBuffer && spare.length < SPARE_MAX) spare.push(buffer);
  }

  async close(): Promise<void> {
    await this.#reader.cancel();
    await this.ended;
  }

  bytes(): Uint8Array {
    const whole = new Uint8Array(this.#chunks.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  text(): string {
    return new TextDecoder().decode(this.bytes());
  }
}
