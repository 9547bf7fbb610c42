import type { Provisioner } from "../controller/provisioner.ts";
import {
  GroupController,
  GroupControllerServiceCapability_RPC_Type as Type,
} from "./generated/csi_pb.ts";
import { method, type UnaryMethod } from "./unary.ts";
import { groupSnapshotMessage } from "./values.ts";

/** The GroupController service of CSI 1.13. `provisioner` is asked for at each call. */
export function groupControllerService(provisioner: () => Provisioner): UnaryMethod[] {
  return [
    method(GroupController.method.groupControllerGetCapabilities, {
      keys: null,
      quiet: true,
      handle: () => ({
        capabilities: [{
          type: {
            case: "rpc" as const,
            value: { type: Type.CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT },
          },
        }],
      }),
    }),
    method(GroupController.method.createVolumeGroupSnapshot, {
      keys: ({ name, sourceVolumeIds }) => [
        provisioner().lockKey({ groupName: name }),
        ...sourceVolumeIds.map((volumeId) => provisioner().lockKey({ volumeId })),
      ],
      handle: async ({ name, sourceVolumeIds, parameters }, { signal }) => {
        const request = { name, sourceVolumeIds, parameters };
        const group = await provisioner().createGroupSnapshot(request, signal);
        return { groupSnapshot: groupSnapshotMessage(group) };
      },
    }),
    method(GroupController.method.getVolumeGroupSnapshot, {
      keys: null,
      handle: async ({ groupSnapshotId, snapshotIds }, { signal }) => {
        const request = { groupSnapshotId, snapshotIds };
        const group = await provisioner().getGroupSnapshot(request, signal);
        return { groupSnapshot: groupSnapshotMessage(group) };
      },
    }),
    method(GroupController.method.deleteVolumeGroupSnapshot, {
      keys: ({ groupSnapshotId }) => [provisioner().lockKey({ groupSnapshotId })],
      handle: async ({ groupSnapshotId, snapshotIds }, { signal }) => {
        await provisioner().deleteGroupSnapshot({ groupSnapshotId, snapshotIds }, signal);
        return {};
      },
    }),
  ];
}
