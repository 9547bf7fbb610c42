import type { Finding } from "./finding.ts";
import { type Host, listHostFolder, readHostText } from "../host.ts";

/** A file in an earlier folder replaces one of the same name in a later one (udev(7)). */
const FOLDERS = [
  "/etc/udev/rules.d",
  "/run/udev/rules.d",
  "/usr/local/lib/udev/rules.d",
  "/usr/lib/udev/rules.d",
  "/lib/udev/rules.d",
];

interface Rule {
  file: string;
  text: string;
}

/** All rules that udev uses, without comments, each on one line. */
async function readRules(host: Host): Promise<Rule[]> {
  const files = new Map<string, string>();
  for (const folder of FOLDERS) {
    for (const name of await listHostFolder(host, folder)) {
      if (name.endsWith(".rules") && !files.has(name)) files.set(name, `${folder}/${name}`);
    }
  }
  const rules = await Promise.all([...files.values()].map(async (file) => {
    const text = (await readHostText(host, file) ?? "").replaceAll(/\\\n/g, " ");
    return text.split("\n").filter((line) => !/^\s*(#|$)/.test(line)).map((line) => ({
      file,
      text: line,
    }));
  }));
  return rules.flat();
}

const PURE_FILE = "/etc/udev/rules.d/99-pure-storage.rules";
const UA_FILE = "/etc/udev/rules.d/90-scsi-ua.rules";

/** What rules should set on the disks of a FlashArray, and what happens otherwise. */
const QUEUE_RULES = [
  {
    pattern: /queue\/scheduler/,
    name: "queue/scheduler",
    why: "this host sorts I/O, which the array does better",
  },
  {
    pattern: /(device\/)?timeout/,
    name: "device/timeout",
    why: "a command fails before a controller has taken over (60 s)",
  },
];

/**
 * Findings on udev's rules: a `warn` for each rule that FlashArray volumes should have and do not,
 * and for a rule that scans for LUNs by itself, which brings removed disks back.
 */
export async function udevFindings(host: Host): Promise<Finding[]> {
  const rules = await readRules(host);
  const findings: Finding[] = [];
  const pure = rules.filter(({ text }) => /PURE|3624a937/i.test(text));
  const missing = QUEUE_RULES.filter(({ pattern }) => !pure.some(({ text }) => pattern.test(text)));
  for (const { name, why } of missing) {
    findings.push({
      area: "udev",
      level: "warn",
      what: `no rule sets ${name} of FlashArray disks: ${why}`,
      fix: `add ${PURE_FILE} (docs/host-preparation.md)`,
    });
  }
  if (missing.length === 0) {
    findings.push({ area: "udev", level: "ok", what: "rules set the queue of FlashArray disks" });
  }
  // Neither open-iscsi nor systemd has this rule. libstoragemgmt-udev has it, in one file with the
  // rule that scans.
  if (rules.some(({ text }) => /CAPACITY_DATA_HAS_CHANGED/.test(text) && /rescan/.test(text))) {
    findings.push({ area: "udev", level: "ok", what: "a rule reads a disk's new size" });
  } else {
    findings.push({
      area: "udev",
      level: "warn",
      what: "no rule reads a disk's new size (CAPACITY_DATA_HAS_CHANGED): this host sees that a " +
        "volume has grown only when Kubernetes expands it",
      fix: `add ${UA_FILE} (docs/host-preparation.md)`,
    });
  }
  for (
    const { file } of rules.filter(({ text }) =>
      /REPORTED_LUNS_DATA_HAS_CHANGED/.test(text) && /scan/i.test(text)
    )
  ) {
    findings.push({
      area: "udev",
      level: "warn",
      what: `${file} scans for LUNs by itself (REPORTED_LUNS_DATA_HAS_CHANGED): disks that the ` +
        "driver removed come back, and a LUN that is used again may show its old volume",
      fix: "put a file of that name without this rule into /etc/udev/rules.d",
    });
  }
  return findings;
}
