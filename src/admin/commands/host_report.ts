// What `admin check --node` tells of the host that it runs on.
import type { Config } from "../../config/model.ts";
import { type Finding, reportOf } from "../../host/check/finding.ts";
import { checkHost } from "../../host/check/host_check.ts";
import { createRun } from "../../host/tools/command.ts";
import type { Namespaces } from "../../host/host.ts";
import { silentLogger } from "../../log.ts";
import { type Protocol, protocolsOfSanType, REAL_FILE_PROTOCOLS } from "../../protocols.ts";
import type { ArrayLook } from "../check/array_look.ts";

/** The Date of an answer has whole seconds, and the answer was on its way. */
const CLOCK_TOLERANCE_MS = 5_000;

/** Where the host is seen from here. */
export interface HostPlace {
  root: string;
  namespaces: Namespaces;
  /** PATH of this process. */
  path?: string;
}

/** What the host is compared with. */
interface HostScope {
  /** Absent without a values file. */
  config?: Config;
  /** The arrays that were asked; none with --offline. */
  looks: readonly ArrayLook[];
}

/** What was found, and in words. */
export interface HostReport {
  findings: Finding[];
  text: string;
  /** Whether the host can do what the configuration asks for, or anything when it asks nothing. */
  isUsable: boolean;
}

/** Looks how this host is prepared; its clock is compared with those of the arrays that answered. */
export async function lookAtHost(
  { root, namespaces, path }: HostPlace,
  { config, looks }: HostScope,
): Promise<HostReport> {
  const run = createRun({ namespaces, hostRoot: root, log: silentLogger, path });
  const multipath = config?.flasharray.multipath ?? true;
  const found = await checkHost({ root, namespaces, run }, { multipath });
  const findings = [...found, ...looks.flatMap(clockFinding)];
  return { findings, ...reportOf(findings, config && wantedProtocols(config)) };
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
 * How far the clock of this host is from an array's, by the Date of its answer (RFC 9110 6.6.1);
 * none for an array that gave no answer.
 */
function clockFinding({ config, api }: ArrayLook): Finding[] {
  const { managementAddress: address } = config;
  const { aheadMs } = api ?? {};
  if (aheadMs === undefined) return [];
  if (Math.abs(aheadMs) <= CLOCK_TOLERANCE_MS) {
    const what = `the clock agrees with that of array ${address}`;
    return [{ area: "time", level: "ok", what }];
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
}
