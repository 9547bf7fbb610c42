import { deepEqual, equal, match, throws } from "node:assert/strict";
import type { StorageArray, VolumeKind } from "../../arrays/array.ts";
import { Fleet } from "../../arrays/fleet.ts";
import type { AccessMode, Capability } from "../../capability.ts";
import { isPsoError } from "../../errors.ts";
import { silentLogger } from "../../log.ts";
import type { ProvisionerOptions } from "../provisioner_options.ts";
import { readWantedVolume } from "./wanted_volume.ts";

function mount(
  { mode = "single-node-writer", fsType = "", mountFlags = [] }: {
    mode?: AccessMode;
    fsType?: string;
    mountFlags?: string[];
  } = {},
): Capability {
  return { access: { type: "mount", fsType, mountFlags }, mode };
}

const RAW: Capability = { access: { type: "block" }, mode: "single-node-writer" };
const SHARED = mount({ mode: "multi-node-multi-writer" });

/** A claim, the kinds of array that the fleet has, and the default file system. */
interface Claim {
  name: string;
  parameters?: Record<string, string>;
  capability?: Capability;
  arrays?: VolumeKind[];
  defaultFsType?: string;
}

function read(
  { parameters = {}, capability = mount(), arrays = ["block", "file"], defaultFsType = "xfs" }:
    Claim,
) {
  const entries = arrays.map((kind) => ({
    array: { label: `${kind}-1`, address: `${kind}.example`, kind } as StorageArray,
  }));
  const flasharray = { defaultFsType, defaultMkfsOptions: ["-q"] };
  return readWantedVolume(
    { name: "pvc-1", capabilities: [capability], parameters },
    {
      fleet: new Fleet(entries, { log: silentLogger }),
      options: () => ({ clusterId: "k8s", flasharray }) as unknown as ProvisionerOptions,
    },
  );
}

const KINDS: (Claim & { kind: VolumeKind })[] = [
  { name: "one writer", kind: "block" },
  { name: "a raw device", capability: RAW, kind: "block" },
  { name: "a mount by many writers", capability: SHARED, kind: "file" },
  { name: "one writer, where only FlashBlades are", arrays: ["file"], kind: "file" },
  { name: "one writer, where no array is", arrays: [], kind: "block" },
  { name: "backend file", parameters: { backend: "file" }, kind: "file" },
  {
    name: "backend block, where only FlashBlades are",
    parameters: { backend: "block" },
    arrays: ["file"],
    kind: "block",
  },
  { name: "protocol iscsi", parameters: { protocol: "iscsi" }, kind: "block" },
  { name: "protocol auto of a block volume", parameters: { protocol: "auto" }, kind: "block" },
  {
    name: "protocol nfs of a file system",
    parameters: { backend: "file", protocol: "nfs" },
    kind: "file",
  },
  {
    name: "protocol auto of a file system",
    parameters: { backend: "file", protocol: "auto" },
    kind: "file",
  },
  {
    name: "a file system on an array, whatever the nodes cannot make",
    parameters: { backend: "file" },
    defaultFsType: "btrfs",
    kind: "file",
  },
  {
    name: "a file system of its own, whatever the default",
    capability: mount({ fsType: "ext4" }),
    defaultFsType: "btrfs",
    kind: "block",
  },
];

for (const { kind, ...claim } of KINDS) {
  Deno.test(`readWantedVolume() takes a claim with ${claim.name} for a ${kind} volume`, () => {
    const wanted = read(claim);
    equal(wanted.kind, kind);
    deepEqual([wanted.name, wanted.range], ["k8s-pvc-1", { requiredBytes: 0, limitBytes: 0 }]);
  });
}

const REFUSED: (Claim & { says: RegExp })[] = [
  {
    name: "protocol nfs of a block volume",
    parameters: { backend: "block", protocol: "nfs" },
    says: /protocol is nfs and the volume is a block volume: use backend file$/,
  },
  {
    name: "protocol fc of a file system",
    parameters: { backend: "file", protocol: "fc" },
    says: /protocol is fc and file systems are reached by nfs: remove it or use backend block$/,
  },
  {
    name: "a parameter of the other kind",
    parameters: { backend: "file", iops_limit: "1000" },
    says: /iops_limit works for block volumes only: remove it or use backend block$/,
  },
  {
    name: "a mount option that no node takes",
    capability: mount({ mountFlags: ["noatime", "bind"] }),
    says: /mount option .*bind.*; take it out of the class$/,
  },
  {
    name: "a mount option that no node takes, of a file system",
    parameters: { backend: "file" },
    capability: mount({ mountFlags: ["bind"] }),
    says: /mount option .*bind.*; take it out of the class$/,
  },
  {
    name: "a mount option of ext4, of a file system that comes by NFS",
    parameters: { backend: "file" },
    capability: mount({ mountFlags: ["data=journal"] }),
    says: /mount option data=journal is refused for nfs: .*; take it out of the class$/,
  },
  {
    name: "an option that mkfs must not get",
    parameters: { createoptions: "-N" },
    says: /createoptions .*-N.*; take it out of the class, or of flasharray\.defaultFSOpt$/,
  },
  {
    name: "the default of a file system that nodes do not make",
    defaultFsType: "btrfs",
    says: /flasharray\.defaultFSType is btrfs, and nodes make xfs and ext4 only/,
  },
  {
    name: "many writers of a raw mount that no array can give",
    capability: SHARED,
    arrays: ["block"],
    says: /Cannot create pvc-1: /,
  },
];

for (const { says, ...claim } of REFUSED) {
  Deno.test(`readWantedVolume() refuses a claim with ${claim.name}`, () => {
    throws(() => read(claim), (error) => {
      equal(isPsoError(error, "invalid"), true, String(error));
      match(String(error), says);
      return true;
    });
  });
}
