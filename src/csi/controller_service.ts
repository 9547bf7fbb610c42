import { chapOf } from "../chap.ts";
import type { Provisioner } from "../controller/provisioner.ts";
import { decodeNodeId } from "../handoff.ts";
import { Controller, ControllerServiceCapability_RPC_Type as Type } from "./generated/csi_pb.ts";
import { method, type UnaryMethod } from "./unary.ts";
import {
  capabilityOf,
  healthMessage,
  rangeOf,
  saysSomething,
  snapshotMessage,
  sourceOf,
  topologyOf,
  volumeMessage,
} from "./values.ts";

/** Everything that a row below really does; the sidecars read this once, at their start. */
const CAPABILITIES: readonly Type[] = [
  Type.CREATE_DELETE_VOLUME,
  Type.PUBLISH_UNPUBLISH_VOLUME,
  Type.LIST_VOLUMES,
  Type.GET_CAPACITY,
  Type.CREATE_DELETE_SNAPSHOT,
  Type.LIST_SNAPSHOTS,
  Type.CLONE_VOLUME,
  Type.PUBLISH_READONLY,
  Type.EXPAND_VOLUME,
  Type.LIST_VOLUMES_PUBLISHED_NODES,
  Type.GET_VOLUME,
  Type.SINGLE_NODE_MULTI_WRITER,
  Type.GET_SNAPSHOT,
  Type.MODIFY_VOLUME,
  Type.GET_VOLUME_HEALTH,
  Type.LIST_VOLUME_HEALTH,
];

/** What the rows of the Controller service are made of. */
export interface ControllerRows {
  /** Asked for at each call; throws while there is no configuration to serve by. */
  provisioner: () => Provisioner;
  /**
   * `storagetopology.enable`. Without it the plugin offers no VOLUME_ACCESSIBILITY_CONSTRAINTS, and
   * then neither reads nor writes what CSI has for topology. Asked for at each call.
   */
  topology: () => boolean;
}

function volumeMethods({ provisioner, topology }: ControllerRows): UnaryMethod[] {
  return [
    method(Controller.method.createVolume, {
      keys: (request) => [provisioner().lockKey({ volumeName: request.name })],
      handle: async (request, { signal }) => {
        const volume = await provisioner().createVolume({
          name: request.name,
          capacityRange: rangeOf(request.capacityRange),
          capabilities: request.volumeCapabilities.map(capabilityOf),
          parameters: request.parameters,
          mutableParameters: request.mutableParameters,
          contentSource: sourceOf(request.volumeContentSource),
          topology: topology() ? topologyOf(request.accessibilityRequirements) : undefined,
        }, signal);
        return { volume: volumeMessage(volume, topology()) };
      },
    }),
    method(Controller.method.deleteVolume, {
      keys: (request) => [provisioner().lockKey({ volumeId: request.volumeId })],
      handle: async (request, { signal }) => {
        await provisioner().deleteVolume(request.volumeId, signal);
        return {};
      },
    }),
    method(Controller.method.controllerExpandVolume, {
      keys: (request) => [provisioner().lockKey({ volumeId: request.volumeId })],
      handle: async (request, { signal }) => {
        const { capacityBytes, nodeExpansionRequired } = await provisioner().expandVolume({
          volumeId: request.volumeId,
          capacityRange: rangeOf(request.capacityRange) ?? { requiredBytes: 0, limitBytes: 0 },
          capability: request.volumeCapability && capabilityOf(request.volumeCapability),
        }, signal);
        return { capacityBytes: BigInt(capacityBytes), nodeExpansionRequired };
      },
    }),
    method(Controller.method.controllerModifyVolume, {
      keys: (request) => [provisioner().lockKey({ volumeId: request.volumeId })],
      handle: async (request, { signal }) => {
        const { volumeId, mutableParameters } = request;
        await provisioner().modifyVolume({ volumeId, mutableParameters }, signal);
        return {};
      },
    }),
  ];
}

/** What is asked of volumes and room; changes nothing, so that no call holds a lock. */
function inquiryMethods({ provisioner, topology }: ControllerRows): UnaryMethod[] {
  return [
    method(Controller.method.validateVolumeCapabilities, {
      keys: null,
      handle: async (request, { signal }) => {
        const answer = await provisioner().validateCapabilities({
          volumeId: request.volumeId,
          volumeContext: request.volumeContext,
          capabilities: request.volumeCapabilities.map(capabilityOf),
          parameters: request.parameters,
          mutableParameters: request.mutableParameters,
        }, signal);
        if (!answer.confirmed) return { message: answer.message };
        const { volumeContext, volumeCapabilities, parameters, mutableParameters } = request;
        return {
          confirmed: { volumeContext, volumeCapabilities, parameters, mutableParameters },
        };
      },
    }),
    method(Controller.method.controllerGetVolume, {
      keys: null,
      handle: async (request, { signal }) => {
        const { volume, publishedNodeIds } = await provisioner().getVolume(
          request.volumeId,
          signal,
        );
        return { volume: volumeMessage(volume, topology()), status: { publishedNodeIds } };
      },
    }),
    method(Controller.method.listVolumes, {
      keys: null,
      quiet: true,
      handle: async (request, { signal }) => {
        const { maxEntries, startingToken } = request;
        const { entries, nextToken } = await provisioner().listVolumes({
          maxEntries,
          startingToken,
        }, signal);
        return {
          entries: entries.map(({ volume, publishedNodeIds }) => ({
            volume: volumeMessage(volume, topology()),
            status: { publishedNodeIds },
          })),
          nextToken,
        };
      },
    }),
    method(Controller.method.getCapacity, {
      keys: null,
      quiet: true,
      ofToday: (request) => ({
        ...request,
        volumeCapabilities: request.volumeCapabilities.filter(saysSomething),
      }),
      handle: (request) => {
        const room = provisioner().getCapacity({
          capabilities: request.volumeCapabilities.map(capabilityOf),
          parameters: request.parameters,
          topology: topology() ? request.accessibleTopology?.segments : undefined,
        });
        return {
          availableCapacity: BigInt(room.availableBytes),
          maximumVolumeSize: BigInt(room.maximumVolumeBytes),
          minimumVolumeSize: BigInt(room.minimumVolumeBytes),
        };
      },
    }),
  ];
}

