// The options of mkfs that a class may give, by mkfs.xfs(8) (xfsprogs 6.18) and mke2fs(8)
// (e2fsprogs 1.47), and why others are refused. Judging, messages and docs/formatting-options.md
// come from these tables.

import type { FsType } from "../file_systems.ts";

/** What a value may be. */
export interface MkfsValue {
  pattern: RegExp;
  /** The pattern for people, as the rest of "wanted". */
  says: string;
  /** The name of a suboption may stand without a value too (`internal`), or only so (`noalign`). */
  bare?: "may" | "must";
}

/** An option of mkfs: a letter alone, with a value, or with a list of names with values. */
export type MkfsOption =
  & { meaning: string }
  & (
    | { takes: "nothing" }
    | { takes: "value"; value: MkfsValue }
    | { takes: "suboptions"; suboptions: Readonly<Record<string, MkfsValue>> }
    /** Names with commas between, each switched off by `^` before it. */
    | { takes: "features"; features: readonly string[] }
  );

/** The options of one mkfs, by letter. */
export interface MkfsTable {
  allowed: Readonly<Record<string, MkfsOption>>;
  /** Why some others are refused: by letter, or by letter and suboption (`-d name`). */
  refused: Readonly<Record<string, string>>;
}

const NUMBER: MkfsValue = { pattern: /^\d{1,20}$/, says: "a whole number" };
const SWITCH: MkfsValue = { pattern: /^[01]$/, says: "0 or 1" };
const OPTIONAL_SWITCH: MkfsValue = { ...SWITCH, says: "nothing, 0 or 1", bare: "may" };
const BARE: MkfsValue = { pattern: /^$/, says: "no value", bare: "must" };
const XFS_SIZE: MkfsValue = {
  pattern: /^(0x[0-9a-f]{1,16}|\d{1,20})[sbkmgtpe]?$/i,
  says: "a size such as 512, 64k or 1g",
};
const EXT4_SIZE: MkfsValue = {
  pattern: /^\d{1,20}[kmgtp]?$/i,
  says: "a size such as 4096, 64k or 1g",
};

/** Printable, and no dash first: a label that was forgotten would swallow the next option. */
const LABEL_START = /^(?!-)/.source;
const CONTROL = "\\x00-\\x1f\\x7f-\\x9f";

const OTHER_DEVICE = "it names another device, and only the volume's own is written";
const HOST_FILE = "it reads or writes a file of the host";
const FORCES = "this driver never forces a format";
const OWN_UUID = "this driver chooses the UUID, by which it knows an interrupted format again";
const MAKES_NOTHING = "it makes no file system";
const WHOLE = "a file system begins at the start of its volume and fills it";

