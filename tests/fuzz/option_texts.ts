/** Texts that somebody who wants to harm the node could write into a class, beside usual ones. */
import type { FsType } from "../../src/file_systems.ts";
import type { Random } from "./random.ts";

const LETTERS = [..."abcdefgijlmnopqrstuvzBCDEFGIJKLMNOQRSTUVXZ"];
const NAMES: Record<FsType, readonly string[]> = {
  xfs: ["size", "agcount", "su", "sw", "crc", "uuid", "name", "file", "logdev", "internal"],
  ext4: ["stride", "resize", "offset", "device", "size", "root_owner", "hash_seed", "discard"],
};
const VALUES = [
  "0",
  "1",
  "16",
  "512",
  "4096",
  "64k",
  "1g",
  "0x200",
  "-1024",
  "ext4",
  "largefile4",
  "/etc",
  "/dev/loop9",
  "//dev/loop9",
  "LABEL=x",
  "^has_journal",
  "journal_dev",
  "metadata_csum,^64bit",
  "options=/etc/passwd",
  "11111111-1111-4111-8111-111111111111",
  "my label",
  `it's "mine"`,
  "",
];
const ODD = [
  "\0",
  "\n",
  "\t",
  " ",
  '"',
  "'",
  "\\",
  ",",
  "=",
  "-",
  "--",
  "\u0085",
  "\u00a0",
  "é",
  "/",
];

/** One word as getopt(3) may get it, with its value in the word or after it. */
function option(random: Random, type: FsType): string[] {
  const letters = random.oneIn(3)
    ? random.pick(LETTERS) + random.pick(LETTERS)
    : random.pick(LETTERS);
  const word = `-${letters}`;
  if (random.oneIn(3)) return [word];
  const suboption = () => {
    const name = random.pick(NAMES[type]);
    return random.oneIn(4) ? name : `${name}=${random.pick(VALUES)}`;
  };
  const value = random.oneIn(2)
    ? random.pick(VALUES)
    : Array.from({ length: 1 + random.below(3) }, suboption).join(",");
  return random.oneIn(2) ? [word + value] : [word, value];
}

/** The text with one odd letter put in, or one taken out. */
function bent(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  return text.slice(0, at) + (random.oneIn(3) ? "" : random.pick(ODD)) +
    text.slice(at + random.below(2));
}

/** Words for mkfs. */
export function mkfsWords(random: Random, type: FsType): string[] {
  const words = Array.from({ length: 1 + random.below(3) }, () => option(random, type)).flat();
  if (random.oneIn(8)) words.push(random.pick(["--", "-", "/dev/loop9", "100m", "sdb"]));
  return words.map((word) => random.oneIn(12) ? bent(random, word) : word);
}

/** A text of `createoptions`, with quotes that may be closed or not. */
export function mkfsText(random: Random, type: FsType): string {
  const quoted = mkfsWords(random, type).map((word) => {
    const quote = random.pick(["", "", "", '"', "'"]);
    return quote + word + quote;
  });
  const text = quoted.join(random.pick([" ", "  ", "\t"]));
  return random.oneIn(4) ? bent(random, text) : text;
}

const FLAGS = [
  "ro",
  "noatime",
  "discard",
  "data=ordered",
  "logbsize=64k",
  "vers=4.1",
  "nconnect=8",
  "loop",
  "loop=/dev/loop9",
  "offset=0",
  "bind",
  "remount",
  "rshared",
  "users",
  "uhelper=x",
  "X-mount.subdir=etc",
  "logdev=/dev/sdb",
  "addr=192.0.2.1",
  "bg",
  "zeal",
  'context="a:b:c:s0:c1,c2"',
  'context="a:b:c:s0,loop"',
  'x="y,loop,z"',
  "context=a:b:c",
];

/** An element of `mountOptions`, with one or more options in it. */
export function mountElement(random: Random): string {
  const flags = Array.from({ length: 1 + random.below(4) }, () => random.pick(FLAGS));
  const text = flags.join(random.pick([",", ",", ", ", " "]));
  return random.oneIn(2) ? bent(random, text) : text;
}
