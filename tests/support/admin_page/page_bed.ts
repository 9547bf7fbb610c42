/** What the outputs of docs/admin.md are printed from: one fleet and one cluster for all of them. */
import { TestClient } from "../../../src/simulator/fixture_test.ts";
import type { ServedFleet } from "../../../src/simulator/simulate.ts";
import type { FakeCluster } from "../fake_cluster.ts";

/** Two FlashArrays and a FlashBlade, and the cluster whose volumes they have. */
export interface PageBed {
  fleet: ServedFleet;
  cluster: FakeCluster;
}

/** A command as a reader types it, and what it meets. */
export interface Scene {
  /** As the mark on the page names it. */
  name: string;
  line: string;
  files?: Record<string, string>;
  /** What stands elsewhere on the page and is left out. */
  drop?: RegExp;
  /** What a person types at the questions, in turn; absent: nobody is there. */
  answers?: string[];
  /** Folders of the line and where they are here: `pso-backup` → `/tmp/…`. */
  folders?: Record<string, string>;
  /** How much later it is for the command. */
  laterMs?: number;
  /** Makes what later scenes meet, too, but for faults of arrays. */
  before?: () => Promise<void>;
}

/** Commands that meet a bed of their own, and what ends that. */
export interface PageScenes {
  scenes: Scene[];
  stop: () => Promise<void>;
}

type Entry = ServedFleet["arrays"][number];

/** The volume whose name has this digit. */
export const volume = (digit: string) => `k8s-pvc-${digit.repeat(8)}-1b2c-4d3e-8f4a-5b6c7d8e9f00`;

/** Where nothing listens; the page has another address there. */
export const NOBODY = "127.0.0.1:1";

/** How a values file lists an array. */
export function entryOf(
  { address, token, ca }: Entry,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return { MgmtEndPoint: address, APIToken: token, CACert: ca, ...more };
}

/** A Secret has the certificate itself. */
export async function secretEntryOf(array: Entry): Promise<Record<string, unknown>> {
  const { CACert, ...entry } = entryOf(array);
  return typeof CACert === "string" ? { ...entry, CACert: await Deno.readTextFile(CACert) } : entry;
}

/** The arrays of a fleet that has so many. */
export function arraysOf({ arrays }: ServedFleet): { one: Entry; two: Entry; blade: Entry } {
  const [one, two, blade] = arrays;
  if (!one || !two || !blade) throw new Error("three arrays are needed");
  return { one, two, blade };
}

/** Sends calls to an array, as `POST /volumes?names=a` with a body; gives the last answer. */
export async function send(entry: Entry, ...calls: [call: string, body?: unknown][]) {
  const client = new TestClient(entry);
  try {
    await client.login();
    let answer;
    for (const [call, body] of calls) answer = await client.ok(call, body);
    return answer;
  } finally {
    client.close();
  }
}

/** A call of the simulator's control endpoint. */
export async function control(
  { fleet: { control } }: Pick<PageBed, "fleet">,
  path: string,
  body?: unknown,
): Promise<void> {
  const init = body === undefined
    ? { method: "DELETE" }
    : { method: "POST", body: JSON.stringify(body) };
  const answer = await fetch(`${control}/${path}`, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${text}`);
}

/** The name of a place of the text on the page. */
function shownAddress(index: number): string {
  return `10.21.0.${index + 1}`;
}

/** What differs between two runs, put as on the page. */
export function steady(text: string, { arrays }: ServedFleet): string {
  const groups = text.split("\n\n").map((group) => {
    const [heading = ""] = group.split("\n");
    if (!heading.startsWith("arrays.")) return group;
    if (heading.endsWith(` ${NOBODY}`)) return group.replaceAll("127.0.0.1 ", "10.21.0.99 ");
    const at = arrays.findIndex(({ address }) =>
      heading.replace("localhost", "127.0.0.1").endsWith(address)
    );
    return at < 0 ? group : group.replaceAll(/127\.0\.0\.1(?!:)/g, shownAddress(at));
  });
  const places: [real: string, shown: string][] = [
    ...arrays.map(({ address }, at): [string, string] => [address, shownAddress(at)]),
    [NOBODY, "10.21.0.99"],
  ];
  const named = places.reduce(
    (left, [real, shown], at) =>
      left.replaceAll(`${real} takes`, `${shown}:443 takes`)
        .replaceAll(real.replace("127.0.0.1", "localhost"), `fa-${at + 1}.example`)
        // In a column of a table the cells behind it stay where they are.
        .replaceAll(
          new RegExp(`${RegExp.escape(real)}(?=  )`, "g"),
          shown.padEnd(real.length),
        )
        .replaceAll(new RegExp(`${RegExp.escape(real)}(?!\\d)`, "g"), shown),
    groups.join("\n\n"),
  );
  return SHOWN.reduce((left, [what, how]) => left.replaceAll(what, how), named);
}

/** What varies, and how the page has it. */
const SHOWN: [what: RegExp, how: string][] = [
  [/\blocalhost(:\d+)?/g, "fa-1.example"],
  [/fa-1\.example is [\d.:, ]+$/gm, "fa-1.example is 10.21.0.1"],
  [/\(\d+ ms\)/g, "(2 ms)"],
  [/AB:AB:([0-9A-F]{2}:){29}[0-9A-F]{2}/g, "AB:AB:…:CD"],
  [/([0-9A-F]{2}:){31}[0-9A-F]{2}/g, "5E:29:…:C7"],
  [/expires \d{4}-\d\d-\d\d \(\d+ days\)/g, "expires 2036-11-23 (3649 days)"],
  [/\bid [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, "id f9410590-126d-427a-9621-c5b62e495534"],
  [/\bserial [0-9A-F]{24}/g, "serial 4E7D3A90B1C25F6800011000"],
  [/\bcreated 2[\d:.TZ-]+/g, "created 2026-11-26T09:30:00.000Z"],
  [/\b(handle|volumeHandle:) [0-9a-f]{8}\//g, "$1 f9410590/"],
  [/\b23 h 5\d min/g, "23 h 59 min"],
  [/\blast 6\d\d s ago/g, "last 600 s ago"],
  [/Kubernetes API at 127\.0\.0\.1:\d+/g, "Kubernetes API at 10.20.0.1:6443"],
  [/\d+ (bytes|[KMG]iB) of 20 TiB/g, "0 bytes of 20 TiB"],
  [/pso-takeover-pso-\d{8}-\d{6}/g, "pso-takeover-pso-20261126-093000"],
];
