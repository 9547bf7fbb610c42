import { parseArgs } from "@std/cli/parse-args";
import { openArray } from "../../arrays/open.ts";
import { UsageError } from "../../cli.ts";
import { type ArrayConfig, loadConfig } from "../../config.ts";
import { ConfigError, problemText } from "../../config_problems.ts";
import { messageOf } from "../../errors.ts";
import { HttpsClient } from "../../https.ts";
import { silentLogger } from "../../log.ts";
import { formatSize } from "../../size.ts";
import type { AdminContext } from "./context.ts";

export const CHECK_HELP =
  `Checks a values file, every unknown key included, and asks each array that it names: certificate, login, version, room.

Usage: pso-bin admin check -f values.yaml [--offline]

Flags:
  -f FILE        values.yaml with the configuration
  --offline      look at the file only, ask no array
  --help         print this

Prints one line per finding: OK, WARN or FAIL. For each array it prints the SHA-256 fingerprint of the certificate that it presents,
which \`CertFingerprint\` can pin after you compared it with the array's own.
Exit codes: 0 nothing failed, 1 an array failed, 2 wrong use or configuration.
`;

const WAIT_MS = 30_000;

function optionsOf(args: string[]): { file: string; offline: boolean } {
  const { _: words, f, offline, ...unknown } = parseArgs(args, { string: ["f"], boolean: ["offline"] });
  const [strange] = [...Object.keys(unknown).map((name) => `--${name}`), ...words];
  if (strange !== undefined) throw new UsageError(`Unknown argument ${strange} of admin check: see pso-bin admin check --help`);
  if (typeof f !== "string" || f === "") throw new UsageError("admin check needs a values file: pso-bin admin check -f values.yaml");
  return { file: f, offline: offline === true };
}

/** `pso-bin admin check`: changes nothing, anywhere. */
export async function check(args: string[], context: AdminContext): Promise<number> {
  const { file, offline } = optionsOf(args);
  const { print } = context;
  try {
    const { readTextFile, env } = context;
    const { config, warnings } = await loadConfig({ valuesFile: file, mode: "admin", strict: true, readTextFile, env });
    for (const problem of warnings) print(`WARN ${problemText(problem)}\n`);
    print(`OK   ${file}: ${config.arrays.length} array${config.arrays.length === 1 ? "" : "s"}, volumes are named ${config.prefix}-…\n`);
    if (offline) return 0;
    const results = await Promise.all(config.arrays.map(checkArray));
    for (const { lines } of results) print(lines.map((line) => `${line}\n`).join(""));
    return results.every(({ ok }) => ok) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) print(`${problem.severity === "error" ? "FAIL" : "WARN"} ${problemText(problem)}\n`);
    return 2;
  }
}

async function checkArray(config: ArrayConfig): Promise<{ ok: boolean; lines: string[] }> {
  const { kind, scheme, token, tls, managementAddress: address } = config;
  const nfsEndpoint = config.kind === "flashblade" ? config.nfsEndpoint : undefined;
  const open = openArray({ kind, scheme, address, token: () => token, tls, label: config.name, nfsEndpoint }, { log: silentLogger });
  const lines: string[] = [];
  const signal = AbortSignal.timeout(WAIT_MS);
  const fingerprint = scheme === "https" ? await new HttpsClient({ address, tls }).presentedFingerprint() : undefined;
  if (fingerprint !== undefined) lines.push(`     its certificate has the SHA-256 fingerprint ${fingerprint}`);
  try {
    const { name, version, restVersion, capacityBytes, usedBytes, protocols } = await open.array.status(signal);
    const room = `${formatSize(usedBytes)} of ${formatSize(capacityBytes)} used`;
    lines.unshift(
      `OK   ${config.path} ${address}: ${name}, Purity ${version}, REST ${restVersion}, ${room}, serves ${
        [...protocols].join(", ") || "no protocol"
      }`,
    );
    return { ok: true, lines };
  } catch (error) {
    lines.unshift(`FAIL ${config.path} ${address}: ${messageOf(error)}`);
    return { ok: false, lines };
  } finally {
    await open.close();
  }
}