const XFS: MkfsTable = {
  allowed: {
    K: { takes: "nothing", meaning: "Does not discard the volume first." },
    q: { takes: "nothing", meaning: "Prints nothing." },
    L: {
      takes: "value",
      value: {
        pattern: new RegExp(`${LABEL_START}[^${CONTROL}]{0,12}$`, "u"),
        says: "a label of at most 12 characters, with no dash first",
      },
      meaning: "Label.",
    },
    b: { takes: "suboptions", suboptions: { size: XFS_SIZE }, meaning: "Size of a block." },
    s: { takes: "suboptions", suboptions: { size: XFS_SIZE }, meaning: "Size of a sector." },
    m: {
      takes: "suboptions",
      suboptions: {
        autofsck: SWITCH,
        bigtime: SWITCH,
        crc: SWITCH,
        finobt: SWITCH,
        inobtcount: SWITCH,
        metadir: SWITCH,
        reflink: SWITCH,
        rmapbt: SWITCH,
      },
      meaning: "Features of the whole file system.",
    },
    d: {
      takes: "suboptions",
      suboptions: {
        agcount: NUMBER,
        agsize: XFS_SIZE,
        concurrency: NUMBER,
        cowextsize: XFS_SIZE,
        daxinherit: SWITCH,
        extszinherit: XFS_SIZE,
        noalign: BARE,
        projinherit: NUMBER,
        sectsize: XFS_SIZE,
        su: XFS_SIZE,
        sunit: NUMBER,
        sw: NUMBER,
        swidth: NUMBER,
      },
      meaning: "Allocation groups, stripes and what files inherit.",
    },
    i: {
      takes: "suboptions",
      suboptions: {
        align: OPTIONAL_SWITCH,
        attr: { pattern: /^[012]$/, says: "0, 1 or 2" },
        exchange: OPTIONAL_SWITCH,
        maxpct: NUMBER,
        nrext64: OPTIONAL_SWITCH,
        perblock: NUMBER,
        projid32bit: OPTIONAL_SWITCH,
        size: XFS_SIZE,
        sparse: OPTIONAL_SWITCH,
      },
      meaning: "Inodes.",
    },
    l: {
      takes: "suboptions",
      suboptions: {
        agnum: NUMBER,
        concurrency: NUMBER,
        internal: { pattern: /^1$/, says: "nothing or 1", bare: "may" },
        "lazy-count": SWITCH,
        sectsize: XFS_SIZE,
        size: XFS_SIZE,
        su: XFS_SIZE,
        sunit: NUMBER,
        version: NUMBER,
      },
      meaning: "The log inside of the volume.",
    },
    n: {
      takes: "suboptions",
      suboptions: {
        ftype: SWITCH,
        parent: SWITCH,
        size: XFS_SIZE,
        version: { pattern: /^(2|ci)$/, says: "2 or ci" },
      },
      meaning: "Directories.",
    },
  },
  refused: {
    "-f": FORCES,
    "-m uuid": OWN_UUID,
    "-d name": OTHER_DEVICE,
    "-d file": OTHER_DEVICE,
    "-l logdev": OTHER_DEVICE,
    "-l name": OTHER_DEVICE,
    "-r": OTHER_DEVICE,
    "-p": HOST_FILE,
    "-c": HOST_FILE,
    "-d size": WHOLE,
    "-N": MAKES_NOTHING,
    "-V": MAKES_NOTHING,
  },
};

