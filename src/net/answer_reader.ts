import { Buffer } from "node:buffer";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { Slots } from "../async/slots.ts";
import { LineReader } from "./line_reader.ts";

/** How much is read of one server's answers. */
export interface AnswerLimits {
  /** A larger answer is cut off and refused. */
  answerBytes: number;
  /**
   * Of answers that are larger than this, one is read at a time: so many answers at once cannot
   * hold more memory than one large and many small ones.
   */
  smallAnswerBytes: number;
}

/** A complete answer, whatever its status. */
export interface HttpResponse {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  text: string;
}

/** What an answer may have beside its body: head, sizes of chunks, trailers. */
const BESIDE_BODY_BYTES = 256 * 1024;

/** Answers "wait" (100, 102, 103) before the answer itself; more are a flood. */
export const INTERIM_ANSWERS_MAX = 8;

/** What `AnswerReader` throws for an answer that is larger than the limit. */
export const TOO_LARGE = "TOO_LARGE";

/** How one answer is read. */
interface AnswerReading {
  /** Other than the server's answers have; of an answer that is given line by line, of one line. */
  answerBytes?: number;
  /** Takes each line of a success as it comes; the text of the answer is empty then. */
  onLine?: (line: string) => void;
}

/** Reads the answers of one server within limits. */
export class AnswerReader {
  readonly #limits: AnswerLimits;
  readonly #large = new Slots(1);

  constructor(limits: AnswerLimits) {
    this.#limits = limits;
  }

  /**
   * Reads one answer to its end; of a large one that is no success only the beginning. Throws an
   * Error with a `code` when it does not come whole; the caller closes the connection then.
   */
  async read(
    incoming: IncomingMessage,
    { answerBytes = this.#limits.answerBytes, onLine }: AnswerReading,
  ): Promise<HttpResponse> {
    const bytes = onLine && incoming.statusCode === 200
      ? await linesOf(incoming, { lineBytes: answerBytes, onLine })
      : await this.#bytesOf(incoming, answerBytes);
    const headers = Object.entries(incoming.headers).map((
      [name, value],
    ) => [name, Array.isArray(value) ? value.join(", ") : value ?? ""]);
    return {
      status: incoming.statusCode ?? 0,
      headers: Object.fromEntries(headers),
      text: bytes.toString("utf8"),
    };
  }

  /**
   * Ends the request, with `refuse` told, when its connection gives more bytes than an answer may
   * have: a chunk may have an extension without end, which is no body. So may the "wait" before it.
   * The function returned begins to count anew: an answer without end has a limit for each line.
   */
  watch(
    outgoing: ClientRequest,
    { answerBytes = this.#limits.answerBytes, refuse }: {
      answerBytes?: number;
      refuse: (error: Error) => void;
    },
  ): () => void {
    const most = answerBytes + BESIDE_BODY_BYTES;
    let left = most;
    let stop = () => {};
    const count = ({ length }: Uint8Array) => {
      left -= length;
      if (left >= 0) return;
      stop();
      refuse(tooLarge(answerBytes));
      outgoing.destroy();
    };
    outgoing.on("socket", (socket: Socket) => {
      socket.on("data", count);
      stop = () => socket.off("data", count);
    });
    outgoing.on("close", () => stop());
    let interim = 0;
    outgoing.on("information", () => {
      if (++interim !== INTERIM_ANSWERS_MAX + 1) return; // one error, not one for each
      refuse(withCode("it only answers that it will answer", "EPROTO"));
      outgoing.destroy();
    });
    return () => left = most;
  }

  #bytesOf(incoming: IncomingMessage, answerBytes: number): Promise<Buffer> {
    const { smallAnswerBytes } = this.#limits;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const parts: Uint8Array[] = [];
    let size = 0;
    incoming.on("data", (part: Uint8Array) => {
      const wasSmall = size <= smallAnswerBytes;
      size += part.length;
      if (size > answerBytes) {
        parts.length = 0;
        return reject(tooLarge(answerBytes));
      }
      parts.push(part);
      if (incoming.statusCode !== 200 && size > smallAnswerBytes) {
        // No server has so much to say of an error: its beginning is enough.
        resolve(Buffer.concat(parts));
        incoming.destroy();
        return;
      }
      if (!wasSmall || size <= smallAnswerBytes) return;
      incoming.pause();
      const goOn = () => {
        incoming.resume();
        return promise;
      };
      this.#large.run(goOn).catch(() => {}); // whoever reads this answer gets the error
    });
    incoming.on("error", reject);
    incoming.on("aborted", () => reject(withCode("the answer was cut off", "ECONNRESET")));
    incoming.on("end", () => resolve(Buffer.concat(parts)));
    incoming.on("close", () => reject(withCode("the answer was cut off", "ECONNRESET")));
    return promise;
  }
}

/** Gives the lines away as they come; resolves, empty, when the server has ended the answer. */
function linesOf(
  incoming: IncomingMessage,
  { lineBytes, onLine }: { lineBytes: number; onLine: (line: string) => void },
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const lines = new LineReader({ lineBytes, onLine });
  incoming.on("data", (part: Uint8Array) => {
    if (!lines.push(part)) reject(tooLarge(lineBytes));
  });
  incoming.on("error", reject);
  incoming.on("aborted", () => reject(withCode("the answer was cut off", "ECONNRESET")));
  incoming.on("end", () => resolve(Buffer.alloc(0)));
  incoming.on("close", () => reject(withCode("the answer was cut off", "ECONNRESET")));
  return promise;
}

function tooLarge(bytes: number): Error {
  return withCode(`the answer is larger than ${bytes} bytes`, TOO_LARGE);
}

/** An Error with the code by which its reason is found. */
export function withCode(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
