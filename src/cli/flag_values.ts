import { parseArgs } from "@std/cli/parse-args";
import { UsageError } from "../errors.ts";
import { type Level, LEVELS } from "../log.ts";
import { nearest } from "../nearest.ts";
import { type ListenAddress, parseHostPort } from "../net/address.ts";
import { parseIp } from "../net/cidr.ts";
import { dashed, FLAGS, type Mode } from "./flags.ts";

/** The flags of the log, which every serving mode has. */
export interface LogFlags {
  /** Left out: info, or debug when the configuration says so. */
  logLevel?: Level;
  logFormat: "json" | "text";
}

/** An object of Kubernetes, or an installation. */
export interface NamespacedName {
  namespace: string;
  name: string;
}

/** Where simulated arrays keep the volumes' content. */
export type DataPlane = "local" | { portals: string[]; hostRoot: string };

/** What Kubernetes takes as the name of a namespace, and of most other objects. */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Whether Kubernetes could have an object of that name. */
export function isNamespacedName({ namespace, name }: NamespacedName): boolean {
  return LABEL.test(namespace) && SUBDOMAIN.test(name);
}

/**
 * `HOST:PORT` with IPv6 in brackets, and IPv4 too: a manifest that writes `[$(POD_IP)]:9808` does
 * not know which of them it will be. `:PORT` listens on all addresses. Undefined when it is none.
 */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const { host, port } = parseHostPort(text.replace(/^\[([\d.]+)\]/, "$1")) ?? {};
  if (port === undefined) return undefined;
  return { hostname: host || "0.0.0.0", port };
}

/** A count without its flag, and the bounds of one with it, inclusive. */
interface CountRange {
  initial: number;
  least: number;
  most: number;
}

/** The flags of one mode, read by their types; each fault is a UsageError that names the flag. */
export class Flags {
  readonly #values: Record<string, unknown>;

  constructor(mode: Mode, args: string[]) {
    const table = FLAGS[mode];
    const withValue = table.filter(({ value }) => value !== undefined).map(({ name }) => name);
    const switches = table.filter(({ value }) => value === undefined).map(({ name }) => name);
    const collect = table.filter(({ repeat }) => repeat).map(({ name }) => name);
    const { _: words, ...values } = parseArgs(args.map((word) => word === "-h" ? "--help" : word), {
      string: withValue,
      boolean: switches,
      collect,
    });
    const known = table.map(({ name }) => name);
    const unknown = Object.keys(values).find((name) => !known.includes(name));
    if (unknown !== undefined) {
      const near = nearest(unknown, known);
      throw new UsageError(
        `Unknown flag ${dashed(unknown)} of ${mode}: ${
          near ? `did you mean ${dashed(near)}?` : `see pso-bin ${mode} --help`
        }`,
      );
    }
    // When the value of a flag was forgotten, some parsers take the next flag for the value. No
    // value of a flag begins with two dashes, so such a value shows the mistake.
    const hungry = withValue.find((name) =>
      [values[name]].flat().some((value) => typeof value === "string" && value.startsWith("--"))
    );
    if (hungry !== undefined) throw new UsageError(`${dashed(hungry)} needs a value`);
    if (words.length > 0) {
      throw new UsageError(
        `Unknown argument ${JSON.stringify(words[0])} of ${mode}: see pso-bin ${mode} --help`,
      );
    }
    this.#values = values;
  }

  isSet(name: string): boolean {
    const value = this.#values[name];
    if (typeof value === "string" && !/^(true|false|)$/.test(value)) {
      throw new UsageError(`${dashed(name)} is ${JSON.stringify(value)}, wanted no value`);
    }
    return value === true || value === "true" || value === "";
  }

  texts(name: string): string[] {
    const value = this.#values[name];
    const given = value === undefined ? [] : Array.isArray(value) ? value : [value];
    return given.map((one) => {
      if (typeof one === "string" && one !== "") return one;
      throw new UsageError(`${dashed(name)} needs a value`);
    });
  }

  /** IP addresses. */
  addresses(name: string): string[] {
    const addresses = this.texts(name);
    const wrong = addresses.find((address) => parseIp(address) === undefined);
    if (wrong !== undefined) {
      throw new UsageError(`${dashed(name)} is ${JSON.stringify(wrong)}, wanted an IP address`);
    }
    return addresses;
  }

  folders(name: string): string[] {
    const folders = this.texts(name);
    const wrong = folders.find((folder) => !/^\/[^:]*$/.test(folder));
    if (wrong !== undefined) {
      throw new UsageError(
        `${dashed(name)} is ${JSON.stringify(wrong)}, wanted one absolute path of a folder`,
      );
    }
    return folders;
  }

  /** The last one counts, so that a wrapper's flag can be overridden. */
  text(name: string): string | undefined {
    return this.texts(name).at(-1);
  }

  /** `NAMESPACE/NAME`, as Kubernetes allows both. */
  namespacedName(name: string): NamespacedName | undefined {
    const text = this.text(name);
    const [namespace = "", object = "", ...more] = text?.split("/") ?? [];
    const named = { namespace, name: object };
    if (isNamespacedName(named) && more.length === 0) return named;
    if (text === undefined) return undefined;
    throw new UsageError(
      `${dashed(name)} is ${JSON.stringify(text)}, wanted NAMESPACE/NAME in lower case`,
    );
  }

  count(name: string, { initial, least, most }: CountRange): number {
    const text = this.text(name);
    if (text === undefined) return initial;
    const count = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    if (count >= least && count <= most) return count;
    throw new UsageError(
      `${dashed(name)} is ${JSON.stringify(text)}, wanted a number from ${least} to ${most}`,
    );
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    const found = choices.find((one) => one === text);
    if (text !== undefined && found === undefined) {
      throw new UsageError(
        `${dashed(name)} is ${JSON.stringify(text)}, wanted one of ${choices.join(", ")}`,
      );
    }
    return found;
  }

  address(name: string): ListenAddress | undefined {
    const text = this.text(name);
    const address = text === undefined ? undefined : parseListenAddress(text);
    if (text !== undefined && !address) {
      throw new UsageError(`${dashed(name)} is ${JSON.stringify(text)}, wanted HOST:PORT`);
    }
    return address;
  }

  dataPlane(): DataPlane {
    const plane = this.choice("data-plane", ["local", "kernel"] as const) ?? "local";
    const portals = this.addresses("portal");
    const hostRoot = this.text("host-root");
    if (plane === "kernel") {
      return {
        portals: portals.length > 0 ? portals : ["127.0.0.1", "127.0.0.2"],
        hostRoot: hostRoot ?? "/host",
      };
    }
    const idle = portals.length > 0 ? "portal" : hostRoot !== undefined ? "host-root" : undefined;
    if (idle !== undefined) {
      throw new UsageError(`${dashed(idle)} is for the kernel plane only: add --data-plane kernel`);
    }
    return plane;
  }

  valuesFile(): { valuesFile?: string } {
    const valuesFile = this.text("f");
    return valuesFile === undefined ? {} : { valuesFile };
  }

  log(): LogFlags {
    const logLevel = this.choice("log-level", LEVELS);
    return {
      ...(logLevel === undefined ? {} : { logLevel }),
      logFormat: this.choice("log-format", ["json", "text"] as const) ?? "json",
    };
  }
}
