import { wrapped } from "../words.ts";

/** The modes of the program. */
export const MODES = ["controller", "node", "admin", "simulate"] as const;
/** What one process of the program is; chosen by its first argument or --mode. */
export type Mode = (typeof MODES)[number];

/** One flag of a mode, as the help shows it. */
interface Flag {
  /** Without the dashes. One letter means `-x`. */
  name: string;
  /** What stands for its value in the help; left out: a switch without a value. */
  value?: string;
  meaning: string;
  repeat?: boolean;
}

const VALUES: Flag = {
  name: "f",
  value: "FILE",
  meaning: "values.yaml with the configuration; default: the mounted /etc/pure/pure.json and " +
    "/etc/config/appconfig.json",
};
const LOG_FORMAT: Flag = {
  name: "log-format",
  value: "FORMAT",
  meaning: "json or text (default json)",
};
const LOG: readonly Flag[] = [
  {
    name: "log-level",
    value: "LEVEL",
    meaning:
      "debug, info, warn or error (default: info, or debug when the configuration sets app.debug)",
  },
  LOG_FORMAT,
];
const ADMIN: Flag = {
  name: "admin",
  value: "HOST:PORT",
  meaning:
    "where /healthz, /readyz and /metrics are served (default 0.0.0.0:9808); with reasons on " +
    "admin.sock beside the CSI socket",
};
const ENDPOINT: Flag = {
  name: "endpoint",
  value: "unix:///PATH",
  meaning: "socket of the CSI calls (default: the variable CSI_ENDPOINT)",
};
const KUBE_CREDENTIALS: Flag = {
  name: "kube-credentials",
  value: "DIR",
  meaning: "folder with the token and ca.crt for the Kubernetes API (default " +
    "/var/run/secrets/kubernetes.io/serviceaccount)",
};
const GENERAL: readonly Flag[] = [
  { name: "help", meaning: "print this" },
  { name: "version", meaning: "print the version" },
];

