// The program: reads its arguments, builds the objects of one mode and connects them. The only
// reader of Deno.args.
import { type Leader, leaderOf } from "./main_leader.ts";
import { runAdminVerb, VERB_LIST } from "./src/admin/commands/commands.ts";
import { startAdmin } from "./src/admin/server.ts";
import { ArrayClients } from "./src/arrays/clients.ts";
import { Fleet } from "./src/arrays/fleet.ts";
import { registerFleet } from "./src/arrays/fleet_metrics.ts";
import {
  type CommandLine,
  type ControllerOptions,
  type NodeOptions,
  parseCommandLine,
  type SimulateOptions,
} from "./src/cli/cli.ts";
import { adoptConfig, logWarnings } from "./src/config/adopt.ts";
import { loadConfig, type LoadedConfig } from "./src/config/load.ts";
import type { Config } from "./src/config/model.ts";
import { readPlainFile } from "./src/config/plain_file.ts";
import { ConfigError } from "./src/config/problems.ts";
import { watchConfig } from "./src/config/watch.ts";
import { Provisioner } from "./src/controller/provisioner.ts";
import { controllerService } from "./src/csi/controller_service.ts";
import { type Endpoint, startEndpoint } from "./src/csi/endpoint.ts";
import { DRIVER_NAME, identityService } from "./src/csi/identity_service.ts";
import { nodeService } from "./src/csi/node_service.ts";
import type { UnaryMethod } from "./src/csi/unary.ts";
import { isPsoError, messageOf, UsageError } from "./src/errors.ts";
import { protocolsOfSanType } from "./src/protocols.ts";
import { registerLeader } from "./src/kube/metrics.ts";
import { createRun } from "./src/host/tools/command.ts";
import { forbidCoreFiles } from "./src/host/tools/core_files.ts";
import { reportOf } from "./src/host/check/finding.ts";
import { checkHost } from "./src/host/check/host_check.ts";
import type { Host } from "./src/host/host.ts";
import { KeyedLock } from "./src/async/keyed_lock.ts";
import { atMost } from "./src/async/wait.ts";
import { chosenLevel, createLogger, type Level, type Logger } from "./src/log.ts";
import { Metrics } from "./src/metrics/metrics.ts";
import { registerHealth, registerStaged } from "./src/node/health/metrics.ts";
import { NodePlugin } from "./src/node/node_plugin.ts";
import { nodeReadiness } from "./src/node/readiness.ts";
import { giveUp, heldPermissions } from "./src/permissions.ts";
import { registerProcess } from "./src/metrics/process.ts";
import { simulate } from "./src/simulator/simulate.ts";
import { VERSION } from "./src/version.ts";

const RIGHT = 0, FAILED = 1, WRONG_USE = 2;
/** How often arrays are asked for their health and room while nothing else happens. */
const STATUS_INTERVAL_MS = 30_000;
/**
 * How long what goes on beside the calls may take to end: an array that hangs is not waited for at
 * its logout, nor a tool of a heal. With the 20 s of the endpoint it is less than kubelet's 30.
 */
const END_MS = 4_000;

/**
 * Resolves with the exit code at the first SIGTERM or SIGINT; a second one ends the program at once, as people who
 * press Ctrl-C twice expect.
 */
function terminated(): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = () => {
      if (asked) Deno.exit(FAILED);
      asked = true;
      resolve(RIGHT);
    };
    for (const name of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(name, onSignal);
  });
}

function configReader(
  options: { valuesFile?: string; mode: "controller" | "node" },
): () => Promise<LoadedConfig> {
  return () =>
    loadConfig({ ...options, readTextFile: readPlainFile, env: (name) => Deno.env.get(name) });
}

function loggerFor(
  options: { logLevel?: Level; logFormat: "json" | "text" },
  config: Config,
): Logger {
  const level = chosenLevel(options.logLevel, config);
  return createLogger({ level, format: options.logFormat });
}

/** What the calls of a controller stand on. */
interface ControllerParts {
  fleet: Fleet;
  provisioner: Provisioner;
  leader: Leader;
  /** storagetopology.enable, as it was at the start. */
  topology: boolean;
}