const EXT4: MkfsTable = {
  allowed: {
    D: { takes: "nothing", meaning: "Writes past the cache of the node." },
    K: { takes: "nothing", meaning: "Does not discard the volume first; the old `-E nodiscard`." },
    j: { takes: "nothing", meaning: "Makes a journal." },
    q: { takes: "nothing", meaning: "Prints nothing." },
    v: { takes: "nothing", meaning: "Prints more." },
    L: {
      takes: "value",
      value: {
        pattern: new RegExp(`${LABEL_START}[^${CONTROL}]*$`, "u"),
        says: "a label with no dash first",
      },
      meaning: "Label; mke2fs cuts it to 16 bytes.",
    },
    C: { takes: "value", value: EXT4_SIZE, meaning: "Size of a cluster, for `bigalloc`." },
    G: { takes: "value", value: NUMBER, meaning: "Block groups in a group of `flex_bg`." },
    I: { takes: "value", value: NUMBER, meaning: "Size of an inode." },
    N: { takes: "value", value: NUMBER, meaning: "How many inodes." },
    T: {
      takes: "value",
      value: {
        pattern: /^[a-z][a-z0-9_]{0,31}(,[a-z][a-z0-9_]{0,31}){0,9}$/i,
        says: "names of usage types, such as largefile",
      },
      meaning: "Usage types of the node's `/etc/mke2fs.conf`.",
    },
    b: {
      takes: "value",
      value: { pattern: /^-?\d{1,20}k?$/i, says: "a size such as 4096 or 4k" },
      meaning: "Size of a block; with a dash before it, the least size.",
    },
    e: {
      takes: "value",
      value: { pattern: /^(continue|remount-ro)$/, says: "continue or remount-ro" },
      meaning: "What the kernel does when it finds an error.",
    },
    g: { takes: "value", value: NUMBER, meaning: "Blocks of a block group." },
    i: { takes: "value", value: EXT4_SIZE, meaning: "Bytes for each inode." },
    m: {
      takes: "value",
      value: { pattern: /^\d{1,2}(\.\d{1,6})?$/, says: "a percentage, such as 0 or 0.5" },
      meaning: "Percentage of blocks that only root may use.",
    },
    t: {
      takes: "value",
      value: { pattern: /^ext4$/, says: "ext4" },
      meaning: "The file system, which is ext4.",
    },
    E: {
      takes: "suboptions",
      suboptions: {
        desc_size: NUMBER,
        discard: BARE,
        encoding: { pattern: /^utf8(-\d{1,3}(\.\d{1,3}){0,2})?$/, says: "utf8 or utf8-12.1" },
        encoding_flags: { pattern: /^(no)?strict$/, says: "strict or nostrict" },
        lazy_itable_init: OPTIONAL_SWITCH,
        lazy_journal_init: OPTIONAL_SWITCH,
        mmp_update_interval: NUMBER,
        nodiscard: BARE,
        num_backup_sb: { pattern: /^[012]$/, says: "0, 1 or 2" },
        orphan_file_size: EXT4_SIZE,
        packed_meta_blocks: OPTIONAL_SWITCH,
        quotatype: {
          pattern: /^(usr|grp|prj)quota(:(usr|grp|prj)quota){0,2}$/,
          says: "usrquota, grpquota, prjquota, with colons between",
        },
        resize: EXT4_SIZE,
        stride: NUMBER,
        "stripe-width": NUMBER,
        stripe_width: NUMBER,
      },
      meaning: "Extended options.",
    },
    J: {
      takes: "suboptions",
      suboptions: { fast_commit_size: NUMBER, location: EXT4_SIZE, size: NUMBER },
      meaning: "The journal inside of the volume.",
    },
    O: {
      takes: "features",
      features: [
        "64bit",
        "bigalloc",
        "casefold",
        "dir_index",
        "dir_nlink",
        "ea_inode",
        "encrypt",
        "ext_attr",
        "extent",
        "extents",
        "extra_isize",
        "fast_commit",
        "filetype",
        "flex_bg",
        "has_journal",
        "huge_file",
        "inline_data",
        "large_dir",
        "large_file",
        "meta_bg",
        "metadata_csum",
        "metadata_csum_seed",
        "mmp",
        "none",
        "orphan_file",
        "project",
        "quota",
        "resize_inode",
        "sparse_super",
        "sparse_super2",
        "stable_inodes",
        "uninit_bg",
        "verity",
      ],
      meaning: "Features to switch on, or off by `^`.",
    },
  },
  refused: {
    "-F": FORCES,
    "-S": FORCES,
    "-U": OWN_UUID,
    "-E hash_seed": OWN_UUID,
    "-d": HOST_FILE,
    "-l": HOST_FILE,
    "-z": HOST_FILE,
    "-M": "it writes a folder's name into the file system",
    "-J device": OTHER_DEVICE,
    "-O journal_dev": "it makes a journal for another device",
    "-E offset": WHOLE,
    "-E root_owner": "the root folder belongs to root, and kubelet sets fsGroup",
    "-E root_perms": "the root folder belongs to root, and kubelet sets fsGroup",
    "-E assume_storage_prezeroed": "it takes for zero what was never read",
    "-c": "it reads or writes the whole volume before the format, and a pod waits for it",
    "-n": MAKES_NOTHING,
    "-V": MAKES_NOTHING,
  },
};

/** What mkfs of each file system may be given. */
export const MKFS_TABLES: Readonly<Record<FsType, MkfsTable>> = { xfs: XFS, ext4: EXT4 };
