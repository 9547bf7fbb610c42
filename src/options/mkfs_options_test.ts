import { judgedApart } from "../../tests/support/long_texts.ts";
import { equal, match } from "node:assert/strict";
import { FS_TYPES, type FsType } from "../file_systems.ts";
import { mkfsOptionsFault } from "./mkfs_options.ts";
import { MKFS_TABLES } from "./mkfs_tables.ts";
import { splitWords } from "../words.ts";

/** What must never reach a mkfs that root runs, with a word of the reason. */
const ATTACKS: [FsType | "both", string, RegExp][] = [
  // files and folders of the host
  ["ext4", "-d /host/folder", /^-d is refused for ext4: .* file of the host$/],
  ["ext4", "-d/host/folder", /file of the host/],
  ["ext4", "-qd /host/folder", /file of the host/],
  ["ext4", "-l /etc/passwd", /file of the host/],
  ["ext4", "-z /path", /file of the host/],
  ["ext4", "-z ''", /file of the host/],
  ["ext4", "-M /mnt", /folder's name/],
  ["xfs", "-p /protofile", /file of the host/],
  ["xfs", "-p/protofile", /file of the host/],
  ["xfs", "-c options=FILE", /file of the host/],
  // words that are devices or sizes
  ["both", "//dev/loop7 -L", /^"\/\/dev\/loop7" is refused .* only options/],
  ["both", "-q //dev/loop7 -L", /only options/],
  ["both", "/dev/sdb", /only options/],
  ["both", "sdb", /only options/],
  ["both", "100m", /only options/],
  ["both", '""', /^"" is refused/],
  ["both", "-", /only options/],
  ["both", "-- -q", /^"--" is refused/],
  ["both", "-q --", /^"--" is refused/],
  ["both", "-L", /^-L is refused for (xfs|ext4): it has no value$/],
  ["both", "-q -L", /it has no value/],
  ["both", "-qL", /it has no value/],
  ["both", "--unsupported", /only options/],
  ["both", "--help", /only options/],
  // other devices
  ["xfs", "-d name=/dev/sdb", /^-d name is refused .* another device/],
  ["xfs", "-dagcount=2,name=/dev/sdb", /another device/],
  ["xfs", "-d file,name=x,size=300m", /another device/],
  ["xfs", "-l logdev=/dev/sdb,size=64m", /another device/],
  ["xfs", "-lsize=64m,logdev=UUID", /another device/],
  ["xfs", "-l internal=0", /wanted nothing or 1/],
  ["xfs", "-rrtdev=sdb", /another device/],
  ["xfs", "-q '/dev/sdb'", /only options/],
  ["ext4", "-J device=UUID=6ac8ce0e-6c9b-4f4b-8f0c-2d7f6f1f0f3a", /another device/],
  ["ext4", "-Jdevice=LABEL=x", /another device/],
  ["ext4", "-J size=4,device=/dev/sdb", /another device/],
  ["ext4", "-O journal_dev", /^-O journal_dev is refused .* another device/],
  ["ext4", "-O ^has_journal,journal_dev", /another device/],
  ["ext4", '-O "^has_journal journal_dev"', /another device/],
  ["ext4", "-O JOURNAL_DEV", /is none of those/],
  ["ext4", "-O +journal_dev", /is none of those/],
  // force and UUID
  ["xfs", "-f", /never forces a format/],
  ["xfs", "-qf", /never forces a format/],
  ["xfs", "-fL x", /never forces a format/],
  ["xfs", "-m uuid=1", /chooses the UUID/],
  ["xfs", "-m crc=1,uuid=11111111-1111-1111-1111-111111111111", /chooses the UUID/],
  ["ext4", "-F", /never forces a format/],
  ["ext4", "-qF", /never forces a format/],
  ["ext4", "-Fm1", /never forces a format/],
  ["ext4", "-FF", /never forces a format/],
  ["ext4", "-S", /never forces a format/],
  ["ext4", "-U 11111111-1111-1111-1111-111111111111", /chooses the UUID/],
  ["ext4", "-U1111", /chooses the UUID/],
  ["ext4", "-E hash_seed=11111111-1111-1111-1111-111111111111", /chooses the UUID/],
  // what would not leave a file system that fills the volume
  ["ext4", "-E offset=1048576", /fills it/],
  ["ext4", "-E stride=4,root_owner=0:0", /root folder/],
  ["ext4", "-E root_owner", /root folder/],
  ["ext4", "-E assume_storage_prezeroed=1", /never read/],
  ["ext4", "-E android_sparse", /is none of those/],
  ["xfs", "-d size=300m", /fills it/],
  ["ext4", "-n", /makes no file system/],
  ["ext4", "-V", /makes no file system/],
  ["xfs", "-N", /makes no file system/],
  ["ext4", "-c", /before the format/],
  ["ext4", "-t ext3", /wanted ext4/],
  ["ext4", "-e panic", /wanted continue or remount-ro/],
  // values
  ["ext4", "-E stride=4,", /is none of those/],
  ["ext4", "-E ''", /is none of those/],
  ["ext4", "-E stride", /it has no value/],
  ["ext4", "-E discard=1", /wanted no value/],
  ["ext4", "-E STRIDE=4", /is none of those/],
  ["ext4", "-E constructor=1", /is none of those/],
  ["ext4", "-T /etc/passwd", /usage types/],
  ["ext4", "-N -q", /whole number/],
  ["xfs", "-isize =512", /it has no value/],
  ["xfs", "-i size=512;x", /wanted a size/],
  ["xfs", "-i 'size=512\n'", /wanted a size/],
  ["xfs", "-L 'more than 12 letters'", /at most 12/],
  // labels and quotes
  ["both", "-L -q", /no dash first/],
  ["both", "-L -- -q", /no dash first/],
  ["both", "-L--help", /no dash first/],
  ["both", '-L "a\u0000b"', /a label/],
  ["both", '-L "a\nb"', /a label/],
  ["both", '-L "a\u0085b"', /a label/],
  ["both", "-L my label", /quotes around all of it/],
  ["both", `-q '' -L x`, /^"" is refused/],
  ["both", `"-q -F"`, /^"?- ?"? is refused/],
  ["both", "\u2010q", /only options/],
  ["both", "-\u0000", /is refused/],
];

for (const [types, text, reason] of ATTACKS) {
  for (const type of types === "both" ? FS_TYPES : [types]) {
    Deno.test(`mkfs.${type} never gets ${JSON.stringify(text)}`, () => {
      match(mkfsOptionsFault(type, splitWords(text)) ?? "", reason);
      match(mkfsOptionsFault(type, ["-q", ...splitWords(text)]) ?? "", reason);
    });
  }
}

for (
  const [type, text] of [
    ["xfs", ""],
    ["xfs", "-q"],
    ["xfs", "-q -K"],
    ["xfs", "-qK"],
    ["xfs", "-q -i size=512 -m reflink=0 -l size=64m -d agcount=8"],
    ["xfs", "-b size=4096 -s size=4096 -n size=8k,ftype=1"],
    ["xfs", "-d su=64k,sw=4"],
    ["xfs", "-dsunit=128,swidth=512,noalign"],
    ["xfs", "-m crc=1,finobt=1,rmapbt=1,bigtime=1,inobtcount=1"],
    ["xfs", "-i maxpct=5,sparse,nrext64=1 -l internal,lazy-count=1"],
    ["xfs", '-L "my label"'],
    ["xfs", "-L'it is'"],
    ["xfs", '-L ""'],
    ["xfs", "-Ldata -b size=0x1000"],
    ["ext4", "-q -K"],
    ["ext4", "-q -E lazy_itable_init=0,lazy_journal_init=0,nodiscard"],
    ["ext4", "-E lazy_itable_init -m 0 -i 16384 -I 256 -N 100000 -T largefile4"],
    ["ext4", "-m0 -b4096 -Elazy_itable_init=1,stride=32,stripe_width=64"],
    ["ext4", "-qm0 -b 4k -j -J size=128"],
    ["ext4", "-qjvDLname"],
    ["ext4", "-m 0.5 -b -1024 -T news,huge"],
    ["ext4", "-O ^has_journal,metadata_csum,^64bit -t ext4 -e remount-ro"],
    ["ext4", '-O "^has_journal ^64bit"'],
    ["ext4", "-O bigalloc -C 64k -G 16 -g 32768"],
    ["ext4", '-L "name of a disk"'],
    ["ext4", '-L "//dev/sda is a good name"'],
    ["ext4", "-E quotatype=usrquota:prjquota -O quota,project"],
    ["btrfs", "-f whatever"], // refused for its file system elsewhere
  ] as const
) {
  Deno.test(`mkfs.${type} may get ${JSON.stringify(text)}`, () => {
    equal(mkfsOptionsFault(type, splitWords(text)), undefined);
    equal(mkfsOptionsFault(type.toUpperCase(), splitWords(text)), undefined);
  });
}

for (const type of FS_TYPES) {
  Deno.test(`no option is on both lists of mkfs.${type}`, () => {
    const { allowed, refused } = MKFS_TABLES[type];
    for (const name of Object.keys(refused)) {
      const [letter = "", item] = name.slice(1).split(" ");
      const option = allowed[letter];
      if (item === undefined) equal(option, undefined, name);
      else if (option?.takes === "suboptions") equal(option.suboptions[item], undefined, name);
      else equal(option?.takes === "features" && !option.features.includes(item), true, name);
    }
  });
}

Deno.test("the message shows no more than a part of a long option", () => {
  const fault = mkfsOptionsFault("ext4", ["-T", "/".repeat(1000)]) ?? "";
  match(fault, /^-T is refused for ext4: its value is "\/{60}…", wanted names of usage types/);
});

Deno.test("mkfsOptionsFault() ends for a million options", async () => {
  await judgedApart(
    { "mkfsOptionsFault": import.meta.resolve("./mkfs_options.ts") },
    `for (const words of [["-K"], ["-b", "4096"]]) {
      mkfsOptionsFault("xfs", Array(1_000_000).fill(words).flat());
    }`,
  );
});
