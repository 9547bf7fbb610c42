// The program: reads its arguments, builds the objects of one mode and connects them. The only
// reader of Deno.args.
import { adminContext } from "./main_admin.ts";
import { runController } from "./main_controller.ts";
import { inlineVolumesOf } from "./main_ephemeral.ts";
import { nodeTopologyOf } from "./main_kube.ts";
import { runAdminVerb, VERB_LIST } from "./src/admin/commands/commands.ts";
import { startAdmin } from "./src/admin/server.ts";
import {
  type CommandLine,
  type NodeOptions,
  parseCommandLine,
  type SimulateOptions,
} from "./src/cli/cli.ts";
import { columnsOf, writeAll } from "./src/cli/output.ts";
import { logWarnings } from "./src/config/adopt.ts";
import { loadConfig } from "./src/config/load.ts";
import type { Config } from "./src/config/model.ts";
import { readPlainFile } from "./src/config/plain_file.ts";
import { ConfigError } from "./src/config/problems.ts";
import { startEndpoint } from "./src/csi/endpoint.ts";
import { DRIVER_NAME, identityService } from "./src/csi/identity_service.ts";
import { nodeService } from "./src/csi/node_service.ts";
import { isPsoError, messageOf, UsageError } from "./src/errors.ts";
import { protocolsOfSanType } from "./src/protocols.ts";
import { registerNodeTopology } from "./src/kube/metrics.ts";
import { createRun } from "./src/host/tools/command.ts";
import { forbidCoreFiles } from "./src/host/tools/core_files.ts";
import { reportOf } from "./src/host/check/finding.ts";
import { checkHost } from "./src/host/check/host_check.ts";
import { removeEmptyFolders } from "./src/host/empty_folder.ts";
import type { Host } from "./src/host/host.ts";
import { atMost } from "./src/async/wait.ts";
import { chosenLevel, createLogger, type Logger } from "./src/log.ts";
import { Metrics } from "./src/metrics/metrics.ts";
import { registerHealth, registerStaged } from "./src/node/health/metrics.ts";
import { NodePlugin } from "./src/node/node_plugin.ts";
import { nodeReadiness } from "./src/node/readiness.ts";
import { giveUp, heldPermissions } from "./src/permissions.ts";
import { registerProcess } from "./src/metrics/process.ts";
import { simulate } from "./src/simulator/simulate.ts";
import { VERSION } from "./src/version.ts";

const RIGHT = 0, FAILED = 1, WRONG_USE = 2;
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

/** As forbidCoreFiles(), before the program serves. */
async function withoutCoreFiles(log: Logger): Promise<void> {
  const path = Deno.env.get("PATH");
  await forbidCoreFiles(createRun({ namespaces: "direct", hostRoot: "/", log, path }), log);
}

/** What the two ways to run a node stand on. */
interface NodeStart {
  options: NodeOptions;
  config: Config;
  log: Logger;
}

async function runNode(options: NodeOptions): Promise<number> {
  const loaded = await loadConfig({
    valuesFile: options.valuesFile,
    mode: "node",
    readTextFile: readPlainFile,
    env: (name) => Deno.env.get(name),
  });
  const { config } = loaded;
  const level = chosenLevel(options.logLevel, config);
  const log = createLogger({ level, format: options.logFormat });
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
  const place = nodeTopologyOf(options, config, log);
  const node = new NodePlugin({
    name: options.nodeName,
    host,
    stateDir: options.stateDir,
    localPlane: options.localPlane,
    dataAddresses: options.dataAddresses,
    flasharray: config.flasharray,
    maxVolumesPerNode: config.maxVolumesPerNode,
    segments: place && (() => place.topology.segments()),
    log,
  });
  const { inline, close } = inlineVolumesOf(options, { config, node, log });
  registerProcess(metrics, () => node.locksHeld);
  const countStaged = registerStaged(metrics, () => node.stagedVolumes());
  const ended = terminated();
  const methods = [
    ...identityService({
      version: VERSION,
      topology: () => config.topology.enable,
      isReady: () => true,
    }),
    ...nodeService(node, inline),
  ];
  const endpoint = await startEndpoint({
    endpoint: options.endpoint,
    driverName: DRIVER_NAME,
    methods,
    log,
    metrics,
  });
  registerHealth(metrics, node.healer);
  registerNodeTopology(metrics, () => place?.topology.missingKeys.length ?? 0);
  const stop = new AbortController();
  const { signal } = stop;
  const background = Promise.all([
    node.healer.run(signal),
    inline.run(signal),
    place?.topology.run(signal),
  ]);
  const admin = await startAdmin({
    listen: options.adminAddress,
    csiSocket: endpoint.path,
    mode: "node",
    version: VERSION,
    ready: async () => [...await nodeReadiness(node), ...place?.topology.readiness() ?? []],
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
  await Promise.all([endpoint.stop(), atMost(END_MS, background)]);
  await admin.stop();
  place?.close();
  close();
  await removeEmptyFolders(host, { folders: options.removeEmpty, log });
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
  writeAll(Deno.stdout, text);
}

async function runMode(command: CommandLine): Promise<number> {
  switch (command.mode) {
    case "help":
    case "version":
      print(command.text);
      return RIGHT;
    case "controller":
      return await runController(command, { terminated, withoutCoreFiles, endMs: END_MS });
    case "node":
      return await runNode(command);
    case "simulate":
      await runSimulate(command);
      return RIGHT;
    case "admin":
      return await runAdminVerb(command.verb, command.args, adminContext());
  }
}

/**
 * The exit code. Faults of use and configuration are told in full; others in one line, with the
 * stack only for what we did not foresee.
 */
async function main(args: string[]): Promise<number> {
  const complain = (text: string) => {
    try {
      writeAll(Deno.stderr, `pso-bin: ${text}\n`);
    } catch { /* The exit code still tells. */ }
  };
  try {
    return await runMode(
      parseCommandLine(args, {
        env: (name) => Deno.env.get(name),
        hostname: () => Deno.hostname(),
        version: VERSION,
        verbs: VERB_LIST,
        columns: columnsOf(),
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
