import { readAddress, readNfsEndpoint } from "./address.ts";
import { readTls, readToken } from "./credentials.ts";
import { type ArraysContext, type Entry, optionalText } from "./entry.ts";
import { readLabels } from "./labels.ts";
import { ARRAY_KEYS, type ArrayKey } from "./keys.ts";
import { type ArrayConfig, CONFIG_LIMITS } from "../model.ts";
import { kindOf, type ProblemList, shown } from "../problems.ts";
import { withoutSecrets } from "../secret_looks.ts";
import { isMapping } from "../tree.ts";
import { readSwitch } from "../values.ts";
import { nearest } from "../../nearest.ts";

/** The key of the whole fleet in the values file. */
export const ARRAYS_KEY_PATH = "arrays";

/** An entry, and what must be known of the entries before it. */
interface ListedEntry extends Entry {
  /** Addresses and names of the entries before this one, and where they stand. */
  seen: Map<string, string>;
}

const LISTS = { FlashArrays: "flasharray", FlashBlades: "flashblade" } as const;

/**
 * The arrays of `sections` (each the content of `arrays`, which is also that of PSO's `pure.json`),
 * in the order of the files. Every fault goes to `problems`; entries with faults are left out.
 * Tokens and certificates in files are read here. No array at all is told as a warning.
 */
export async function readArrays(
  sections: readonly unknown[],
  context: ArraysContext,
): Promise<ArrayConfig[]> {
  const { problems } = context;
  const lists = sections.flatMap((section) => namedLists(section, problems));
  const arrays: ArrayConfig[] = [];
  const seen = new Map<string, string>();
  const entries = lists.reduce((count, [, list]) => count + list.length, 0);
  if (entries > CONFIG_LIMITS.arrays) {
    problems.error("arrays", {
      found: `lists ${entries} arrays`,
      wanted: `at most ${CONFIG_LIMITS.arrays}`,
      fix: "serve the others from another installation, with a clusterID of its own",
    });
    return [];
  }
  for (const [name, list] of lists) {
    for (const [index, value] of list.entries()) {
      const path = `arrays.${name}[${index}]`;
      const values = entryValues(value, { kind: LISTS[name], path, problems });
      const array = values &&
        await readEntry({ ...context, kind: LISTS[name], path, values, seen });
      if (array) arrays.push(array);
    }
  }
  if (entries === 0 && !problems.hasErrors) {
    problems.warn("arrays", {
      found: "lists no array, so that no volume can be made or attached",
      fix: "add an entry to arrays.FlashArrays or arrays.FlashBlades",
    });
  }
  return arrays;
}

function namedLists(section: unknown, problems: ProblemList): [keyof typeof LISTS, unknown[]][] {
  const lists: [keyof typeof LISTS, unknown[]][] = [];
  if (section === null || section === undefined) return lists;
  if (!isMapping(section)) {
    problems.error("arrays", {
      found: `is ${kindOf(section)}`,
      wanted: "a mapping with the lists FlashArrays and FlashBlades",
    });
    return lists;
  }
  for (const [written, list] of Object.entries(section)) {
    const path = `arrays.${written}`;
    const name = (["FlashArrays", "FlashBlades"] as const).find((name) =>
      name.toLowerCase() === written.toLowerCase()
    );
    if (name === undefined) {
      const near = nearest(written, Object.keys(LISTS));
      problems.error(path, {
        found: "is not a known key",
        fix: near ? `did you mean arrays.${near}?` : "write FlashArrays or FlashBlades",
      });
    } else if (Array.isArray(list)) {
      if (name !== written) {
        problems.warn(path, {
          found: "has letters of the wrong case",
          fix: `write arrays.${name}`,
        });
      }
      lists.push([name, list]);
    } else if (list !== null && list !== undefined) {
      problems.error(path, {
        found: `is ${kindOf(list)}`,
        wanted: "a list of arrays, each beginning with `- `",
      });
    }
  }
  return lists;
}

/**
 * The values of an entry under the right names of their keys. Keys are read in any mix of upper and
 * lower case, because PSO's driver did so (Go's JSON decoder ignores case).
 */
