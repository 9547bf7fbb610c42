import { deepEqual, equal, match } from "node:assert/strict";
import {
  mountOptionsFault,
  refusedMountOption,
  splitMountOptions,
  unknownMountOptions,
} from "./mount_options.ts";
import { ALLOWED_MOUNT_OPTIONS } from "./mount_tables.ts";

for (
  const [text, options] of [
    ["ro,noatime", ["ro", "noatime"]],
    [" ro, noatime\n,,discard ", ["ro", "noatime", "discard"]],
    ['context="a:b:s0:c1,c2",ro', ['context="a:b:s0:c1,c2"', "ro"]],
    ['context="a:b,ro', ['context="a:b,ro']],
    ["", []],
  ] as const
) {
  Deno.test(`splitMountOptions() makes ${options.length} options of ${JSON.stringify(text)}`, () => {
    deepEqual(splitMountOptions(text), options);
  });
}

const TYPES = ["xfs", "ext4", "nfs"] as const;

/** What would change what is mounted, where, or by whom. */
const ATTACKS: [string, RegExp][] = [
  ["loop", /^loop is refused: it mounts something other/],
  ["loop=/dev/loop9", /something other/],
  ["noatime,loop", /^loop is refused/],
  ["noatime loop", /^loop is refused/],
  ["LOOP", /^LOOP is refused/],
  ["offset=0", /something other/],
  ["sizelimit=4096", /something other/],
  ["sb=131072", /something other/],
  ["source=/dev/sdb", /something other/],
  ["verity.hashdevice=/dev/sdb", /something other/],
  ["hashdevice=/dev/sdb", /something other/],
  ["bind", /another place/],
  ["rbind", /another place/],
  ["move", /another place/],
  ["remount", /another place/],
  ["ro,remount,bind", /another place/],
  ...["shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable"]
    .map((name): [string, RegExp] => [name, /changes mounts that are there/]),
  ["X-mount.mkdir", /another place/],
  ["x-mount.mkdir=0777", /another place/],
  ["X-mount.subdir=etc", /another place/],
  ["X-mount.idmap=/proc/1/ns/user", /another place/],
  ["user", /others than root/],
  ["user=nobody", /others than root/],
  ["users", /others than root/],
  ["owner", /others than root/],
  ["group", /others than root/],
  ["helper=x", /program/],
  ["uhelper=udisks2", /program/],
  ["logdev=/dev/sdb", /another device/],
  ["rtdev=/dev/sdb", /another device/],
  ["journal_dev=0x801", /another device/],
  ["journal_path=/dev/sdb", /another device/],
  ["addr=192.0.2.1", /another server/],
  ["mountaddr=192.0.2.1", /another server/],
  ["mounthost=evil", /another server/],
  ["clientaddr=192.0.2.1", /another server/],
  ["bg", /before anything is mounted/],
  // quotes that a tool may read in another way
  ['x="a,loop,b"', /SELinux labels only/],
  ['x=\\",loop,\\"', /SELinux labels only/],
  ['context="a:b:c:s0,loop,x"', /SELinux labels only/],
  ['context="a:b:c:s0:c1,bg"', /SELinux labels only/],
  ['context="a:b:c,addr=192.0.2.1"', /SELinux labels only/],
  ['context="a:b:c:s0:c1', /SELinux labels only/],
  ['ro"', /SELinux labels only/],
  ["ro\u0000", /control characters/],
  ["ro\u0007", /control characters/],
];

for (const [text, reason] of ATTACKS) {
  Deno.test(`no node mounts with ${JSON.stringify(text)}, and no class may ask for it`, () => {
    const options = splitMountOptions(text);
    match(refusedMountOption(options) ?? "", reason);
    for (const type of TYPES) match(mountOptionsFault(type, options) ?? "", reason);
  });
}

for (
  const [type, text] of [
    ["xfs", "discard,noatime,nodiratime,nouuid,logbufs=8,logbsize=256k,inode64,swalloc"],
    ["xfs", "allocsize=64m,sunit=128,swidth=512,usrquota,prjquota,largeio"],
    ["ext4", "noatime,data=ordered,barrier=0,commit=60,errors=remount-ro,nodelalloc,discard"],
    ["ext4", "nobarrier,stripe=32,user_xattr,acl,init_itable=0,auto_da_alloc=0,_netdev"],
    ["nfs", "hard,nfsvers=4.1,proto=tcp,rsize=524288,wsize=524288,timeo=600,retrans=2,nconnect=16"],
    ["nfs", "vers=3,nolock,noacl,sec=krb5p,lookupcache=positive,local_lock=none,actimeo=0"],
    ["nfs", "v4.1,fg,soft,noatime,nosharecache"],
    ...TYPES.map((one) => [one, 'ro,context="system_u:object_r:x_t:s0:c1,c2"'] as const),
    ...TYPES.map((one) => [one, "context=system_u:object_r:x_t:s0-s0:c0.c1023"] as const),
    ...TYPES.map((one) => [one, "defaults,rw,sync,noexec,nosuid,nodev"] as const),
  ] as const
) {
  Deno.test(`a class may ask for ${text} on ${type}, and nodes know it`, () => {
    const options = splitMountOptions(text);
    equal(mountOptionsFault(type, options), undefined);
    equal(refusedMountOption(options), undefined);
    deepEqual(unknownMountOptions(type, options), []);
  });
}

for (
  const [type, text] of [
    ["xfs", "data=ordered"],
    ["xfs", "norecovery"],
    ["xfs", "logbsize"],
    ["xfs", "noatime=1"],
    ["xfs", "hard"],
    ["ext4", "noload"],
    ["ext4", "errors=panic"],
    ["ext4", "commit=x"],
    ["ext4", "usrjquota=aquota.user"],
    ["ext4", "Noatime"],
    ["ext4", "umask=000"],
    ["nfs", "discard"],
    ["nfs", "vers=5"],
    ["nfs", "constructor"],
  ] as const
) {
  Deno.test(`a class must not ask for ${text} on ${type}, and a node mounts what has it`, () => {
    match(mountOptionsFault(type, [text]) ?? "", new RegExp(`^${text} is refused for ${type}: `));
    equal(refusedMountOption([text]), undefined);
    deepEqual(unknownMountOptions(type, ["ro", text]), [text.replace(/=.*/, "")]);
  });
}

Deno.test("no mount option is both allowed and refused", () => {
  const allowed = Object.values(ALLOWED_MOUNT_OPTIONS).flat().flatMap(({ names }) => names);
  for (const name of allowed) equal(refusedMountOption([name]), undefined, name);
});
