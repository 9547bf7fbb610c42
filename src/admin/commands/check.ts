import { parseArgs } from "@std/cli/parse-args";
import { proveRole } from "../../arrays/proofs.ts";
import { openArray } from "../../arrays/open.ts";
import { loadConfig } from "../../config/load.ts";
import type { ArrayConfig, Config } from "../../config/model.ts";
import { ConfigError, problemText } from "../../config/problems.ts";
import { messageOf, UsageError } from "../../errors.ts";
import { type Protocol, protocolsOfSanType, REAL_FILE_PROTOCOLS } from "../../protocols.ts";
import { type Finding, reportOf } from "../../host/check/finding.ts";
import { checkHost } from "../../host/check/host_check.ts";
import { NAMESPACES, type Namespaces } from "../../host/host.ts";
import { createRun } from "../../host/tools/command.ts";
import { HttpsClient } from "../../net/https.ts";
import { silentLogger } from "../../log.ts";
import { formatSize } from "../../size.ts";
import type { AdminContext } from "./context.ts";
import { listedTwice } from "./listed_twice.ts";

/** What `pso-bin admin check --help` prints. */
export const CHECK_HELP =
  `Checks a values file, every unknown key included, and asks each array that it names: certificate,
login, version, room, and whether the user's role lets it change anything. With --node also how this
host is prepared to attach volumes: tools, initiator names, services, multipath, udev, NFS, clock.

Usage: pso-bin admin check -f values.yaml [--offline]
       pso-bin admin check --node [-f values.yaml] [--host-root DIR] [--host-tools HOW]

Flags:
  -f FILE           values.yaml with the configuration; with --node it may be left out
  --offline         look at the file only, ask no array
  --node            check this host too; its clock against the arrays' when there are any
  --host-root DIR   where the root of the host is mounted (default /host)
  --host-tools HOW  run the host's tools by nsenter or chroot, or direct (default nsenter)
  --help            print this

This program reads /proc, /sys and /dev only below another folder than /. In a node's pod that is
/host. On a plain host make it first:
  mkdir -p /host && mount --rbind / /host && mount --make-rslave /host
and take it away with: umount -R /host

Prints one line per finding: OK, WARN or FAIL. For each array it prints the SHA-256 fingerprint of
the certificate that it presents, which \`CertFingerprint\` can pin after you compared it with the
array's own.
Exit codes: 0 nothing failed, 1 an array failed or the host cannot use what flasharray.sanType asks
for, 2 wrong use or configuration.
`;

const WAIT_MS = 30_000;
/** The Date of an answer has whole seconds, and the answer was on its way. */
const CLOCK_TOLERANCE_MS = 5_000;

interface Options {
  file?: string;
  offline: boolean;
  /** With --node. */
  host?: { root: string; namespaces: Namespaces };
}

function optionsOf(args: string[]): Options {
  const known = { string: ["f", "host-root", "host-tools"], boolean: ["offline", "node"] };
  const { _: words, f, offline, node, "host-root": root, "host-tools": tools, ...unknown } =
    parseArgs(args, known);
  const [strange] = [...Object.keys(unknown).map((name) => `--${name}`), ...words];
  if (strange !== undefined) {
    throw new UsageError(
      `Unknown argument ${strange} of admin check: see pso-bin admin check --help`,
    );
  }
  const file = typeof f === "string" && f !== "" ? f : undefined;
  if (file === undefined && node !== true) {
    throw new UsageError("admin check needs a values file: pso-bin admin check -f values.yaml");
  }
  const namespaces = NAMESPACES.find((one) => one === (tools ?? "nsenter"));
  if (namespaces === undefined) {
    throw new UsageError(
      `--host-tools is ${JSON.stringify(tools)}, wanted one of ${NAMESPACES.join(", ")}`,
    );
  }
  const host = node === true
    ? { root: typeof root === "string" && root !== "" ? root : "/host", namespaces }
    : undefined;
  return { file, offline: offline === true, host };
}

/** `pso-bin admin check`: changes nothing, anywhere. */
export async function check(args: string[], context: AdminContext): Promise<number> {
  const options = optionsOf(args);
  const { print } = context;
  try {
    const config = options.file === undefined ? undefined : await readConfig(options.file, context);
    const arrays = options.offline ? [] : config?.arrays ?? [];
    const results = await Promise.all(arrays.map(checkArray));
    for (const { lines } of results) print(lines.map((line) => `${line}\n`).join(""));
    const twice = listedTwice(results);
    print(twice.map((line) => `${line}\n`).join(""));
    const isHostRight = await checkThisHost(options, { config, arrays, context });
    return isHostRight && twice.length === 0 && results.every(({ ok }) => ok) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) {
      print(`${problem.severity === "error" ? "FAIL" : "WARN"} ${problemText(problem)}\n`);
    }
    return 2;
  }
}

