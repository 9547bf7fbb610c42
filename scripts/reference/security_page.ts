import {
  ADMIN_CONNECTION_MS,
  ADMIN_CONNECTIONS_MAX,
  ADMIN_HEADER_BYTES_MAX,
} from "../../src/admin/server.ts";
import { type Limit, REST_LIMITS } from "../../src/arrays/rest/limits.ts";
import { CONFIG_LIMITS } from "../../src/config/model.ts";
import { PROBLEMS_MAX } from "../../src/config/problems.ts";
import { JUDGED_CHARS_MAX } from "../../src/config/secret_looks.ts";
import {
  CALLS_MAX,
  CONNECTION_CALLS_MAX,
  CONNECTIONS_MAX,
  MESSAGE_BYTES_MAX,
  MESSAGE_WAIT_MS,
} from "../../src/csi/call_limits.ts";
import { ABORT_MS, DRAIN_MS, FLUSH_MS } from "../../src/csi/endpoint.ts";
import { LIST_ITEMS_MAX } from "../../src/csi/request_check.ts";
import { CEILING_MS, STREAM_CEILING_MS } from "../../src/csi/serving.ts";
import { STREAMS_MAX } from "../../src/csi/snapshot_metadata_service.ts";
import { MESSAGE_BYTES } from "../../src/csi/status.ts";
import { FACT_CHARS_MAX } from "../../src/csi/call.ts";
import { KUBE_LIMITS } from "../../src/kube/limits.ts";
import { LOG_TEXT_CHARS_MAX } from "../../src/log.ts";
import { formatSize } from "../../src/size.ts";
import { table } from "./markdown.ts";

const FILE = new URL("../../docs/security.md", import.meta.url);
/** What stands after this line is generated. */
const MARK =
  "<!-- Generated from here on by scripts/reference/generate.ts: change the constants. -->\n";

const ADMIN: readonly Limit[] = [
  {
    what: "Connections at once, of the port and of `admin.sock` each",
    value: ADMIN_CONNECTIONS_MAX,
    unit: "connections",
    why: "Beyond that the one that has been idle longest is closed, so that a probe gets in.",
  },
  {
    what: "A connection, with its one request and its answer",
    value: ADMIN_CONNECTION_MS,
    unit: "ms",
    why: "Prometheus waits 10 s for an answer, kubelet less.",
  },
  {
    what: "The headers of a request",
    value: ADMIN_HEADER_BYTES_MAX,
    unit: "bytes",
    why: "A body is never read.",
  },
];

const CSI: readonly Limit[] = [
  {
    what: "Connections at once",
    value: CONNECTIONS_MAX,
    unit: "connections",
    why: "kubelet opens one for each call. Beyond that the one that has been idle longest is " +
      "closed.",
  },
  {
    what: "Calls at once on one connection",
    value: CONNECTION_CALLS_MAX,
    unit: "calls",
    why: "A sidecar makes 100 unless it is told otherwise. Others wait at the client.",
  },
  {
    what: "Calls at once in all",
    value: CALLS_MAX,
    unit: "calls",
    why: "Beyond that a call is UNAVAILABLE at once, and is made again.",
  },
  {
    what: "The wait for the message of a call",
    value: MESSAGE_WAIT_MS,
    unit: "ms",
    why: "A call without a message holds its place no longer.",
  },
  {
    what: "One message",
    value: MESSAGE_BYTES_MAX,
    unit: "bytes",
    why: "By the limits that CSI has for each field, which hold beside it, a request has some " +
      "20 KiB.",
  },
  {
    what: "Items of one list in a message",
    value: LIST_ITEMS_MAX,
    unit: "items",
    why: "A request names a few capabilities, and one topology for each zone.",
  },
  {
    what: "A call without a deadline of its own",
    value: CEILING_MS,
    unit: "ms",
    why: "Longer than any sidecar or kubelet waits.",
  },
  {
    what: "A stream without a deadline of its own",
    value: STREAM_CEILING_MS,
    unit: "ms",
    why: "A list of changed blocks that is cut is taken up where it was. The sidecar gives 10 " +
      "minutes.",
  },
  {
    what: "Calls at once on the socket of changed blocks",
    value: STREAMS_MAX,
    unit: "calls",
    why: "A backup reads few snapshots at once. Beyond that a call is UNAVAILABLE at once.",
  },
  {
    what: "Running calls after SIGTERM",
    value: DRAIN_MS + ABORT_MS + FLUSH_MS,
    unit: "ms",
    why: "kubelet kills the process after 30 seconds. One that is idle ends within 5.",
  },
];

