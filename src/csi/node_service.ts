import { isReadOnly } from "../capability.ts";
import { chapOf } from "../chap.ts";
import { PsoError } from "../errors.ts";
import { type Attachment, decodeAttachment, encodeNodeId } from "../handoff.ts";
import type { Condition, StorageCondition } from "../node/look.ts";
import type { InlineVolumes } from "../ephemeral/inline_volumes.ts";
import type { NodePlugin } from "../node/node_plugin.ts";
import type { VolumeStats } from "../node/requests.ts";
import {
  Node,
  NodeServiceCapability_RPC_Type as Type,
  StorageHealthErrorType as StorageStatus,
  VolumeHealthErrorType as VolumeStatus,
  VolumeUsage_Unit as Unit,
} from "./generated/csi_pb.ts";
import { method, type UnaryMethod } from "./unary.ts";
import { capabilityOf, rangeOf } from "./values.ts";

/**
 * VOLUME_MOUNT_GROUP is not offered: with it kubelet leaves a pod's fsGroup to the driver's mount
 * options, and xfs, ext4 and NFS have none for the group of files. Without it kubelet changes the
 * group of the files itself, as the CSIDriver's fsGroupPolicy says.
 */
const CAPABILITIES: readonly Type[] = [
  Type.STAGE_UNSTAGE_VOLUME,
  Type.GET_VOLUME_STATS,
  Type.EXPAND_VOLUME,
  Type.SINGLE_NODE_MULTI_WRITER,
  Type.GET_VOLUME_HEALTH,
  Type.GET_STORAGE_HEALTH,
];

const VOLUME_STATUS: Record<Condition["status"], VolumeStatus> = {
  degraded: VolumeStatus.DEGRADED,
  inaccessible: VolumeStatus.INACCESSIBLE,
};
const STORAGE_STATUS: Record<StorageCondition["status"], StorageStatus> = {
  degraded: StorageStatus.STORAGE_DEGRADED,
  unreachable: StorageStatus.STORAGE_UNREACHABLE,
};

function usageMessages(stats: VolumeStats) {
  if (stats.type === "block") return [{ total: BigInt(stats.sizeBytes), unit: Unit.BYTES }];
  return ([["bytes", Unit.BYTES], ["inodes", Unit.INODES]] as const).map(([kind, unit]) => ({
    unit,
    total: BigInt(stats[kind].total),
    used: BigInt(stats[kind].used),
    available: BigInt(stats[kind].available),
  }));
}

/**
 * The staging path must come with publish, because STAGE_UNSTAGE_VOLUME is offered (CSI,
 * NodePublishVolumeRequest).
 */
function stagingPathOf(stagingTargetPath: string): string {
  if (stagingTargetPath === "") {
    throw new PsoError(
      "unsupported",
      "staging_target_path is missing: this driver stages every volume, call NodeStageVolume first",
    );
  }
  return stagingTargetPath;
}

/** "true" in what kubelet says of a volume that a pod describes itself (podInfoOnMount). */
const INLINE = "csi.storage.k8s.io/ephemeral";

/** The attachment in a publish_context; `undefined` in one of PSO's, which has none. */
function knownAttachment(context: Record<string, string>): Attachment | undefined {
  return context.attachment === undefined ? undefined : decodeAttachment(context);
}

