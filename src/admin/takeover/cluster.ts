import type { KubeObject } from "../../kube/client.ts";
import { at, nameOf, textAt } from "../check/kube_object.ts";

/** Objects of one kind: `/apis/apps/v1/statefulsets`, or those of one namespace. */
export interface Collection {
  path: string;
  /** Only objects with these fields: `metadata.name`, `type`. */
  fields?: Readonly<Record<string, string>>;
}

/**
 * What a take-over asks of a cluster. Every method throws what KubeClient throws; status 409 when
 * the object was changed, or exchanged for another one, since it was read.
 */
export interface TakeoverCluster {
  /** What messages call it: the context's name. */
  readonly name: string;
  /** The object; undefined when there is none, and when the API has no such kind. */
  find(path: string): Promise<KubeObject | undefined>;
  /** None when the API has no such kind. */
  list(collection: Collection): Promise<KubeObject[]>;
  create(path: string, object: KubeObject): Promise<KubeObject>;
  /** Replaces the object, if its resourceVersion is the one that `object` says. */
  update(path: string, object: KubeObject): Promise<KubeObject>;
  /** Changes these fields alone; `null` takes a field away. */
  patch(path: string, fields: KubeObject): Promise<KubeObject>;
  /** Deletes the object that has this uid. Nothing to do when there is no object. */
  remove(path: string, uid: string): Promise<void>;
}

/** The number below these keys; 0 for everything else. */
export function numberAt(object: unknown, ...path: string[]): number {
  const value = at(object, ...path);
  return typeof value === "number" ? value : 0;
}

/** `namespace/name`, and the name alone for what has no namespace. */
export function fullNameOf(object: unknown): string {
  const namespace = textAt(object, "metadata", "namespace");
  return namespace === "" ? nameOf(object) : `${namespace}/${nameOf(object)}`;
}

/** metadata.uid: another object of the same name has another one. */
export function uidOf(object: unknown): string {
  return textAt(object, "metadata", "uid");
}

/** metadata.resourceVersion: what is written with it changes nothing that somebody else changed. */
export function versionOf(object: unknown): string {
  return textAt(object, "metadata", "resourceVersion");
}
