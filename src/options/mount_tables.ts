// Mount options by mount(8), ext4(5), xfs(5) and nfs(5): those that a class may give, and those
// that no node takes. Judging, messages and docs/formatting-options.md come from these tables.

import type { FsType } from "../file_systems.ts";
import type { FileProtocol } from "../protocols.ts";

/** What is mounted: a file system of this driver on a block volume, or an export. */
export type MountedType = FsType | "nfs";

/**
 * As what each protocol of file systems mounts them: by this the options of a class and of a PV are
 * judged. `local` stands in for NFS, so that its volumes are judged alike.
 */
export const MOUNTED_AS: Readonly<Record<FileProtocol, MountedType>> = {
  nfs: "nfs",
  local: "nfs",
};

/** Options that may have no value, or only values of one pattern. */
export interface MountOptions {
  names: readonly string[];
  /** Absent: no value. */
  value?: { pattern: RegExp; says: string };
  /** With a value: the name may stand alone too. */
  bare?: true;
}

const NUMBER = { pattern: /^\d{1,20}$/, says: "a whole number" };
const SWITCH = { pattern: /^[01]$/, says: "0 or 1" };
const SIZE = { pattern: /^\d{1,20}[kmg]?$/i, says: "a size such as 64k" };

/**
 * A SELinux label: user, role, type, level; commas only between categories, so that no tool that
 * knows no quotes reads another option in it.
 */
const LABEL = String.raw`[\w.-]+:[\w.-]+:[\w.-]+(:[\w.-]+(:CATEGORIES(-[\w.]+(:CATEGORIES)?)?)?)?`
  .replaceAll("CATEGORIES", String.raw`c\d+(\.c\d+)?(,c\d+(\.c\d+)?)*`);

/** A label with its quotes, as kubelet gives it, or without. */
const SELINUX: MountOptions = {
  names: ["context", "fscontext", "defcontext", "rootcontext"],
  value: {
    pattern: new RegExp(`^(${LABEL}|"${LABEL}")$`),
    says: 'a SELinux label in quotes, such as "system_u:object_r:container_file_t:s0:c1,c2"',
  },
};

const EVERY_TYPE: readonly MountOptions[] = [
  {
    names: [
      "ro",
      "rw",
      "defaults",
      "atime",
      "noatime",
      "diratime",
      "nodiratime",
      "relatime",
      "norelatime",
      "strictatime",
      "nostrictatime",
      "lazytime",
      "nolazytime",
      "sync",
      "async",
      "dirsync",
      "exec",
      "noexec",
      "suid",
      "nosuid",
      "dev",
      "nodev",
      "iversion",
      "noiversion",
      "nosymfollow",
      "silent",
      "loud",
      "_netdev",
      "nofail",
    ],
  },
  SELINUX,
];

const BLOCK: readonly MountOptions[] = [
  {
    names: [
      "discard",
      "nodiscard",
      "grpid",
      "nogrpid",
      "bsdgroups",
      "sysvgroups",
      "quota",
      "noquota",
      "usrquota",
      "grpquota",
      "prjquota",
      "nobarrier",
    ],
  },
  { names: ["barrier"], value: SWITCH, bare: true },
  {
    names: ["dax"],
    value: { pattern: /^(always|inode|never)$/, says: "always, inode or never" },
    bare: true,
  },
];

const XFS: readonly MountOptions[] = [
  {
    names: [
      "attr2",
      "noattr2",
      "filestreams",
      "ikeep",
      "noikeep",
      "inode32",
      "inode64",
      "largeio",
      "nolargeio",
      "noalign",
      "nouuid",
      "swalloc",
      "wsync",
      "uquota",
      "uqnoenforce",
      "qnoenforce",
      "gquota",
      "gqnoenforce",
      "pquota",
      "pqnoenforce",
    ],
  },
  { names: ["allocsize", "logbsize"], value: SIZE },
  { names: ["logbufs", "sunit", "swidth"], value: NUMBER },
];

const EXT4: readonly MountOptions[] = [
  {
    names: [
      "acl",
      "noacl",
      "user_xattr",
      "nouser_xattr",
      "bsddf",
      "minixdf",
      "block_validity",
      "noblock_validity",
      "delalloc",
      "nodelalloc",
      "dioread_lock",
      "dioread_nolock",
      "i_version",
      "inlinecrypt",
      "journal_async_commit",
      "journal_checksum",
      "nojournal_checksum",
      "noinit_itable",
      "nombcache",
      "no_mbcache",
      "prefetch_block_bitmaps",
      "no_prefetch_block_bitmaps",
      "noauto_da_alloc",
    ],
  },
  { names: ["auto_da_alloc", "mb_optimize_scan"], value: SWITCH, bare: true },
  {
    names: [
      "commit",
      "inode_readahead_blks",
      "journal_ioprio",
      "max_batch_time",
      "min_batch_time",
      "max_dir_size_kb",
      "resgid",
      "resuid",
      "stripe",
    ],
    value: NUMBER,
  },
  { names: ["init_itable"], value: NUMBER, bare: true },
  {
    names: ["data"],
    value: {
      pattern: /^(journal|ordered|writeback)$/,
      says: "journal, ordered or writeback",
    },
  },
  { names: ["data_err"], value: { pattern: /^(abort|ignore)$/, says: "abort or ignore" } },
  {
    names: ["errors"],
    value: { pattern: /^(continue|remount-ro)$/, says: "continue or remount-ro" },
  },
  { names: ["jqfmt"], value: { pattern: /^vfs(old|v[01])$/, says: "vfsold, vfsv0 or vfsv1" } },
];

