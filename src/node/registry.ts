import { PsoError } from "../errors.ts";
import type { Mount } from "../host/mountinfo.ts";
import { type Protocol, PROTOCOLS } from "../protocols.ts";
import type { NodeContext } from "./context.ts";
import { localBlock } from "./local/block.ts";
import { localFile } from "./local/file.ts";
import { nfsFile } from "./nfs/connection.ts";
import { nvmeBlock } from "./nvme/connection.ts";
import type {
  BlockAttachment,
  BlockAttachmentBy,
  BlockConnection,
  FileAttachment,
  FileAttachmentBy,
  FileConnection,
} from "./protocol.ts";
import { scsiBlock } from "./scsi/connection.ts";

/**
 * How this version attaches volumes, for every protocol there is; null: not at all. Only calls/,
 * health/ and the plugin itself import this file.
 */
const REGISTRY: {
  readonly [P in Protocol]: {
    readonly block: BlockConnection<BlockAttachmentBy<P>> | null;
    readonly file: FileConnection<FileAttachmentBy<P>> | null;
  };
} = {
  iscsi: { block: scsiBlock, file: null },
  fc: { block: scsiBlock, file: null },
  "nvme-roce": { block: nvmeBlock, file: null },
  "nvme-tcp": { block: nvmeBlock, file: null },
  "nvme-fc": { block: nvmeBlock, file: null },
  nfs: { block: null, file: nfsFile },
  local: { block: localBlock, file: localFile },
};

/** What this version of the node plugin can attach. */
export const ATTACHABLE: Protocol[] = PROTOCOLS.filter((protocol) =>
  REGISTRY[protocol].block !== null || REGISTRY[protocol].file !== null
);

/** Every way to attach block volumes, each once. */
export const BLOCK_CONNECTIONS: readonly BlockConnection<never>[] = [
  ...new Set(PROTOCOLS.flatMap((protocol) => REGISTRY[protocol].block ?? [])),
];

/** Every way to mount file systems, each once. */
export const FILE_CONNECTIONS: readonly FileConnection<never>[] = [
  ...new Set(PROTOCOLS.flatMap((protocol) => REGISTRY[protocol].file ?? [])),
];

function unsupported(protocol: Protocol): PsoError {
  return new PsoError(
    "unsupported",
    `protocol ${protocol} cannot be attached by this version of the node plugin: update it, or ` +
      "choose another protocol in the class",
  );
}

/**
 * How an attachment like this one is attached. `unsupported` for a protocol that this version does
 * not have.
 */
export function blockConnection<A extends BlockAttachment>({ protocol }: A): BlockConnection<A> {
  const { block } = REGISTRY[protocol];
  // The cast: a row takes the attachments of its own protocol, and this is the row of A's.
  // TypeScript does not follow a union of keys through the table.
  if (block) return block as BlockConnection<never> as BlockConnection<A>;
  throw unsupported(protocol);
}

/** How an attachment like this one is mounted. `unsupported` as blockConnection(). */
export function fileConnection<A extends FileAttachment>({ protocol }: A): FileConnection<A> {
  const { file } = REGISTRY[protocol];
  if (file) return file as FileConnection<never> as FileConnection<A>; // as in blockConnection()
  throw unsupported(protocol);
}

/**
 * The connection that made a device which is only known by its mount; `undefined` when it is none
 * of ours.
 */
export async function ownerOfDevice(
  context: NodeContext,
  deviceName: string,
): Promise<BlockConnection<never> | undefined> {
  for (const connection of BLOCK_CONNECTIONS) {
    if (await connection.owns(context, deviceName)) return connection;
  }
  return undefined;
}

/** These mounts of shared file systems without those that some protocol mounts them from. */
export async function withoutSourceMounts(
  context: NodeContext,
  mounts: Mount[],
): Promise<Mount[]> {
  let left = mounts;
  for (const connection of FILE_CONNECTIONS) left = await connection.withoutSources(context, left);
  return left;
}

/** Whether a mount, known without a record, shows a shared file system that this driver mounted. */
export async function isFileMount(context: NodeContext, mount: Mount): Promise<boolean> {
  for (const connection of FILE_CONNECTIONS) {
    if (await connection.owns(context, mount)) return true;
  }
  return false;
}

/** What the source of a mount calls the shared file system; `undefined` when it tells no name. */
export function fileSystemIn(mount: Mount): string | undefined {
  return FILE_CONNECTIONS.map((connection) => connection.fileSystemIn(mount)).find((name) =>
    name !== undefined
  );
}
