import { type IpAddress, parseIp, printIp } from "./cidr.ts";

// Addresses in few bytes, for the node_id. IPv4: four bytes each. IPv6: the first with its sixteen
// bytes, each other as one byte with two numbers (so many leading and so many trailing bytes are
// those of the address before) and the bytes between. Addresses of one host mostly differ in a few.

/** Addresses as the values of a node_id's keys `4` and `6`, in base64url. */
export interface PackedAddresses {
  v4: string;
  v6: string;
}

/** `undefined` when one of the texts is no address. */
export function packAddresses(texts: readonly string[]): PackedAddresses | undefined {
  const v4: number[] = [];
  const v6: number[] = [];
  let before: number[] | undefined;
  for (const text of texts) {
    const ip = parseIp(text);
    if (ip === undefined) return undefined;
    const bytes = bytesOf(ip);
    if (ip.family === 4) v4.push(...bytes);
    else {
      v6.push(...before === undefined ? bytes : difference(before, bytes));
      before = bytes;
    }
  }
  return { v4: inBase64(v4), v6: inBase64(v6) };
}

/** What `packAddresses` packed, in its order. Throws RangeError or SyntaxError for anything else. */
export function unpackV4(packed: string): string[] {
  const bytes = [...Uint8Array.fromBase64(packed, { alphabet: "base64url" })];
  if (bytes.length === 0 || bytes.length % 4 !== 0) throw new RangeError("no IPv4 addresses");
  return Array.from(
    { length: bytes.length / 4 },
    (_, at) => addressOf(4, bytes.slice(4 * at, 4 * at + 4)),
  );
}

/** As `unpackV4`, of IPv6. */
export function unpackV6(packed: string): string[] {
  const bytes = [...Uint8Array.fromBase64(packed, { alphabet: "base64url" })];
  let address = bytes.splice(0, 16);
  if (address.length < 16) throw new RangeError("no IPv6 addresses");
  const found = [addressOf(6, address)];
  while (bytes.length > 0) {
    const [header = 0] = bytes.splice(0, 1);
    const [head, tail] = [header >> 4, header & 15];
    const between = bytes.splice(0, Math.max(16 - head - tail, 0));
    address = [...address.slice(0, head), ...between, ...address.slice(16 - tail)];
    if (address.length !== 16) throw new RangeError("no IPv6 addresses");
    found.push(addressOf(6, address));
  }
  return found;
}

function difference(before: readonly number[], bytes: readonly number[]): number[] {
  let head = 0;
  while (head < 15 && before[head] === bytes[head]) head++;
  let tail = 0;
  while (tail < 15 - head && before[15 - tail] === bytes[15 - tail]) tail++;
  return [(head << 4) | tail, ...bytes.slice(head, 16 - tail)];
}

function bytesOf({ family, value }: IpAddress): number[] {
  const hex = value.toString(16).padStart(family === 4 ? 8 : 32, "0");
  return [...Uint8Array.fromHex(hex)];
}

function addressOf(family: 4 | 6, bytes: readonly number[]): string {
  return printIp({ family, value: BigInt(`0x${Uint8Array.from(bytes).toHex()}`) });
}

function inBase64(bytes: readonly number[]): string {
  return Uint8Array.from(bytes).toBase64({ alphabet: "base64url", omitPadding: true });
}