function entryValues(
  value: unknown,
  { kind, path, problems }: Pick<Entry, "kind" | "path" | "problems">,
): Map<string, unknown> | undefined {
  if (!isMapping(value)) {
    problems.error(path, {
      found: `is ${kindOf(value)}`,
      wanted: "a mapping with MgmtEndPoint and APIToken",
    });
    return undefined;
  }
  const values = new Map<string, unknown>();
  for (const [written, one] of Object.entries(value)) {
    const key = findKey(written);
    if (!key || !key.kinds.includes(kind)) {
      if (key) {
        problems.error(`${path}.${written}`, {
          found: `is not for a ${KIND_NAMES[kind]}`,
          fix: "remove it",
        });
      } else {problems.error(`${path}.${written}`, {
          found: "is not a known key",
          fix: problems.isFull ? undefined : keyAdvice(written, kind),
        });}
      continue;
    }
    if (one === null || one === undefined) continue;
    if (values.has(key.name) && values.get(key.name) !== one) {
      problems.error(`${path}.${written}`, {
        found: `says something else than another spelling of ${key.name}`,
        fix: "keep one",
      });
    }
    if (key.name !== written) {
      const found = key.old?.includes(written)
        ? "is an old spelling"
        : "has letters of the wrong case";
      problems.warn(`${path}.${written}`, { found, fix: `write ${key.name}` });
    }
    values.set(key.name, one);
  }
  return values;
}

const KIND_NAMES = { flasharray: "FlashArray", flashblade: "FlashBlade" } as const;

function findKey(written: string): ArrayKey | undefined {
  return ARRAY_KEYS.find(({ name }) => name === written) ??
    ARRAY_KEYS.find(({ name }) => name.toLowerCase() === written.toLowerCase());
}

function keyAdvice(written: string, kind: Entry["kind"]): string {
  const near = nearest(
    written,
    ARRAY_KEYS.filter(({ kinds }) => kinds.includes(kind)).map(({ name }) => name),
  );
  return near ? `did you mean ${near}?` : "remove it";
}

async function readEntry(entry: ListedEntry): Promise<ArrayConfig | undefined> {
  const { kind, path, problems } = entry;
  const address = readAddress(entry);
  const token = await readToken(entry);
  const tls = await readTls(entry);
  const labels = readLabels(entry);
  const name = optionalText(entry, "Name");
  const suspended = readSuspended(entry);
  const nfsEndpoint = kind === "flashblade" ? readNfsEndpoint(entry) : undefined;
  if (address) checkUnique(entry, { key: "MgmtEndPoint", value: address.managementAddress });
  if (name !== undefined) {
    checkUnique(entry, { key: "Name", value: name });
    checkName(entry, name);
  }
  if (!address || !token || !tls) return undefined;
  if (address.scheme === "http") {
    const found = "begins with http://, so that the API token travels in the clear";
    problems.warn(`${path}.MgmtEndPoint`, {
      found,
      fix: "use https:// for anything but a simulated array",
    });
  }
  const common = {
    path,
    ...address,
    token,
    tls,
    labels,
    suspended,
    ...(name === undefined ? {} : { name }),
  };
  if (kind === "flasharray") return { kind, ...common };
  return nfsEndpoint === undefined ? undefined : { kind, nfsEndpoint, ...common };
}

/** Names stand in the log, in metrics and on pages that everybody may read. */
function checkName({ path, problems }: Entry, name: string): void {
  if (withoutSecrets(name) === name) return;
  problems.error(`${path}.Name`, {
    found: "looks like a token, and everybody can read the names of arrays",
    fix: "choose a shorter name of words",
  });
}

function readSuspended({ path, values, problems }: Entry): boolean {
  const value = values.get("Suspended") ?? false;
  const suspended = readSwitch(value);
  if (suspended === undefined) {
    problems.error(`${path}.Suspended`, { found: `is ${shown(value)}`, wanted: "true or false" });
  }
  return suspended ?? false;
}

/**
 * Refuses an address or a name that an earlier entry has. Two entries for one array would count its
 * room twice.
 */
function checkUnique(
  { path, problems, seen }: ListedEntry,
  { key, value }: { key: "MgmtEndPoint" | "Name"; value: string },
): void {
  const id = `${key} ${value.toLowerCase()}`;
  const first = seen.get(id);
  if (first === undefined) seen.set(id, path);
  else {problems.error(`${path}.${key}`, {
      found: `is ${shown(value)}, as in ${first}`,
      fix: "list each array once, under a name of its own",
    });}
}
