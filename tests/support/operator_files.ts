/** deploy/operator: its files and manifests. */
import { parse } from "@std/yaml";
import { ROOT } from "../../scripts/program.ts";

/** The folder of the operator. */
export const OPERATOR = `${ROOT}/deploy/operator`;

// deno-lint-ignore no-explicit-any -- objects of the Kubernetes API, as the files have them
type KubeObject = any;

/** The objects of a file of the operator's manifests, in their order. */
export async function manifest(name: string): Promise<KubeObject[]> {
  const text = await Deno.readTextFile(`${OPERATOR}/manifests/${name}.yaml`);
  return text.split(/^---$/m).map((one) => parse(one)).filter((one) => one !== null);
}

/** A rule of a Role or ClusterRole. */
export interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

/** Where a right counts: in the namespace of the installation, or everywhere. */
export type Scope = "namespace" | "cluster";

/** One right: a verb on a resource, or on one object of it. */
export interface Right {
  scope: Scope;
  group: string;
  resource: string;
  /** Absent: every object. */
  name?: string;
  verb: string;
}

/** A right in words, for a message. */
export function rightText({ scope, group, resource, name, verb }: Right): string {
  const object = [group === "" ? "core" : group, resource, ...name === undefined ? [] : [name]];
  return `${verb} ${object.join("/")} (${scope})`;
}

/** Each right that rules give. */
export function rightsOf(rules: readonly Rule[], scope: Scope): Right[] {
  return rules.flatMap(({ apiGroups, resources, resourceNames = [undefined], verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        resourceNames.flatMap((name) =>
          verbs.map((verb) => ({ scope, group, resource, ...name !== undefined && { name }, verb }))
        )
      )
    )
  );
}

/** Whether somebody who has these rights has that one: by a wider scope, or for all names, too. */
export function covers(rights: readonly Right[], wanted: Right): boolean {
  return rights.some((one) =>
    (one.scope === "cluster" || one.scope === wanted.scope) && one.group === wanted.group &&
    one.resource === wanted.resource && one.verb === wanted.verb &&
    (one.name === undefined || one.name === wanted.name)
  );
}

/** The rights of the operator's account. */
export async function operatorRights(): Promise<Right[]> {
  const objects = await manifest("rbac");
  return objects.flatMap(({ kind, rules }) =>
    kind === "Role"
      ? rightsOf(rules, "namespace")
      : kind === "ClusterRole"
      ? rightsOf(rules, "cluster")
      : []
  );
}