/** Flags of each mode. `admin` has only the general ones: its verbs read their own. */
export const FLAGS: Readonly<Record<Mode, readonly Flag[]>> = {
  controller: [
    VALUES,
    ENDPOINT,
    {
      name: "snapshot-metadata-endpoint",
      value: "unix:///PATH",
      meaning:
        "socket of its own for the SnapshotMetadata service, which tells the changed blocks " +
        "of snapshots and changes nothing (default: none, the service is off)",
    },
    {
      name: "lease",
      value: "NAMESPACE/NAME",
      meaning: "the Lease that this controller must hold to change arrays; needs the variable " +
        "POD_NAME (default: none, this controller is alone)",
    },
    {
      name: "release",
      value: "NAMESPACE/NAME",
      meaning: "this installation; with --lease, a CSIDriver with the annotation " +
        "pso.purestorage.com/release of another one keeps this controller from leading",
    },
    {
      name: "kube-config-from",
      value: "NAMESPACE/KIND/NAME",
      meaning: "read the configuration from this object of Kubernetes and not from files: " +
        "secret with the arrays under pure.json, or configmap with the other keys under " +
        "appconfig.json; another key by /KEY behind the name (repeatable, one of each kind)",
      repeat: true,
    },
    KUBE_CREDENTIALS,
    ADMIN,
    ...LOG,
    ...GENERAL,
  ],
  node: [
    VALUES,
    ENDPOINT,
    {
      name: "node-name",
      value: "NAME",
      meaning: "this node in Kubernetes (default: the variable NODE_NAME, else the host name)",
    },
    {
      name: "state-dir",
      value: "DIR",
      meaning: "where a small record of each staged volume is kept (default /var/lib/pso)",
    },
    {
      name: "remove-empty",
      value: "DIR",
      meaning: "folder of the host that is removed at the end of this process when nothing is in " +
        "it (repeatable, in this order)",
      repeat: true,
    },
    {
      name: "host-root",
      value: "DIR",
      meaning: "where the root of the host is mounted (default /host)",
    },
    {
      name: "host-tools",
      value: "HOW",
      meaning:
        "run mount, mkfs and the like of the host by nsenter or chroot, or direct those beside " +
        "this program (default nsenter)",
    },
    {
      name: "tool-path",
      value: "DIR",
      meaning: "folder of the host in which its tools are looked for before the system's own " +
        "folders (repeatable)",
      repeat: true,
    },
    {
      name: "data-address",
      value: "IP",
      meaning:
        "address of this node in a storage network (repeatable; default: the addresses of the " +
        "host's own interfaces; where CSI has no room for all, those in " +
        "flasharray.iSCSIAllowedCIDR and the first others, whatever the routes to the arrays are)",
      repeat: true,
    },
    {
      name: "local-plane",
      value: "DIR",
      meaning: "folder of the simulated arrays' `local` data plane; without it the node refuses " +
        "that protocol",
    },
    KUBE_CREDENTIALS,
    {
      name: "check",
      meaning:
        "look how this host is prepared, print a line for each finding with its fix, and end",
    },
    ADMIN,
    ...LOG,
    ...GENERAL,
  ],
  simulate: [
    { name: "flasharrays", value: "N", meaning: "how many simulated FlashArrays (default 2)" },
    { name: "flashblades", value: "N", meaning: "how many simulated FlashBlades (default 1)" },
    {
      name: "state",
      value: "DIR",
      meaning:
        "keep everything in this folder, so that it outlives a restart (default: a temporary " +
        "folder, gone at the end)",
    },
    {
      name: "listen",
      value: "HOST:PORT",
      meaning: "address of the first array, the others follow; port 0 takes free ones (default " +
        "127.0.0.1:0)",
    },
    {
      name: "address-per-array",
      meaning: "give each array an IP address of its own, from that of --listen on, and all the " +
        "same port",
    },
    {
      name: "all-ports",
      meaning:
        "show ports of every sort of a FlashArray: NVMe/RoCE, NVMe/FC, IPv6 and a bond as well",
    },
    { name: "http", meaning: "serve the arrays without TLS" },
    {
      name: "credentials",
      value: "DIR",
      meaning: "folder with the files token, tls.crt and tls.key (with --http the token alone) " +
        "that every array gets; needs a port in --listen, and each array then has exactly the " +
        "next one (default: they are made at the first start)",
    },
    {
      name: "concurrency",
      value: "N",
      meaning: "calls at once per array, more get status 429 (default 16)",
    },
    { name: "latency", value: "MS", meaning: "milliseconds that each call takes (default 0)" },
    {
      name: "max-volumes",
      value: "N",
      meaning: "the most volumes or file systems of an array, destroyed ones too (default 20000)",
    },
    {
      name: "max-snapshots",
      value: "N",
      meaning: "the most snapshots of an array, destroyed ones too (default: as large arrays have)",
    },
    { name: "max-hosts", value: "N", meaning: "the most hosts of a FlashArray (default 2000)" },
    {
      name: "eradication-delay",
      value: "SECONDS",
      meaning: "time after which a destroyed object is eradicated (default 86400)",
    },
    {
      name: "safe-mode",
      meaning: "nobody can eradicate a destroyed object, only time does",
    },
    {
      name: "data-plane",
      value: "PLANE",
      meaning:
        "local (files that a node attaches on any Linux host) or kernel (LIO, nvmet, nfsd) " +
        "(default local)",
    },
    {
      name: "portal",
      value: "IP",
      meaning:
        "address of this host where the kernel plane serves (repeatable; default 127.0.0.1 and " +
        "127.0.0.2; NFS: the first)",
      repeat: true,
    },
    {
      name: "host-root",
      value: "DIR",
      meaning: "where the kernel plane finds the root of this host (default /host)",
    },
    {
      ...ADMIN,
      meaning:
        "where faults, requests and the clock are served, plain HTTP (default: a free port of " +
        "the --listen address)",
    },
    { name: "log-level", value: "LEVEL", meaning: "debug, info, warn or error (default info)" },
    LOG_FORMAT,
    ...GENERAL,
  ],
  admin: [...GENERAL],
};

