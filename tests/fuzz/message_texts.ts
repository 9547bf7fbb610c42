/** Messages of any CSI call, mostly nearly right, with secrets where the contract has them. */
import {
  create,
  type DescField,
  type DescMessage,
  type DescMethodUnary,
  getOption,
  type Message,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { csi_secret } from "../../src/csi/generated/csi_pb.ts";
import type { Random } from "./random.ts";

/** What a random message is made from. */
export interface Vocabulary {
  /** Handles, names and node ids that mean something here. */
  words: string[];
  /** What only secret fields get. */
  canary: string;
}

const ODD = [
  "",
  "a",
  "x".repeat(128),
  "x".repeat(5000),
  "a,b",
  "*",
  "\0",
  "\n",
  "é\u202e",
  "../..",
  "/csi",
  "ext4",
  "xfs",
  "block",
  "file",
  "true",
  "10",
  "__proto__",
  "constructor",
  "noatime,loop",
  "-L 'a",
];
const KEYS = [
  "backend",
  "createoptions",
  "exportrules",
  "protocol",
  "csi.storage.k8s.io/pvc/name",
  "topology.purestorage.com/zone",
  "node.session.auth.password",
  "__proto__",
  "",
];
const NUMBERS = [0n, 1n, -1n, 512n, 2n ** 30n, 2n ** 40n, 2n ** 53n, 2n ** 62n, -(2n ** 63n)];
const DEPTH = 4;

function text(random: Random, { words }: Vocabulary): string {
  return random.oneIn(3) ? random.pick(ODD) : random.pick(words);
}

function scalar(random: Random, field: { scalar: ScalarType }, vocabulary: Vocabulary) {
  switch (field.scalar) {
    case ScalarType.BOOL:
      return random.oneIn(2);
    case ScalarType.STRING:
      return text(random, vocabulary);
    case ScalarType.INT64:
      return random.pick(NUMBERS);
    case ScalarType.BYTES:
      return Uint8Array.of(1, 2, 3);
    default:
      return random.below(100) - 10;
  }
}

/** Sets most fields of a message, and fewer of those inside. */
function fill(
  random: Random,
  message: ReflectMessage,
  { vocabulary, depth }: { vocabulary: Vocabulary; depth: number },
): void {
  const inner = { vocabulary, depth: depth - 1 };
  for (const field of message.fields) {
    if (random.oneIn(4)) continue;
    if (getOption(field, csi_secret)) setSecret(message, field, vocabulary.canary);
    else if (field.fieldKind === "scalar") {
      message.set(field, scalar(random, field, vocabulary));
    } else if (field.fieldKind === "enum") message.set(field, random.below(10) - 1);
    else if (depth === 0) continue;
    else if (field.fieldKind === "message") message.set(field, made(random, field.message, inner));
    else if (field.fieldKind === "map" && field.mapKind === "scalar") {
      const map = message.get(field);
      for (let left = random.below(4); left > 0; left--) {
        map.set(random.pick(KEYS), text(random, vocabulary));
      }
    } else if (field.fieldKind === "list") addItems(random, { message, field }, inner);
  }
}

function addItems(
  random: Random,
  { message, field }: { message: ReflectMessage; field: DescField & { fieldKind: "list" } },
  inner: { vocabulary: Vocabulary; depth: number },
): void {
  const list = message.get(field);
  for (let left = random.below(4); left > 0; left--) {
    if (field.listKind === "message") list.add(made(random, field.message, inner));
    else if (field.listKind === "scalar") list.add(scalar(random, field, inner.vocabulary));
  }
}

function setSecret(message: ReflectMessage, field: DescField, canary: string): void {
  if (field.fieldKind === "map") {
    const map = message.get(field);
    map.set("node.session.auth.username", "k8s");
    map.set("node.session.auth.password", canary);
    map.set("any", canary);
  } else if (field.fieldKind === "scalar") message.set(field, canary);
}

function made(
  random: Random,
  schema: DescMessage,
  inside: { vocabulary: Vocabulary; depth: number },
): ReflectMessage {
  const message = reflect(schema, create(schema));
  fill(random, message, inside);
  return message;
}

/** A request on the wire. */
export interface RandomRequest {
  bytes: Uint8Array;
  /** Some bytes were changed: what was a secret may be the text of another field now. */
  isBent: boolean;
}

/** A random request of `method`; one in three with some bytes changed. */
export function randomRequest(
  random: Random,
  method: DescMethodUnary,
  vocabulary: Vocabulary,
): RandomRequest {
  const message = made(random, method.input, { vocabulary, depth: DEPTH });
  const bytes = toBinary(method.input, message.message as Message);
  if (!random.oneIn(3)) return { bytes, isBent: false };
  let bent = [...bytes];
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = random.below(bent.length + 1);
    const more = random.oneIn(2) ? [random.below(256)] : [];
    bent = [...bent.slice(0, at), ...more, ...bent.slice(at + random.below(3))];
  }
  return { bytes: Uint8Array.from(bent), isBent: true };
}