const TEXTS: readonly Limit[] = [
  {
    what: "The message of a refused call",
    value: MESSAGE_BYTES,
    unit: "bytes",
    why: "Kubernetes refuses to store a longer one, and nobody would see it.",
  },
  {
    what: "An id or a name of a request in the log",
    value: FACT_CHARS_MAX,
    unit: "characters",
    why: "CSI allows 128 bytes, and 256 for a node's.",
  },
  {
    what: "Any text in the log",
    value: LOG_TEXT_CHARS_MAX,
    unit: "characters",
    why: "What is longer was not written by this program.",
  },
];

const CONFIG: readonly Limit[] = [
  {
    what: "A file, also one that the file names",
    value: CONFIG_LIMITS.fileBytes,
    unit: "bytes",
    why: "Kubernetes allows a Secret as much. It must be a plain file: no device, no pipe.",
  },
  {
    what: "Values in a file, each counted as often as aliases repeat it",
    value: CONFIG_LIMITS.fileValues,
    unit: "values",
    why: "YAML's aliases let ten lines stand for a billion.",
  },
  {
    what: "Mappings and lists inside each other",
    value: CONFIG_LIMITS.fileDepth,
    unit: "levels",
    why: "The chart needs far fewer.",
  },
  {
    what: "Arrays",
    value: CONFIG_LIMITS.arrays,
    unit: "arrays",
    why: "Each is asked for its health all the time.",
  },
  {
    what: "Labels of an array",
    value: CONFIG_LIMITS.labels,
    unit: "labels",
    why: "Placement compares them for each claim.",
  },
  {
    what: "The name of a label without its domain, and the value of a label",
    value: CONFIG_LIMITS.labelChars,
    unit: "characters",
    why: "Kubernetes allows no more, so that no node could match it.",
  },
  {
    what: "The domain before the name of a label",
    value: CONFIG_LIMITS.labelDomainChars,
    unit: "characters",
    why: "Kubernetes allows no more.",
  },
  {
    what: "The name of an array",
    value: CONFIG_LIMITS.nameChars,
    unit: "characters",
    why: "It stands in messages and metrics.",
  },
  {
    what: "An API token",
    value: CONFIG_LIMITS.tokenChars,
    unit: "characters",
    why: "An array's own has 38 at most.",
  },
  {
    what: "Any other text that the driver reads, and all texts of one list together",
    value: CONFIG_LIMITS.textChars,
    unit: "characters",
    why: "So long are export rules, options and addresses at most: CSI allows as much for all " +
      "parameters of a class together. `CACert` may be as large as a file.",
  },
  {
    what: "Blocks of addresses of one key",
    value: CONFIG_LIMITS.cidrs,
    unit: "blocks",
    why: "Each portal is compared with all of them.",
  },
  {
    what: "A text that is searched for secrets before a problem shows a part of it",
    value: JUDGED_CHARS_MAX,
    unit: "characters",
    why: "The rest is not shown. A problem shows 1,000 characters of a text at most.",
  },
  {
    what: "Problems that are told",
    value: PROBLEMS_MAX,
    unit: "problems",
    why: "The others are counted.",
  },
];