const PROTO = /^(tcp|udp|rdma)6?$/;

const NFS: readonly MountOptions[] = [
  {
    names: [
      "ac",
      "noac",
      "acl",
      "noacl",
      "cto",
      "nocto",
      "fg",
      "hard",
      "soft",
      "softerr",
      "softreval",
      "nosoftreval",
      "intr",
      "nointr",
      "lock",
      "nolock",
      "migration",
      "nomigration",
      "rdirplus",
      "nordirplus",
      "resvport",
      "noresvport",
      "sharecache",
      "nosharecache",
      "tcp",
      "udp",
      "rdma",
      "trunkdiscovery",
      "notrunkdiscovery",
      "v3",
      "v4",
      "v4.0",
      "v4.1",
      "v4.2",
    ],
  },
  { names: ["fsc"] },
  {
    names: [
      "acdirmax",
      "acdirmin",
      "acregmax",
      "acregmin",
      "actimeo",
      "max_connect",
      "minorversion",
      "mountport",
      "mountvers",
      "namlen",
      "nconnect",
      "port",
      "retrans",
      "retry",
      "rsize",
      "timeo",
      "wsize",
    ],
    value: NUMBER,
  },
  {
    names: ["vers", "nfsvers"],
    value: { pattern: /^(3|4|4\.[012])$/, says: "3, 4, 4.0, 4.1 or 4.2" },
  },
  {
    names: ["proto", "mountproto"],
    value: { pattern: PROTO, says: "tcp, udp or rdma, with 6 after it for IPv6" },
  },
  {
    names: ["sec"],
    value: {
      pattern: /^(sys|none|krb5[ip]?)(:(sys|none|krb5[ip]?)){0,4}$/,
      says: "sys, none, krb5, krb5i or krb5p, with colons between",
    },
  },
  { names: ["lookupcache"], value: { pattern: /^(all|none|pos|positive)$/, says: "all or pos" } },
  {
    names: ["local_lock"],
    value: { pattern: /^(all|flock|posix|none)$/, says: "all, flock, posix or none" },
  },
  { names: ["write"], value: { pattern: /^(lazy|eager|wait)$/, says: "lazy, eager or wait" } },
  { names: ["xprtsec"], value: { pattern: /^(none|tls|mtls)$/, says: "none, tls or mtls" } },
];

/** What a class may give, by what is mounted. */
export const ALLOWED_MOUNT_OPTIONS: Readonly<Record<MountedType, readonly MountOptions[]>> = {
  xfs: [...EVERY_TYPE, ...BLOCK, ...XFS],
  ext4: [...EVERY_TYPE, ...BLOCK, ...EXT4],
  nfs: [...EVERY_TYPE, ...NFS],
};

/** Options that no node takes, for one reason; a name that ends in `.` stands for all below it. */
export interface RefusedMountOptions {
  /** As the rest of "it". */
  does: string;
  names: readonly string[];
}

/** What would change what is mounted, where, or by whom. */
export const REFUSED_MOUNT_OPTIONS: readonly RefusedMountOptions[] = [
  {
    does: "mounts something other than the volume as it is",
    names: [
      "loop",
      "offset",
      "sizelimit",
      "sb",
      "source",
      "subdir",
      "encryption",
      "verity.",
      "roothash",
      "roothashfile",
      "roothashsig",
      "hashdevice",
      "hashoffset",
      "fecdevice",
      "fecoffset",
      "fecroots",
    ],
  },
  {
    does: "mounts at another place, or changes mounts that are there",
    names: [
      "bind",
      "rbind",
      "move",
      "remount",
      "shared",
      "rshared",
      "slave",
      "rslave",
      "private",
      "rprivate",
      "unbindable",
      "runbindable",
      "x-mount.",
    ],
  },
  {
    does: "lets others than root mount or unmount it",
    names: ["user", "users", "owner", "group"],
  },
  { does: "names a program that root would run", names: ["helper", "uhelper"] },
  {
    does: "names another device",
    names: ["logdev", "rtdev", "journal_dev", "journal_path"],
  },
  {
    does: "leads to another server or address",
    names: ["addr", "mountaddr", "mounthost", "clientaddr"],
  },
  { does: "reports success before anything is mounted", names: ["bg"] },
];
