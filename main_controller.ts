// `pso-bin controller`: its parts, and their order at the start and at the end.
import { configSource } from "./main_config.ts";
import { ephemeralLeaderOf, inlineObjectsOf } from "./main_ephemeral.ts";
import { clusterState, kubeOf } from "./main_kube.ts";
import { type Leader, leaderOf } from "./main_leader.ts";
import { Service } from "./main_service.ts";
import { startAdmin } from "./src/admin/server.ts";
import { KeyedLock } from "./src/async/keyed_lock.ts";
import { atMost } from "./src/async/wait.ts";
import type { ControllerOptions } from "./src/cli/cli.ts";
import { registerConfig } from "./src/metrics/config.ts";
import { controllerService } from "./src/csi/controller_service.ts";
import { type Endpoint, startEndpoint } from "./src/csi/endpoint.ts";
import { groupControllerService } from "./src/csi/group_controller_service.ts";
import { DRIVER_NAME, identityService } from "./src/csi/identity_service.ts";
import { snapshotMetadataService, STREAMS_MAX } from "./src/csi/snapshot_metadata_service.ts";
import { registerLeader } from "./src/kube/metrics.ts";
import { chosenLevel, createLogger, type Logger } from "./src/log.ts";
import { Metrics } from "./src/metrics/metrics.ts";
import { registerProcess } from "./src/metrics/process.ts";
import { giveUp, heldPermissions } from "./src/permissions.ts";
import { VERSION } from "./src/version.ts";

/** What the mode is given by the program around it. */
interface ControllerSurroundings {
  /** Resolves with the exit code when the process is asked to end. */
  terminated: () => Promise<number>;
  /** Sees to it that the process leaves no core file. */
  withoutCoreFiles: (log: Logger) => Promise<void>;
  /** How long what goes on beside the calls may take to end. */
  endMs: number;
}

/** The exit code of a controller that must end because another one leads. */
const LOST = 1;

/** Runs a controller until it is asked to end or loses its lease; gives the exit code. */
export async function runController(
  options: ControllerOptions,
  { terminated, withoutCoreFiles, endMs }: ControllerSurroundings,
): Promise<number> {
  let debug = false;
  const log = createLogger({
    level: () => chosenLevel(options.logLevel, { debug }),
    format: options.logFormat,
  });
  const kube = options.kube && kubeOf(options.kube, log);
  const source = configSource({ ...options, kube, credentials: options.kube?.credentials, log });
  const first = await source.first();
  debug = first?.config.debug ?? false;
  await withoutCoreFiles(log);
  const metrics = new Metrics();
  const locks = new KeyedLock();
  registerProcess(metrics, () => locks.size);
  registerConfig(metrics, () => source.isCurrent && service.isCurrent);
  const leader = leaderOf(options.leader, { kube, log, onLead: () => service.coolDown() });
  registerLeader(metrics, () => leader.fence.isOpen);
  const service: Service = new Service({
    leader,
    metrics,
    log,
    tell: (event) => kube?.tell(event),
    cluster: kube && clusterState(kube, {
      inline: () => inlineObjectsOf(options, { kube, service }),
      log,
    }),
  });
  if (first) service.take(first);
  const ended = Promise.race([terminated(), leader.lost.then(() => LOST)]);
  const topology = () => service.topology;
  const endpoint = await startEndpoint({
    endpoint: options.endpoint,
    driverName: DRIVER_NAME,
    methods: [
      ...identityService({
        version: VERSION,
        topology,
        isReady: (probe) => service.isReady(probe),
      }),
      ...controllerService({ provisioner: () => service.provisioner, topology }),
      ...groupControllerService(() => service.provisioner),
    ],
    log,
    metrics,
    locks,
  });
  const metadata = await serveSnapshotMetadata(options, { service, log, metrics });
  const admin = await startAdmin({
    listen: options.adminAddress,
    csiSocket: endpoint.path,
    mode: "controller",
    version: VERSION,
    ready: () => [...source.readiness(), ...service.readiness()],
    metrics: () => metrics.text(),
    permissions: heldPermissions,
    // What a standby remembers of placements is not what the next volume is placed by.
    placement: (question) =>
      leader.fence.isOpen && service.config
        ? service.provisioner.placementView(question)
        : undefined,
    log,
  });
  giveUp(["run", "write", "sys"]);
  service.start();
  const stop = new AbortController();
  const watching = source.watch(first, {
    onConfig: (loaded) => {
      service.take(loaded);
      debug = loaded.config.debug;
    },
    signal: stop.signal,
  });
  const making = ephemeralLeaderOf(options, { kube, leader, service, locks, log })?.run(
    stop.signal,
  );
  const code = await ended;
  await endCalls({ service, leader, endpoints: { endpoint, metadata }, stop, making, endMs });
  const closed = Promise.all([admin.stop(), watching, service.end().checks])
    .then(() => service.close());
  await atMost(endMs, closed);
  kube?.close();
  return code;
}

/** What the socket of changed blocks needs of the controller. */
interface SnapshotMetadataSetup {
  service: Service;
  log: Logger;
  metrics: Metrics;
}

/**
 * Serves changed blocks on a socket of their own, by leader and standby alike: nothing on it can
 * change an array. Undefined when the flag is not given.
 */
async function serveSnapshotMetadata(
  { snapshotMetadataEndpoint: endpoint }: ControllerOptions,
  { service, log, metrics }: SnapshotMetadataSetup,
): Promise<Endpoint | undefined> {
  if (endpoint === undefined) return undefined;
  return await startEndpoint({
    endpoint,
    driverName: DRIVER_NAME,
    methods: identityService({
      version: VERSION,
      topology: () => service.config?.topology.enable ?? false,
      isReady: () => true,
      hasSnapshotMetadata: true,
    }),
    streams: snapshotMetadataService(() => service.provisioner),
    log,
    metrics,
    // A stream that is cut is taken up where it was: none holds up the end of this process.
    drainMs: 0,
    limits: { calls: STREAMS_MAX },
  });
}

/** What a controller ends before it closes what it has open. */
interface EndingController extends Pick<ControllerSurroundings, "endMs"> {
  service: Service;
  leader: Leader;
  endpoints: { endpoint: Endpoint; metadata: Endpoint | undefined };
  /** Ends the watch of the configuration, and the making of ephemeral volumes. */
  stop: AbortController;
  /** Resolves when no ephemeral volume is made any more. */
  making?: Promise<void>;
}

/** The lease is renewed until the last call has ended, and given back after all else. */
async function endCalls(
  { service, leader, endpoints: { endpoint, metadata }, stop, making, endMs }: EndingController,
): Promise<void> {
  service.leave();
  await Promise.all([endpoint.stop(), metadata?.stop()]);
  stop.abort();
  const { led } = service.end();
  await atMost(endMs, Promise.all([led, making]).then(() => leader.giveBack()));
}