function mountMethods(node: NodePlugin, inline: InlineVolumes): UnaryMethod[] {
  return [
    method(Node.method.nodeStageVolume, {
      keys: null,
      handle: async (request, { signal }) => {
        const { volumeId, stagingTargetPath: stagingPath, volumeContext } = request;
        const attachment = decodeAttachment(request.publishContext);
        const [capability, chap] = [
          capabilityOf(request.volumeCapability),
          chapOf(request.secrets),
        ];
        await node.stage(
          { volumeId, stagingPath, capability, attachment, volumeContext, chap },
          signal,
        );
        return {};
      },
    }),
    method(Node.method.nodeUnstageVolume, {
      keys: null,
      handle: async ({ volumeId, stagingTargetPath }, { signal }) => {
        await node.unstage({ volumeId, stagingPath: stagingTargetPath }, signal);
        return {};
      },
    }),
    method(Node.method.nodePublishVolume, {
      keys: null,
      handle: async (request, { signal }) => {
        const capability = capabilityOf(request.volumeCapability);
        const { volumeId, targetPath, volumeContext } = request;
        const readOnly = request.readonly || isReadOnly(capability.mode);
        const wanted = { volumeId, targetPath, capability, readOnly, volumeContext };
        if (volumeContext[INLINE] === "true") {
          await inline.publish(wanted, signal);
          return {};
        }
        const attachment = knownAttachment(request.publishContext);
        const stagingPath = stagingPathOf(request.stagingTargetPath);
        await node.publish({ ...wanted, stagingPath, attachment }, signal);
        return {};
      },
    }),
    method(Node.method.nodeUnpublishVolume, {
      keys: null,
      handle: async ({ volumeId, targetPath }, { signal }) => {
        const request = { volumeId, targetPath };
        if (!await inline.unpublish(request, signal)) await node.unpublish(request, signal);
        return {};
      },
    }),
  ];
}

function lookMethods(node: NodePlugin): UnaryMethod[] {
  return [
    method(Node.method.nodeExpandVolume, {
      keys: null,
      handle: async (request, { signal }) => {
        if (request.volumeCapability) capabilityOf(request.volumeCapability);
        const { sizeBytes } = await node.expand({
          volumeId: request.volumeId,
          volumePath: request.volumePath,
          stagingPath: request.stagingTargetPath || undefined,
          requiredBytes: rangeOf(request.capacityRange)?.requiredBytes || undefined,
        }, signal);
        return { capacityBytes: BigInt(sizeBytes) };
      },
    }),
    method(Node.method.nodeGetVolumeStats, {
      keys: null,
      quiet: true,
      handle: async (request, { signal }) => {
        const { volumeId, volumePath, stagingTargetPath } = request;
        return {
          usage: usageMessages(
            await node.stats(
              { volumeId, volumePath, stagingPath: stagingTargetPath || undefined },
              signal,
            ),
          ),
        };
      },
    }),
    method(Node.method.nodeGetInfo, {
      keys: null,
      handle: async () => {
        const segments = await node.segments?.();
        return {
          nodeId: encodeNodeId(await node.identity()),
          maxVolumesPerNode: BigInt(node.maxVolumesPerNode),
          accessibleTopology: segments && { segments },
        };
      },
    }),
    method(Node.method.nodeGetCapabilities, {
      keys: null,
      quiet: true,
      handle: () => ({
        capabilities: CAPABILITIES.map((type) => ({
          type: { case: "rpc" as const, value: { type } },
        })),
      }),
    }),
  ];
}

function healthMethods(node: NodePlugin): UnaryMethod[] {
  return [
    method(Node.method.nodeGetVolumeHealth, {
      keys: null,
      quiet: true,
      handle: async ({ volumeId, volumePublishPath: volumePath, stagingTargetPath }) => {
        const conditions = await node.health({
          volumeId,
          volumePath,
          stagingPath: stagingTargetPath || undefined,
        });
        const healthStatuses = conditions.map(({ status, reason, message }) => ({
          status: VOLUME_STATUS[status],
          reason,
          message,
        }));
        return { volumeHealth: { volumeId, healthStatuses } };
      },
    }),
    method(Node.method.nodeGetStorageHealth, {
      keys: null,
      quiet: true,
      handle: () => ({
        backendHealth: node.storageHealth().map(({ status, reason, message }) => ({
          status: STORAGE_STATUS[status],
          reason,
          message,
        })),
      }),
    }),
  ];
}

/**
 * The Node service of CSI 1.13. The node plugin itself takes the lock of a volume; `inline` is asked
 * for volumes that pods describe themselves.
 */
export function nodeService(node: NodePlugin, inline: InlineVolumes): UnaryMethod[] {
  return [...mountMethods(node, inline), ...lookMethods(node), ...healthMethods(node)];
}
