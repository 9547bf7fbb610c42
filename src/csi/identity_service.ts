import {
  Identity,
  PluginCapability_Service_Type,
  PluginCapability_VolumeExpansion_Type,
} from "./generated/csi_pb.ts";
import { method, type UnaryMethod } from "./unary.ts";

/**
 * The name that StorageClasses, CSIDriver and kubelet know the driver by; volumes of PSO 5 and 6
 * carry it too.
 */
export const DRIVER_NAME = "pure-csi";

/** What the Identity service tells of this process. */
export interface IdentityOptions {
  /** The version of the program, as GetPluginInfo reports it. */
  version: string;
  /**
   * `storagetopology.enable`: volumes have places, and nodes reach only some. Asked for at each
   * call, because the configuration may come later than the sidecars.
   */
  topology: () => boolean;
  /**
   * Whether sidecars may begin. False while arrays are still being asked or tools looked for; a
   * standby may wait until it leads, for less than the caller's time.
   */
  isReady: (probe: ProbeCall) => boolean | Promise<boolean>;
  /** The socket that serves SnapshotMetadata says so; no other does. */
  hasSnapshotMetadata?: boolean;
}

/** Who asks by Probe, and how long it waits; without a deadline it is answered at once. */
export interface ProbeCall {
  leftMs?: number;
  signal: AbortSignal;
}

/**
 * Identity, alike in controller and node: the specification wants the same answers from all
 * instances, and csi-sanity and the sidecars read the plugin's capabilities from whichever socket
 * they were given.
 */
export function identityService(
  { version, topology, isReady, hasSnapshotMetadata = false }: IdentityOptions,
): UnaryMethod[] {
  const service = (type: PluginCapability_Service_Type) => ({
    type: { case: "service" as const, value: { type } },
  });
  const expansion = (type: PluginCapability_VolumeExpansion_Type) => ({
    type: { case: "volumeExpansion" as const, value: { type } },
  });
  return [
    method(Identity.method.getPluginInfo, {
      keys: null,
      quiet: true,
      handle: () => ({ name: DRIVER_NAME, vendorVersion: version }),
    }),
    method(Identity.method.getPluginCapabilities, {
      keys: null,
      quiet: true,
      handle: () => ({
        capabilities: [
          service(PluginCapability_Service_Type.CONTROLLER_SERVICE),
          service(PluginCapability_Service_Type.GROUP_CONTROLLER_SERVICE),
          ...(topology()
            ? [service(PluginCapability_Service_Type.VOLUME_ACCESSIBILITY_CONSTRAINTS)]
            : []),
          ...(hasSnapshotMetadata
            ? [service(PluginCapability_Service_Type.SNAPSHOT_METADATA_SERVICE)]
            : []),
          expansion(PluginCapability_VolumeExpansion_Type.ONLINE),
        ],
      }),
    }),
    method(Identity.method.probe, {
      keys: null,
      quiet: true,
      handle: async (_, { leftMs, signal }) => ({ ready: await isReady({ leftMs, signal }) }),
    }),
  ];
}