const KUBE: readonly Limit[] = [
  {
    what: "One call",
    value: KUBE_LIMITS.callMs,
    unit: "ms",
    why: "Half of the time in which a leader must have renewed its Lease.",
  },
  {
    what: "One answer, and one page of a list",
    value: KUBE_LIMITS.answerBytes,
    unit: "bytes",
    why: "A Lease has about 1 KiB, a Secret 2 MiB at most.",
  },
  {
    what: "One event of a watch",
    value: KUBE_LIMITS.eventBytes,
    unit: "bytes",
    why:
      "A Secret of 1 MiB has a third more in base64. A watch keeps nothing but the event that comes.",
  },
  {
    what: "Objects in one page of a list",
    value: KUBE_LIMITS.pageItems,
    unit: "objects",
    why: "What this program reads has one object, or a few.",
  },
  {
    what: "The same of lists of which it keeps a line for each object",
    value: KUBE_LIMITS.factItems,
    unit: "objects",
    why: "Fewer calls for thousands of volumes. After a list that failed pages are half as large.",
  },
  {
    what: "Pages of one list",
    value: KUBE_LIMITS.pages,
    unit: "pages",
    why: "A list that goes on is a fault of its server.",
  },
  {
    what: "One list, all of its pages together",
    value: KUBE_LIMITS.listMs,
    unit: "ms",
    why: "The API server keeps the state that the pages show for so long.",
  },
  {
    what: "Objects of one list that is kept whole",
    value: KUBE_LIMITS.listItems,
    unit: "objects",
    why: "As many as its pages have. A server may send more in each than it was asked for.",
  },
  {
    what: "The text of one list that is kept whole",
    value: KUBE_LIMITS.listBytes,
    unit: "bytes",
    why: "100,000 volumes have 2.5 KiB each. Lists are kept by `admin` alone, and of leases.",
  },
  {
    what: "One watch",
    value: KUBE_LIMITS.watchMs,
    unit: "ms",
    why: "Then it is begun anew where it was, so that a dead connection is noticed.",
  },
  {
    what: "The pause before a list or watch that failed is tried again",
    value: KUBE_LIMITS.backoffMs,
    unit: "ms",
    why: "It begins with a quarter of a second. A change is taken up within 10 s.",
  },
  {
    what: "The API server's own words in a message",
    value: KUBE_LIMITS.messageChars,
    unit: "characters",
    why: "They name the right that is missing.",
  },
  {
    what: "The text of an Event",
    value: KUBE_LIMITS.noteBytes,
    unit: "bytes",
    why: "The API server refuses a longer one.",
  },
  {
    what: "Calls for Events in a row",
    value: KUBE_LIMITS.eventBurst,
    unit: "calls",
    why: "After that one a minute. What is told meanwhile is counted.",
  },
  {
    what: "Different Events that are remembered",
    value: KUBE_LIMITS.events,
    unit: "Events",
    why: "A repetition is written into the Event that is there.",
  },
];

/** A limit as people write it: 4 MiB, 15 s, 1,000 items. */
function amount({ value, unit }: Limit): string {
  if (unit === "bytes") return formatSize(value);
  if (unit === "ms") return `${value / 1000} s`;
  return `${value.toLocaleString("en-US")} ${unit}`;
}

function section(title: string, limits: readonly Limit[]): string {
  const rows = limits.map((limit) => [limit.what, amount(limit), limit.why]);
  return `### ${title}\n\n${table(["What", "At most", "Why"], rows)}\n`;
}

/** The page docs/security.md: its text as it stands there, with the limits of the constants. */
export function securityPage(): string {
  const [prose = ""] = Deno.readTextFileSync(FILE).split(MARK);
  return prose + MARK + "\n" + [
    section("The admin port", ADMIN),
    section("The CSI socket", CSI),
    section("Messages and the log", TEXTS),
    section("Values files", CONFIG),
    section("The API of Kubernetes", KUBE),
    section("Answers of arrays", Object.values(REST_LIMITS)),
  ].join("\n");
}