async function readConfig(
  file: string,
  { print, readTextFile, env }: AdminContext,
): Promise<Config> {
  const { config, warnings } = await loadConfig({
    valuesFile: file,
    mode: "admin",
    strict: true,
    readTextFile,
    env,
  });
  for (const problem of warnings) print(`WARN ${problemText(problem)}\n`);
  print(
    `OK   ${file}: ${config.arrays.length} array${
      config.arrays.length === 1 ? "" : "s"
    }, volumes are named ${config.clusterId}-…\n`,
  );
  return config;
}

/** What the check of this host compares it with. */
interface HostCheck {
  /** Absent without a values file. */
  config?: Config;
  /** The arrays whose clocks are compared; none with --offline. */
  arrays: readonly ArrayConfig[];
  context: AdminContext;
}

/** True when nothing was asked of this host, or it can do what the values file asks for. */
async function checkThisHost(
  { host }: Options,
  { config, arrays, context }: HostCheck,
): Promise<boolean> {
  if (!host) return true;
  const run = createRun({
    namespaces: host.namespaces,
    hostRoot: host.root,
    log: silentLogger,
    path: context.env("PATH"),
  });
  const findings = await checkHost({ ...host, run }, {
    multipath: config?.flasharray.multipath ?? true,
  });
  const clocks = await Promise.all(arrays.map(clockFinding));
  const { text, isUsable } = reportOf(
    [...findings, ...clocks.flat()],
    config && wantedProtocols(config),
  );
  context.print(text);
  return isUsable;
}

/**
 * What the arrays of a values file ask of a node; `undefined` when that is nothing in particular.
 */
function wantedProtocols({ arrays, flasharray }: Config): Protocol[] | undefined {
  const block = arrays.some(({ kind }) => kind === "flasharray")
    ? protocolsOfSanType(flasharray.sanType) ?? []
    : [];
  const wanted: Protocol[] = arrays.some(({ kind }) => kind === "flashblade")
    ? [...block, ...REAL_FILE_PROTOCOLS]
    : block;
  return wanted.length > 0 ? wanted : undefined;
}

/**
 * How far the clock of this host is from an array's, by the Date of its answer (RFC 9110 6.6.1).
 * One that does not answer was told above.
 */
async function clockFinding(
  { scheme, managementAddress: address, tls }: ArrayConfig,
): Promise<Finding[]> {
  const client = new HttpsClient({ scheme, address, tls });
  try {
    const askedMs = Date.now();
    const { headers } = await client.fetch({
      method: "GET",
      path: "/api/api_version",
      signal: AbortSignal.timeout(WAIT_MS),
    });
    const aheadMs = (askedMs + Date.now()) / 2 - Date.parse(headers.date ?? "");
    if (Number.isNaN(aheadMs)) return [];
    if (Math.abs(aheadMs) <= CLOCK_TOLERANCE_MS) {
      return [{
        area: "time",
        level: "ok",
        what: `the clock agrees with that of array ${address}`,
      }];
    }
    const seconds = Math.round(Math.abs(aheadMs) / 1000);
    const what = `the clock of this host is ${seconds} s ${
      aheadMs > 0 ? "ahead of" : "behind"
    } that of array ${address}`;
    return [{
      area: "time",
      level: "warn",
      what,
      fix: "give host and array one time source (NTP)",
    }];
  } catch {
    return [];
  } finally {
    client.close();
  }
}

/** What was found out about one entry. */
interface ArrayResult {
  ok: boolean;
  /** As messages name the entry. */
  entry: string;
  /** The array's own id; absent when it did not answer. */
  id?: string;
  /** As `StorageArray.serverKey`. */
  key?: string;
  lines: string[];
}

async function checkArray(config: ArrayConfig): Promise<ArrayResult> {
  const { scheme, tls, managementAddress: address } = config;
  const open = openArray(config, { log: silentLogger });
  const lines: string[] = [];
  const entry = `${config.path} ${address}`;
  const signal = AbortSignal.timeout(WAIT_MS);
  const fingerprint = scheme === "https"
    ? await new HttpsClient({ address, tls }).presentedFingerprint()
    : undefined;
  if (fingerprint !== undefined) {
    lines.push(`     its certificate has the SHA-256 fingerprint ${fingerprint}`);
  }
  try {
    const { id, name, version, restVersion, capacityBytes, usedBytes, protocols } = await open.array
      .status(signal);
    const room = `${formatSize(usedBytes)} of ${formatSize(capacityBytes)} used`;
    const served = [...protocols].join(", ") || "no protocol";
    lines.unshift(
      `OK   ${entry}: ${name}, Purity ${version}, REST ${restVersion}, ${room}, ` +
        `serves ${served}`,
    );
    const refused = await proveRole(open.array, signal).then(() => undefined, messageOf);
    if (refused !== undefined) lines.push(`FAIL ${entry} may not be changed: ${refused}`);
    const key = await open.array.serverKey();
    return { ok: refused === undefined, entry, id, key, lines };
  } catch (error) {
    lines.unshift(`FAIL ${entry}: ${messageOf(error)}`);
    return { ok: false, entry, lines };
  } finally {
    await open.close();
  }
}
