/** What the chart rendered, and what a key is expected to do to it. */
import { isMapping } from "../../src/config/tree.ts";
import type { KubeObject } from "./helm.ts";

/** The objects of one rendering. */
export class Rendered {
  constructor(readonly objects: readonly KubeObject[]) {}

  names(kind: string): string[] {
    return this.objects.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name)
      .sort();
  }

  /** The object of that kind and name; of the only one of its kind, the name may be left out. */
  get(kind: string, name?: string): KubeObject {
    const found = this.objects.filter((one) =>
      one.kind === kind && (name === undefined || one.metadata.name === name)
    );
    if (found.length === 1) return found[0];
    throw new Error(`${found.length} objects ${kind} ${name ?? ""}, wanted one`);
  }

  /** The workload of a part. */
  workload(part: Part): KubeObject {
    return part === "controllerServer"
      ? this.get("Deployment", "pure-provisioner")
      : this.get("DaemonSet", "pure-csi");
  }

  pod(part: Part): KubeObject {
    return this.workload(part).spec.template.spec;
  }

  container(part: Part, name = "driver"): KubeObject {
    const { containers } = this.pod(part);
    const found = containers.find((one: KubeObject) => one.name === name);
    if (found === undefined) throw new Error(`no container ${name} in the pods of ${part}`);
    return found;
  }
}

/** A part of the driver, as the values call it. */
export type Part = "controllerServer" | "nodeServer";

/** What one value of a key must do. */
export interface KeyCase {
  value: unknown;
  /** Other values that the key needs. */
  beside?: Record<string, unknown>;
  /** What of the objects the key decides about. */
  read: (rendered: Rendered) => unknown;
  wanted: unknown;
}

/** `{a: {b: value}}` for `a.b`. */
export function valuesAt(path: string, value: unknown): Record<string, unknown> {
  return path.split(".").reduceRight<unknown>(
    (inner, name) => ({ [name]: inner }),
    value,
  ) as Record<
    string,
    unknown
  >;
}

/** Both, with mappings put together. */
export function merged(
  one: Record<string, unknown>,
  other: Record<string, unknown>,
): Record<string, unknown> {
  const all = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const before = all[key];
    all[key] = isMapping(before) && isMapping(value) ? merged(before, value) : value;
  }
  return all;
}
