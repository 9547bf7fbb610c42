// Connects a node and the leader with the volumes that pods describe themselves.
import type { Leader } from "./main_leader.ts";
import { type Kube, kubeOf } from "./main_kube.ts";
import type { Service } from "./main_service.ts";
import type { KeyedLock } from "./src/async/keyed_lock.ts";
import type { ControllerOptions, NodeOptions } from "./src/cli/cli.ts";
import type { Config } from "./src/config/model.ts";
import { DRIVER_NAME } from "./src/csi/identity_service.ts";
import { readChapSecret } from "./src/ephemeral/chap_secret.ts";
import { InlineVolumes } from "./src/ephemeral/inline_volumes.ts";
import { EphemeralLeader } from "./src/ephemeral/leader.ts";
import { EphemeralObjects } from "./src/ephemeral/objects.ts";
import { PsoError } from "./src/errors.ts";
import { isDnsLabel } from "./src/kube/names.ts";
import type { Logger } from "./src/log.ts";
import type { NodePlugin } from "./src/node/node_plugin.ts";

/** What a node's part is made of. */
interface NodeParts {
  config: Config;
  node: NodePlugin;
  log: Logger;
}

/** Nothing is asked of the API before it is needed, so that a node without one serves all else. */
export function inlineVolumesOf(
  { nodeName, kubeCredentials: credentials }: Pick<NodeOptions, "nodeName" | "kubeCredentials">,
  { config: { ephemeral }, node, log }: NodeParts,
): { inline: InlineVolumes; close: () => void } {
  const namespace = Deno.env.get("POD_NAMESPACE") ?? "";
  let kube: Kube | undefined;
  const client = () => (kube ??= kubeOf({ credentials }, log)).client;
  const objects = !ephemeral.enable
    ? "ephemeral.enabled is off in the values of the chart"
    : !isDnsLabel(namespace)
    ? "this node plugin does not know its namespace in Kubernetes; set POD_NAMESPACE from the field " +
      "metadata.namespace of its pod"
    : new EphemeralObjects(client, namespace);
  const place = { namespace, name: ephemeral.chapSecret };
  const chap = () => readChapSecret(client(), place);
  const inline = new InlineVolumes({ node, nodeName, objects, chap, log });
  return { inline, close: () => kube?.close() };
}

/** What the leader's part is made of. */
interface LeaderParts {
  kube?: Kube;
  leader: Leader;
  service: Service;
  locks: KeyedLock;
  log: Logger;
}

/** Where nodes ask for them; undefined while they are not served. */
export function inlineObjectsOf(
  { leader }: ControllerOptions,
  { kube, service }: Pick<LeaderParts, "kube" | "service">,
): EphemeralObjects | undefined {
  if (!leader || !kube || service.config?.ephemeral.enable !== true) return undefined;
  return new EphemeralObjects(() => kube.client, leader.lease.namespace);
}

/** Undefined for a controller that has no Lease: nobody could ask it for such a volume. */
export function ephemeralLeaderOf(
  options: ControllerOptions,
  { kube, leader: { fence }, service, locks, log }: LeaderParts,
): EphemeralLeader | undefined {
  const { leader } = options;
  if (!leader || !kube) return undefined;
  const { client } = kube;
  return new EphemeralLeader({
    kube: client,
    objects: new EphemeralObjects(() => client, leader.lease.namespace),
    driver: DRIVER_NAME,
    maker: () => service.provisioner,
    locks,
    settings: () => {
      if (service.config) return service.config;
      throw new PsoError("unavailable", "this controller has no configuration yet");
    },
    fence,
    isOn: () => service.config?.ephemeral.enable === true,
    log,
  });
}