function controllerMethods(
  { fleet, provisioner, leader, topology }: ControllerParts,
): UnaryMethod[] {
  return [
    ...identityService({
      version: VERSION,
      topology,
      isReady: (probe) => leader.isReady(fleet, probe),
    }),
    ...controllerService({ provisioner: () => provisioner, topology }),
  ];
}

/** As forbidCoreFiles(), before the program serves. */
async function withoutCoreFiles(log: Logger): Promise<void> {
  const path = Deno.env.get("PATH");
  await forbidCoreFiles(createRun({ namespaces: "direct", hostRoot: "/", log, path }), log);
}

async function runController(options: ControllerOptions): Promise<number> {
  const read = configReader(options);
  const loaded = await read();
  let { config } = loaded;
  const { topology } = config;
  const log = loggerFor(options, config);
  await withoutCoreFiles(log);
  logWarnings(loaded, log);
  const metrics = new Metrics();
  const locks = new KeyedLock();
  registerProcess(metrics, () => locks.size);
  const stop = new AbortController();
  const leader = leaderOf(options.leader, {
    log,
    onLead: () => {
      provisioner.coolDown();
      void fleet.refresh(stop.signal);
    },
  });
  const { fence } = leader;
  registerLeader(metrics, () => fence.isOpen);
  const clients = new ArrayClients({ log, fence });
  const fleet = new Fleet(clients.take(config.arrays), { log, cluster: config.clusterId, fence });
  clients.onCall = registerFleet(metrics, fleet);
  const provisioner = new Provisioner({ fleet, options: () => config, log, fence });
  const ended = Promise.race([terminated(), leader.lost.then(() => FAILED)]);
  const endpoint = await startEndpoint({
    endpoint: options.endpoint,
    driverName: DRIVER_NAME,
    methods: controllerMethods({ fleet, provisioner, leader, topology: topology.enable }),
    log,
    metrics,
    locks,
  });
  const admin = await startAdmin({
    listen: options.adminAddress,
    csiSocket: endpoint.path,
    mode: "controller",
    version: VERSION,
    ready: () => leader.readiness(fleet),
    metrics: () => metrics.text(),
    permissions: heldPermissions,
    log,
  });
  giveUp(["run", "write", "sys"]);
  const leading = new AbortController();
  const led = leader.run(leading.signal);
  const background = [
    fleet.run(stop.signal, { intervalMs: STATUS_INTERVAL_MS }),
    watchConfig(loaded, {
      load: read,
      onConfig: (changed) => {
        config = adoptConfig({ current: config, changed }, log);
        fleet.replace(clients.take(config.arrays));
        log.info("configuration taken up", { arrays: config.arrays.length });
      },
      onProblem: (problem) =>
        log.error("configuration refused, the last good one stays", { problem }),
      signal: stop.signal,
    }),
  ];
  const code = await ended;
  await endController({ leader, leading, led, endpoint, stop });
  const closed = Promise.all([admin.stop(), ...background]).then(() => clients.close());
  await atMost(END_MS, closed);
  return code;
}

/** What a controller ends before it closes what it has open. */
interface EndingController {
  leader: Leader;
  /** Ends `led`, the renewing of the lease. */
  leading: AbortController;
  led: Promise<void>;
  endpoint: Endpoint;
  /** Ends what goes on beside the calls. */
  stop: AbortController;
}

/** The lease is renewed until the last call has ended, and given back after all else. */
async function endController(
  { leader, leading, led, endpoint, stop }: EndingController,
): Promise<void> {
  leader.leave();
  await endpoint.stop();
  stop.abort();
  leading.abort();
  await atMost(END_MS, led.then(() => leader.giveBack()));
}

/** What the two ways to run a node stand on. */
interface NodeStart {
  options: NodeOptions;
  config: Config;
  log: Logger;
}

async function runNode(options: NodeOptions): Promise<number> {
  const loaded = await configReader(options)();
  const { config } = loaded;
  const log = loggerFor(options, config);
  logWarnings(loaded, log);
  const run = createRun({
    namespaces: options.hostTools,
    hostRoot: options.hostRoot,
    log,
    path: Deno.env.get("PATH"),
    toolFolders: options.toolFolders,
  });
  const { hostRoot, hostTools, toolFolders } = options;
  const host: Host = { run, root: hostRoot, namespaces: hostTools, toolFolders };
  return await (options.check ? checkNode : serveNode)(host, { options, config, log });
}

