import { type Finding, SCSI_PROTOCOLS } from "./finding.ts";

/**
 * One part of multipath's configuration: `defaults`, `blacklist`, `device` … (multipath.conf(5)).
 */
export interface ConfigSection {
  name: string;
  /** In order; a key may stand more than once in a blacklist. */
  settings: { key: string; value: string }[];
  sections: ConfigSection[];
}

/** Sections that lie in no other. */
const OUTER = [
  "defaults",
  "blacklist",
  "blacklist_exceptions",
  "devices",
  "overrides",
  "multipaths",
];

/**
 * Reads what `multipathd show config` prints; `undefined` for a text without a `defaults` section.
 * multipath-tools 0.9.4 omits the closing brace of a blacklist's `device` that names no product.
 * Such a section ends where the next `device` or an outer section begins.
 */
export function parseMultipathConfig(text: string): ConfigSection | undefined {
  const root: ConfigSection = { name: "", settings: [], sections: [] };
  let open: ConfigSection[] = [];
  for (const line of text.split("\n")) {
    const opening = /^(\w+)\s*\{$/.exec(line.trim())?.[1];
    const [, key, value] = /^(\w+)\s+(.*)$/s.exec(line.trimStart()) ?? [];
    if (opening !== undefined) {
      if (OUTER.includes(opening)) open = [];
      if (opening === "device" && open.at(-1)?.name === "device") open.pop();
      const begun: ConfigSection = { name: opening, settings: [], sections: [] };
      (open.at(-1) ?? root).sections.push(begun);
      open.push(begun);
    } else if (line.trim() === "}") open.pop();
    else if (key !== undefined && value !== undefined) {
      open.at(-1)?.settings.push({ key, value: value.trimEnd().replace(/^"(.*)"$/, "$1") });
    }
  }
  return root.sections.some(({ name }) => name === "defaults") ? root : undefined;
}

function section(config: ConfigSection, name: string): ConfigSection | undefined {
  return config.sections.find((one) => one.name === name);
}

function settingOf(config: ConfigSection, key: string): string | undefined {
  return config.settings.findLast((one) => one.key === key)?.value;
}

/**
 * True when multipath's regular expression matches: anywhere in the text, and with a `!` before it
 * when the rest does not match. An expression that JavaScript cannot read matches nothing.
 */
function hits(pattern: string, text: string): boolean {
  const isInverted = pattern.startsWith("!");
  try {
    return new RegExp(isInverted ? pattern.slice(1) : pattern).test(text) !== isInverted;
  } catch {
    return false;
  }
}

const VENDOR = "PURE";
const PRODUCT = "FlashArray";

function isForUs(device: ConfigSection): boolean {
  const vendor = settingOf(device, "vendor");
  const product = settingOf(device, "product");
  return vendor !== undefined && hits(vendor, VENDOR) &&
    (product === undefined || hits(product, PRODUCT));
}

/**
 * The settings that multipathd uses for FlashArray volumes, by key. `overrides` win over the
 * `device` entries that fit, a later entry over an earlier one, and both over `defaults`
 * (multipath.conf(5); libmultipath searches its table from the end).
 */
export function effectiveSettings(config: ConfigSection): Map<string, string> {
  const devices = (section(config, "devices")?.sections ?? []).filter((one) =>
    one.name === "device" && isForUs(one)
  );
  const layers = [section(config, "defaults"), ...devices, section(config, "overrides")];
  return new Map(
    layers.flatMap((layer) =>
      layer?.settings.map(({ key, value }): [string, string] => [key, value]) ?? []
    ),
  );
}

/**
 * Names that paths of a volume may get. A blacklist rule that hits all of them is meant for every
 * disk; one that is meant for the host's own disk hits one of them at most.
 */
const DEVNODES = ["sdb", "sdk", "sdz", "sdab", "sdca"];
const WWIDS = ["3624a93700123456789abcdef00011010", "3624a9370fedcba987654321000012abc"];

type Kind = "devnode" | "device" | "protocol" | "wwid";
/**
 * In the order in which libmultipath looks at them (filter_path() in blacklist.c). Rules by udev
 * property are left out: every FlashArray path has the property ID_WWN that they ask for.
 */
const KINDS: Kind[] = ["devnode", "device", "protocol", "wwid"];

/** The rules of one kind that hit every FlashArray path. */
function rulesThatHit(list: ConfigSection | undefined, kind: Kind): string[] {
  if (!list) return [];
  if (kind === "device") {
    return list.sections.filter((one) => one.name === "device" && isForUs(one)).map((one) =>
      `device { ${one.settings.map(({ key, value }) => `${key} "${value}"`).join(" ")} }`
    );
  }
  const samples = { devnode: DEVNODES, wwid: WWIDS, protocol: ["scsi:iscsi", "scsi:fcp"] }[kind];
  const rules = list.settings.filter((one) =>
    one.key === kind && samples.every((sample) => hits(one.value, sample))
  );
  return rules.map(({ value }) => `${kind} "${value}"`);
}

/**
 * A `fail` when the blacklist makes multipathd ignore every FlashArray volume, so that none can be
 * attached; nothing otherwise. An exception of the same kind wins over a rule.
 */
export function blacklistFindings(config: ConfigSection): Finding[] {
  for (const kind of KINDS) {
    const [rule] = rulesThatHit(section(config, "blacklist"), kind);
    if (
      rule === undefined || rulesThatHit(section(config, "blacklist_exceptions"), kind).length > 0
    ) continue;
    return [{
      area: "multipath",
      level: "fail",
      what: `the blacklist of multipathd hits every FlashArray volume by ${rule}`,
      fix: `remove that rule from multipath.conf, or add ${
        EXCEPTIONS[kind]
      } to blacklist_exceptions, then run multipathd reconfigure`,
      blocks: SCSI_PROTOCOLS,
    }];
  }
  return [];
}

const EXCEPTIONS: Record<Kind, string> = {
  devnode: 'devnode "^sd"',
  device: `device { vendor "${VENDOR}" product "${PRODUCT}" }`,
  protocol: 'protocol "scsi:(iscsi|fcp)"',
  wwid: 'wwid "^3624a9370"',
};

/** A setting of multipath that matters for FlashArray volumes. */
interface WantedSetting {
  key: string;
  isGood: (value: string) => boolean;
  /** The value to recommend. */
  wanted: string;
  /** What happens with a value that is not good. */
  why: string;
}

const is = (...values: string[]) => (value: string) => values.includes(value);
const atMost = (limit: number) => (value: string) => Number(value) <= limit;

/**
 * The vendor's values (Pure Storage, "Linux Recommended Settings") and what this driver needs
 * besides. docs/host-preparation.md shows this table.
 */
export const WANTED_SETTINGS: WantedSetting[] = [
  {
    key: "path_grouping_policy",
    isGood: is("group_by_prio"),
    wanted: "group_by_prio",
    why: "paths of the wrong controller carry I/O",
  },
  {
    key: "prio",
    isGood: is("alua", "sysfs"),
    wanted: "alua",
    why: "the paths that the array prefers are not known",
  },
  {
    key: "hardware_handler",
    isGood: is("1 alua"),
    wanted: "1 alua",
    why: "a change of the preferred controller is not followed",
  },
  {
    key: "path_checker",
    isGood: is("tur"),
    wanted: "tur",
    why: "paths to a controller that restarts are taken for failed or for good at the wrong time",
  },
  {
    key: "failback",
    isGood: is("immediate"),
    wanted: "immediate",
    why: "after a fault I/O stays on the slower paths",
  },
  {
    key: "detect_prio",
    isGood: is("no"),
    wanted: "no",
    why: "the vendor found that it hurts while the array is upgraded",
  },
  {
    key: "fast_io_fail_tmo",
    isGood: atMost(30),
    wanted: "10",
    why: "I/O on a lost path waits that long before another path takes it",
  },
  {
    key: "no_path_retry",
    isGood: (value) => value !== "queue",
    wanted: "0",
    why: "a volume that lost all paths makes its processes hang for ever, and the node with them",
  },
  {
    key: "features",
    isGood: (value) => !value.includes("queue_if_no_path"),
    wanted: "0",
    why: "a volume that lost all paths makes its processes hang for ever, and the node with them",
  },
  {
    key: "user_friendly_names",
    isGood: is("no"),
    wanted: "no",
    why: "a map is then called mpathX, which another volume may get after a reboot; the WWID stays",
  },
  {
    key: "find_multipaths",
    isGood: (value) => value !== "strict",
    wanted: "no",
    why: "multipathd makes no map of a volume that this host has never seen",
  },
  {
    key: "polling_interval",
    isGood: atMost(10),
    wanted: "10",
    why: "a lost path is noticed, and a good one used again, that much later",
  },
  {
    key: "skip_kpartx",
    isGood: is("yes"),
    wanted: "yes",
    why: "partitions in a pod's raw volume become devices of this host and keep the volume busy",
  },
];

/** A `warn` for each setting of WANTED_SETTINGS that is not good, or one `ok` when all are. */
export function settingFindings(config: ConfigSection): Finding[] {
  const settings = effectiveSettings(config);
  const wrong = WANTED_SETTINGS.flatMap(({ key, isGood, wanted, why }): Finding[] => {
    const value = settings.get(key);
    if (value === undefined || isGood(value)) return [];
    return [{
      area: "multipath",
      level: "warn",
      what: `${key} is ${value || "empty"} for FlashArray volumes: ${why}`,
      fix: `set ${key} ${/\s/.test(wanted) ? `"${wanted}"` : wanted} for them in multipath.conf`,
    }];
  });
  if (wrong.length > 0) return wrong;
  return [{
    area: "multipath",
    level: "ok",
    what: "multipathd's settings for FlashArray volumes are as recommended",
  }];
}