const PURPOSE: Readonly<Record<Mode, { usage: string; text: string }>> = {
  controller: {
    usage: "pso-bin controller [flags]",
    text:
      "Serves the CSI controller calls: makes, connects, grows, copies and deletes volumes on " +
      "the arrays of the fleet.",
  },
  node: {
    usage: "pso-bin node [flags]",
    text: "Serves the CSI node calls on one host: attaches, formats and mounts volumes. Needs no " +
      "arrays and no API tokens.",
  },
  admin: {
    usage: "pso-bin admin VERB [arguments]",
    text:
      "Commands for administrators, for example `pso-bin admin check -f values.yaml`. `pso-bin " +
      "admin VERB --help` explains one.",
  },
  simulate: {
    usage: "pso-bin simulate [flags]",
    text:
      "Serves simulated FlashArrays and FlashBlades with a real data plane. Prints the path of " +
      "a fitting values.yaml, then `ready`.",
  },
};

/** A word of the command line and what it means, as one line of a help. */
export interface HelpLine {
  name: string;
  meaning: string;
}

/** Lines of a help have no more characters, but for a command that is longer. */
const COLUMNS_MAX = 100;
/** Narrower terminals break its lines. */
const COLUMNS_MIN = 60;
/** Where the meaning of a flag begins. */
const INDENT = 28;

/** How wide a help is on a terminal of that width, or on none. */
export function helpColumns(columns = COLUMNS_MAX): number {
  return Math.max(COLUMNS_MIN, Math.min(columns, COLUMNS_MAX));
}

function helpLine({ name, meaning }: HelpLine, columns: number): string {
  const beside = name.length < INDENT - 2 ? name.padEnd(INDENT - 3) : `${name}\n${" ".repeat(27)}`;
  return `  ${beside} ${wrapped(meaning, { columns, indent: INDENT })}`;
}

function flagLine({ name, value, meaning }: Flag, columns: number): string {
  return helpLine({ name: `${dashed(name)}${value ? ` ${value}` : ""}`, meaning }, columns);
}

/** The flag as it is typed. */
export function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

/** Every mode with its flags, for the completion of shells. */
export function modeWords(): { name: Mode; flags: readonly Flag[] }[] {
  return MODES.map((name) => ({ name, flags: FLAGS[name] }));
}

/** Help for one mode, or for the whole program, as wide as the terminal. Ends with a line break. */
export function helpText(mode?: Mode, terminal?: number): string {
  const columns = helpColumns(terminal);
  if (mode) {
    const flags = FLAGS[mode].map((flag) => flagLine(flag, columns)).join("\n");
    return `${wrapped(PURPOSE[mode].text, { columns, indent: 0 })}\n\nUsage: ${
      PURPOSE[mode].usage
    }\n\nFlags:\n${flags}\n${EXIT_CODES}`;
  }
  const indent = 15;
  const modes = MODES.map((one) =>
    `  ${one.padEnd(indent - 3)} ${wrapped(PURPOSE[one].text, { columns, indent })}`
  ).join("\n");
  return "Storage of Pure FlashArrays and FlashBlades for Kubernetes.\n\nUsage: pso-bin MODE " +
    `[flags], or pso-bin --mode=MODE [flags]\n\nModes:\n${modes}\n\n` +
    `\`pso-bin MODE --help\` lists the flags of a mode.\n${EXIT_CODES}`;
}

/** Help for the mode `admin`, whose verbs main.ts knows. Ends with a line break. */
export function adminHelp(verbs: readonly HelpLine[], terminal?: number): string {
  const lines = verbs.map((verb) => helpLine(verb, helpColumns(terminal)));
  return helpText("admin", terminal).replace(
    "\n\nFlags:",
    `\n\nVerbs:\n${lines.join("\n")}\n\nFlags:`,
  );
}

const EXIT_CODES = "\nExit codes: 0 right, 1 failed, 2 wrong use or configuration.\n";
