/** The array inside the guest, by its command `array` (tests/lab/guest/array). */
import type { Attachment } from "../../src/handoff.ts";
import { testRun } from "../support/test_node.ts";

/** The iSCSI name of the guest. */
export const NODE_IQN = "iqn.1993-08.org.debian:01:lab";
/** The iSCSI target of the array; it listens on both PORTALS. */
export const TARGET_IQN = "iqn.2010-06.com.purestorage:flasharray.1234567890abcdef";
/** The NVMe subsystem of the array; it listens on both addresses too. */
export const SUBSYSTEM_NQN = "nqn.2010-06.com.purestorage:flasharray.1234567890abcdef";
/** Addresses of the array's ports: two, so that each volume has two paths. */
export const PORTALS = ["127.0.0.1", "127.0.0.2"];

/** Emulation makes everything some twenty times slower. */
const TIMEOUT_MS = 120_000;

type IscsiAttachment = Extract<Attachment, { protocol: "iscsi" }>;

/** Makes a blank volume and maps it to this node; gives back what the controller would publish. */
export async function iscsiVolume(
  name: string,
  { lun, sizeBytes }: { lun: number; sizeBytes: number },
): Promise<IscsiAttachment> {
  await array("host", NODE_IQN);
  const serial = await array("create", name, sizeBytes);
  await array("map", name, NODE_IQN, lun);
  return iscsiAttachment({ serial, lun, sizeBytes, everWritten: false });
}

/** What the controller publishes of a volume that is mapped to this node. */
export function iscsiAttachment(
  volume: Omit<IscsiAttachment, "protocol" | "targets">,
): IscsiAttachment {
  return {
    protocol: "iscsi",
    targets: PORTALS.map((address) => ({ iqn: TARGET_IQN, portal: `${address}:3260` })),
    ...volume,
  };
}

type NvmeAttachment = Extract<Attachment, { portals: string[] }>;

/** The same over NVMe/TCP, as namespace `nsid`. */
export async function nvmeVolume(
  name: string,
  { nsid, sizeBytes }: { nsid: number; sizeBytes: number },
): Promise<NvmeAttachment> {
  const serial = await array("create", name, sizeBytes);
  await array("nvme-map", name, nsid);
  return nvmeAttachment({ serial, sizeBytes, everWritten: false });
}

/** What the controller publishes of a volume over NVMe/TCP. */
export function nvmeAttachment(
  volume: Omit<NvmeAttachment, "protocol" | "nqn" | "portals">,
): NvmeAttachment {
  return {
    protocol: "nvme-tcp",
    nqn: SUBSYSTEM_NQN,
    portals: PORTALS.map((address) => `${address}:4420`),
    ...volume,
  };
}

/** Runs `array` with these words; gives back what it printed. */
export async function array(...words: (string | number)[]): Promise<string> {
  const { stdout } = await testRun("/run/lab/array", words.map(String), { timeoutMs: TIMEOUT_MS });
  return stdout.trim();
}
