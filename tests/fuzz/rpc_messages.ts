/** CSI messages as a peer that wants to harm the driver, or is broken, could send them. */
import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import type { Random } from "./random.ts";

/** What of a message makes sense to the service that gets it. */
export interface Vocabulary {
  /** Values by the field's name in the specification; a field without any gets odd texts. */
  texts: Record<string, readonly string[]>;
  /** Entries of maps by the field's name. */
  maps: Record<string, readonly Record<string, string>[]>;
  /** Whole messages by type name, of which most are taken. */
  messages: Record<string, readonly Record<string, unknown>[]>;
}

/** No answer and no log line may ever hold this. */
export const CANARY = "Canary-5ecret-91b3d7";

const ODD_TEXTS = [
  "",
  " ",
  "a",
  ".",
  "..",
  "/",
  "/.",
  "//",
  "/..",
  "/a/../b",
  "-x",
  "--help",
  "*",
  "a,b",
  "a\0b",
  "/a\0b",
  "a\nb",
  "\u0085",
  "\u202e",
  "é",
  "💾",
  "null",
  "__proto__",
  "constructor",
  "${jndi:x}",
  "%s%n",
  "'; drop table",
  "../../../../etc/passwd",
  "0badcafe/",
  "/0badcafe",
  "0badcafe/k8s-pvc-none",
  "x".repeat(129),
  "x".repeat(5000),
  `/${"x".repeat(300)}`,
  `/${"x/".repeat(2500)}`,
];
const BIG = [0n, 1n, -1n, 512n, 1n << 20n, 1n << 40n, 1n << 53n, (1n << 63n) - 1n, -(1n << 63n)];
/** One of so many values is odd. */
const ODD_ONCE_IN = 12;
const DEPTH_MAX = 6;

/** Makes messages of any type. */
export class RpcMessages {
  readonly #random: Random;
  readonly #vocabulary: Vocabulary;
  /** The message that is made now has nothing odd in it. */
  #isSane = false;

  constructor(random: Random, vocabulary: Vocabulary) {
    this.#random = random;
    this.#vocabulary = vocabulary;
  }

  /** The bytes of a message: mostly well formed, now and then cut, turned or of another kind. */
  bytes(desc: DescMessage): Uint8Array {
    const random = this.#random;
    this.#isSane = !random.oneIn(3);
    const whole = toBinary(desc, this.#message(desc, 0).message);
    if (this.#isSane || !random.oneIn(25)) return whole;
    const broken = this.#broken(whole);
    return tellsCanary(desc, broken) ? whole : broken;
  }

  #broken(whole: Uint8Array): Uint8Array {
    const random = this.#random;
    const broken = Uint8Array.from(whole.length > 0 ? whole : [8]);
    switch (random.below(4)) {
      case 0:
        return broken.subarray(0, random.below(broken.length));
      case 1:
        broken[random.below(broken.length)] = random.below(256);
        return broken;
      case 2:
        return Uint8Array.from([...broken, ...broken]);
      default:
        return Uint8Array.from({ length: random.below(64) }, () => random.below(256));
    }
  }

  /** Whether the next value is an odd one. */
  #isOdd(onceIn = ODD_ONCE_IN): boolean {
    return !this.#isSane && this.#random.oneIn(onceIn);
  }

  #message(desc: DescMessage, depth: number): ReflectMessage {
    const random = this.#random;
    const ready = this.#vocabulary.messages[desc.typeName];
    if (ready && !this.#isOdd(3)) return reflect(desc, create(desc, random.pick(ready)));
    const message = reflect(desc, create(desc));
    for (const field of desc.fields) {
      if (this.#isOdd() || depth > DEPTH_MAX) continue;
      this.#fill(message, field, depth);
    }
    return message;
  }

  #fill(message: ReflectMessage, field: DescField, depth: number): void {
    const random = this.#random;
    // Of fields that exclude each other the last one would always win.
    if (field.oneof && random.oneIn(2)) return;
    switch (field.fieldKind) {
      case "scalar":
        return message.set(field, this.#scalar(field.name, field.scalar));
      case "enum":
        return message.set(field, random.below(10));
      case "message":
        return message.set(field, this.#message(field.message, depth + 1));
      case "map":
        for (const [key, value] of Object.entries(this.#map(field.name))) {
          if (field.mapKind === "scalar") message.get(field).set(key, value);
        }
        return;
      case "list":
        for (let left = this.#isOdd(40) ? 300 : random.below(3); left > 0; left--) {
          if (field.listKind === "message") {
            message.get(field).add(this.#message(field.message, depth + 1));
          } else if (field.listKind === "scalar") {
            message.get(field).add(this.#scalar(field.name, field.scalar));
          }
        }
    }
  }

  #scalar(name: string, type: ScalarType): unknown {
    const random = this.#random;
    switch (type) {
      case ScalarType.STRING:
        return this.#text(name);
      case ScalarType.BOOL:
        return random.oneIn(2);
      case ScalarType.INT64:
      case ScalarType.UINT64: {
        const value = this.#isOdd(3) ? random.pick(BIG) : BigInt(random.below(1 << 30));
        return type === ScalarType.UINT64 && value < 0n ? 0n : value;
      }
      case ScalarType.BYTES:
        return new Uint8Array(random.below(9));
      default:
        return random.below(1000) - (type === ScalarType.UINT32 ? 0 : 2);
    }
  }

  #text(name: string): string {
    const known = this.#vocabulary.texts[name];
    const random = this.#random;
    return known === undefined || this.#isOdd() ? random.pick(ODD_TEXTS) : random.pick(known);
  }

  #map(name: string): Record<string, string> {
    const random = this.#random;
    const ready = this.#vocabulary.maps[name];
    const entries = ready && !this.#isOdd(4) ? { ...random.pick(ready) } : {};
    if (name === "secrets") entries[random.pick(["token", "password", "a b"])] = CANARY;
    if (this.#isOdd()) entries[random.pick(ODD_TEXTS)] = random.pick(ODD_TEXTS);
    const [key] = Object.keys(entries);
    if (key !== undefined && this.#isOdd()) entries[key] = this.#spoilt(entries[key]);
    return entries;
  }

  /** A text with a part of it taken out, doubled or replaced: numbers and names in JSON as well. */
  #spoilt(text = ""): string {
    const random = this.#random;
    const at = random.below(text.length + 1);
    const end = Math.min(text.length, at + 1 + random.below(8));
    const middle = random.pick(["", text.slice(at, end).repeat(2), '"', "-1", "null", "[]", "../"]);
    return (text.slice(0, at) + middle + text.slice(end)).toWellFormed();
  }
}

/**
 * Whether a message has the canary outside of `secrets`: a turned byte can make secrets a volume's
 * id, which answers and the log may tell.
 */
function tellsCanary(desc: DescMessage, bytes: Uint8Array): boolean {
  try {
    const message = fromBinary(desc, bytes);
    const text = JSON.stringify(
      message,
      (key, value) =>
        key === "secrets" ? undefined : typeof value === "bigint" ? `${value}` : value,
    );
    return text.includes(CANARY);
  } catch {
    return false; // no such message reaches a service
  }
}