/** What is wrong with volumes; asked for again and again, so that it is quiet. */
function healthMethods(provisioner: () => Provisioner): UnaryMethod[] {
  return [
    method(Controller.method.controllerGetVolumeHealth, {
      keys: null,
      quiet: true,
      handle: async ({ volumeId }, { signal }) => ({
        volumeHealth: healthMessage(await provisioner().getVolumeHealth(volumeId, signal)),
      }),
    }),
    method(Controller.method.controllerListVolumeHealth, {
      keys: null,
      quiet: true,
      handle: async ({ maxEntries, startingToken }, { signal }) => {
        const page = await provisioner().listVolumeHealth({ maxEntries, startingToken }, signal);
        return { entries: page.entries.map(healthMessage), nextToken: page.nextToken };
      },
    }),
  ];
}

/** The node's name instead of its whole identity, which makes log lines long. */
function nodeName({ nodeId }: { nodeId: string }): { node: string } {
  return { node: decodeNodeId(nodeId)?.name ?? nodeId };
}

function attachMethods(provisioner: () => Provisioner): UnaryMethod[] {
  return [
    method(Controller.method.controllerPublishVolume, {
      facts: nodeName,
      keys: (request) => [provisioner().lockKey({ volumeId: request.volumeId })],
      handle: async (request, { signal }) => {
        const publishContext = await provisioner().publishVolume({
          volumeId: request.volumeId,
          nodeId: request.nodeId,
          capability: capabilityOf(request.volumeCapability),
          readOnly: request.readonly,
          volumeContext: request.volumeContext,
          chap: chapOf(request.secrets),
        }, signal);
        return { publishContext };
      },
    }),
    method(Controller.method.controllerUnpublishVolume, {
      facts: nodeName,
      keys: (request) => [provisioner().lockKey({ volumeId: request.volumeId })],
      handle: async (request, { signal }) => {
        await provisioner().unpublishVolume(
          { volumeId: request.volumeId, nodeId: request.nodeId },
          signal,
        );
        return {};
      },
    }),
  ];
}

function snapshotMethods(provisioner: () => Provisioner): UnaryMethod[] {
  return [
    method(Controller.method.createSnapshot, {
      keys: (
        request,
      ) => [
        provisioner().lockKey({ snapshotName: request.name }),
        provisioner().lockKey({ volumeId: request.sourceVolumeId }),
      ],
      handle: async (request, { signal }) => {
        const { name, sourceVolumeId, parameters } = request;
        const snapshot = await provisioner().createSnapshot(
          { name, sourceVolumeId, parameters },
          signal,
        );
        return { snapshot: snapshotMessage(snapshot) };
      },
    }),
    method(Controller.method.deleteSnapshot, {
      keys: (request) => [provisioner().lockKey({ snapshotId: request.snapshotId })],
      handle: async (request, { signal }) => {
        await provisioner().deleteSnapshot(request.snapshotId, signal);
        return {};
      },
    }),
    method(Controller.method.getSnapshot, {
      keys: null,
      handle: async (request, { signal }) => ({
        snapshot: snapshotMessage(await provisioner().getSnapshot(request.snapshotId, signal)),
      }),
    }),
    method(Controller.method.listSnapshots, {
      keys: null,
      quiet: true,
      handle: async (request, { signal }) => {
        const { maxEntries, startingToken, snapshotId, sourceVolumeId } = request;
        const { entries, nextToken } = await provisioner().listSnapshots({
          maxEntries,
          startingToken,
          snapshotId,
          sourceVolumeId,
        }, signal);
        return {
          entries: entries.map((snapshot) => ({ snapshot: snapshotMessage(snapshot) })),
          nextToken,
        };
      },
    }),
  ];
}

/** The Controller service of CSI 1.13. */
export function controllerService(rows: ControllerRows): UnaryMethod[] {
  return [
    ...volumeMethods(rows),
    ...inquiryMethods(rows),
    ...attachMethods(rows.provisioner),
    ...healthMethods(rows.provisioner),
    ...snapshotMethods(rows.provisioner),
    method(Controller.method.controllerGetCapabilities, {
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
