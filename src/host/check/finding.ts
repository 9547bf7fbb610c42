import { messageOf } from "../../errors.ts";
import {
  type Protocol,
  PROTOCOL_FACTS,
  type ProtocolArea,
  PROTOCOLS,
  REAL_PROTOCOLS,
} from "../../protocols.ts";

/** What a finding can be about beside a protocol, in the order of the report. */
const OTHER_AREAS = ["multipath", "file systems", "udev", "time"] as const;
/** What a finding is about. */
export type Area = "host" | ProtocolArea | (typeof OTHER_AREAS)[number];

/** What a finding can be about, in the order of the report. */
const AREAS: ReadonlySet<Area> = new Set<Area>([
  "host",
  ...PROTOCOLS.map((protocol) => PROTOCOL_FACTS[protocol].area),
  ...OTHER_AREAS,
]);

/** What of the configuration decides which findings count. */
export interface PathSettings {
  /** flasharray.multipath */
  multipath: boolean;
}

/** The result of one look at a host. */
export interface Finding {
  area: Area;
  level: "ok" | "warn" | "fail";
  /** What was found, and what follows from it when it is not right. */
  what: string;
  /** What to do about it. */
  fix?: string;
  /**
   * Protocols that cannot be used while this is so. With `warn` it is no fault: the host just has
   * no such hardware.
   */
  blocks?: readonly Protocol[];
}

/** Protocols that end in an NVMe namespace: nvme-cli and native multipath serve them. */
export const NVME_PROTOCOLS: readonly Protocol[] = PROTOCOLS.filter((protocol) =>
  PROTOCOL_FACTS[protocol].device === "nvme"
);
/** Protocols that end in a SCSI disk: multipathd serves them. */
export const SCSI_PROTOCOLS: readonly Protocol[] = PROTOCOLS.filter((protocol) =>
  PROTOCOL_FACTS[protocol].device === "scsi"
);

/** A finding as one line, the fix after a semicolon, without its level. */
export function textOf({ what, fix }: Finding): string {
  return fix === undefined ? what : `${what}; ${fix}`;
}

/** The reason why a protocol cannot be used, for each protocol that findings block. */
export function blockReasons(findings: Finding[]): Partial<Record<Protocol, string>> {
  const reasons: Partial<Record<Protocol, string>> = {};
  for (const finding of findings) {
    for (const protocol of finding.blocks ?? []) {
      const before = reasons[protocol];
      reasons[protocol] = before === undefined ? textOf(finding) : `${before}; ${textOf(finding)}`;
    }
  }
  return reasons;
}

/**
 * The findings of a check. A check that throws, because a tool hangs or a file cannot be read, is a
 * `fail` with that reason, so that the other checks still report.
 */
export async function guarded(
  check: { area: Area; blocks?: readonly Protocol[] },
  work: () => Promise<Finding[]>,
): Promise<Finding[]> {
  try {
    return await work();
  } catch (error) {
    return [{ ...check, level: "fail", what: messageOf(error) }];
  }
}

interface HostReport {
  text: string;
  isUsable: boolean;
}

const LEVELS = { ok: "OK  ", warn: "WARN", fail: "FAIL" } as const;

/**
 * A report with one line for each finding, by area, and a last line that sums up. With `wanted` the
 * host is usable when all those protocols are, and whatever blocks one of them is a FAIL; without
 * it, one usable protocol is enough.
 */
export function reportOf(findings: Finding[], wanted?: readonly Protocol[]): HostReport {
  const judged = findings.map((finding) => wanted ? judge(finding, wanted) : finding);
  const sorted = [...AREAS].flatMap((area) => judged.filter((finding) => finding.area === area));
  const lines = sorted.map((finding) =>
    `${LEVELS[finding.level]} ${finding.area}: ${textOf(finding)}`
  );
  const reasons = blockReasons(findings);
  const usable = REAL_PROTOCOLS.filter((protocol) => reasons[protocol] === undefined);
  const blocked = REAL_PROTOCOLS.filter((protocol) => reasons[protocol] !== undefined);
  const count = (level: Finding["level"]) =>
    judged.filter((finding) => finding.level === level).length;
  lines.push(
    `${count("fail")} FAIL, ${count("warn")} WARN, ${count("ok")} OK; usable: ${
      usable.join(", ") || "nothing"
    }; ` +
      `not usable: ${blocked.join(", ") || "nothing"}`,
  );
  const isUsable = wanted
    ? wanted.every((protocol) => reasons[protocol] === undefined)
    : usable.length > 0;
  return { text: lines.map((line) => `${line}\n`).join(""), isUsable };
}

/** FAIL for a finding that blocks a wanted protocol, WARN for one that blocks only others. */
function judge(finding: Finding, wanted: readonly Protocol[]): Finding {
  if (finding.blocks === undefined || finding.level === "ok") return finding;
  return {
    ...finding,
    level: finding.blocks.some((protocol) => wanted.includes(protocol)) ? "fail" : "warn",
  };
}
