import { messageOf } from "../errors.ts";
import { type Protocol, PROTOCOL_FACTS, PROTOCOLS, REAL_PROTOCOLS } from "../protocols.ts";

/** What a finding is about; the report is in this order. */
export const AREAS = [
  "host",
  "iscsi",
  "fc",
  "multipath",
  "nvme",
  "nfs",
  "file systems",
  "udev",
  "time",
] as const;
export type Area = (typeof AREAS)[number];

/** One thing that was looked at on a host. */
export interface Finding {
  area: Area;
  level: "ok" | "warn" | "fail";
  /** What is there, and why it matters when it is not right. */
  what: string;
  /** What to do about it. */
  fix?: string;
  /**
   * Protocols that cannot be used while this is so. With `warn` that is no fault of the host: it
   * just has no such hardware.
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

/** A finding in one line, without its level. */
export function textOf({ what, fix }: Finding): string {
  return fix === undefined ? what : `${what}; ${fix}`;
}

/** Why each protocol cannot be used; those that can are left out. */
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
 * What a check found; a check that throws, because a tool hangs or a file cannot be read, is a
 * finding itself.
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

/** A report for people and scripts, and whether this host will do. */
export interface HostReport {
  text: string;
  isUsable: boolean;
}

const LEVELS = { ok: "OK  ", warn: "WARN", fail: "FAIL" } as const;

/**
 * One line per finding, by area, and a line that sums up. With `wanted` the host must be able to
 * use those protocols, and whatever blocks one is a FAIL; without it, one that works is enough.
 */
export function reportOf(findings: Finding[], wanted?: readonly Protocol[]): HostReport {
  const judged = findings.map((finding) => wanted ? judge(finding, wanted) : finding);
  const sorted = AREAS.flatMap((area) => judged.filter((finding) => finding.area === area));
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

/** What nobody asked for is no FAIL, what blocks something that was asked for is one. */
function judge(finding: Finding, wanted: readonly Protocol[]): Finding {
  if (finding.blocks === undefined || finding.level === "ok") return finding;
  return {
    ...finding,
    level: finding.blocks.some((protocol) => wanted.includes(protocol)) ? "fail" : "warn",
  };
}