/**
 * `node --check`: prints a line for each thing that was looked at. With a values file the result is
 * right when the protocol of that file works; without one, when any protocol works.
 */
async function checkNode(host: Host, { options, config }: NodeStart): Promise<number> {
  const { sanType, multipath } = config.flasharray;
  const wanted = options.valuesFile === undefined ? undefined : protocolsOfSanType(sanType);
  const findings = await checkHost(host, { multipath, stateDir: options.stateDir });
  const { text, isUsable } = reportOf(findings, wanted);
  print(text);
  return isUsable ? RIGHT : FAILED;
}

async function serveNode(host: Host, { options, config, log }: NodeStart): Promise<number> {
  await withoutCoreFiles(log);
  const metrics = new Metrics();
  const node = new NodePlugin({
    name: options.nodeName,
    host,
    stateDir: options.stateDir,
    localPlane: options.localPlane,
    dataAddresses: options.dataAddresses,
    flasharray: config.flasharray,
    maxVolumesPerNode: config.maxVolumesPerNode,
    log,
  });
  registerProcess(metrics, () => node.locksHeld);
  const countStaged = registerStaged(metrics, () => node.stagedVolumes());
  const ended = terminated();
  const methods = [
    ...identityService({
      version: VERSION,
      topology: config.topology.enable,
      isReady: () => true,
    }),
    ...nodeService(node),
  ];
  const endpoint = await startEndpoint({
    endpoint: options.endpoint,
    driverName: DRIVER_NAME,
    methods,
    log,
    metrics,
  });
  registerHealth(metrics, node.healer);
  const stop = new AbortController();
  const healing = node.healer.run(stop.signal);
  const admin = await startAdmin({
    listen: options.adminAddress,
    csiSocket: endpoint.path,
    mode: "node",
    version: VERSION,
    ready: () => nodeReadiness(node),
    metrics: async () => {
      await countStaged();
      return metrics.text();
    },
    permissions: heldPermissions,
    log,
  });
  giveUp(["sys"]);
  await ended;
  stop.abort();
  await Promise.all([endpoint.stop(), atMost(END_MS, healing)]);
  await admin.stop();
  return RIGHT;
}

async function runSimulate(options: SimulateOptions): Promise<void> {
  const log = createLogger({ level: options.logLevel ?? "info", format: options.logFormat });
  const stop = new AbortController();
  void terminated().then(() => stop.abort());
  const run = createRun({ namespaces: "direct", hostRoot: "/", log, path: Deno.env.get("PATH") });
  await simulate(options, { run, log, signal: stop.signal });
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

async function runMode(command: CommandLine): Promise<number> {
  switch (command.mode) {
    case "help":
    case "version":
      print(command.text);
      return RIGHT;
    case "controller":
      return await runController(command);
    case "node":
      return await runNode(command);
    case "simulate":
      await runSimulate(command);
      return RIGHT;
    case "admin":
      return await runAdminVerb(command.verb, command.args, {
        print,
        readTextFile: readPlainFile,
        env: (name) => Deno.env.get(name),
      });
  }
}

/**
 * The exit code. Faults of use and configuration are told in full; others in one line, with the
 * stack only for what we did not foresee.
 */
async function main(args: string[]): Promise<number> {
  const complain = (text: string) =>
    Deno.stderr.writeSync(new TextEncoder().encode(`pso-bin: ${text}\n`));
  try {
    return await runMode(
      parseCommandLine(args, {
        env: (name) => Deno.env.get(name),
        hostname: () => Deno.hostname(),
        version: VERSION,
        verbs: VERB_LIST,
      }),
    );
  } catch (error) {
    if (error instanceof UsageError || error instanceof ConfigError) {
      complain(error.message);
      return WRONG_USE;
    }
    complain(
      isPsoError(error) || !(error instanceof Error)
        ? messageOf(error)
        : error.stack ?? error.message,
    );
    return FAILED;
  }
}

if (import.meta.main) Deno.exit(await main([...Deno.args]));
