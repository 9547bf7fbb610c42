import { isObject, type KubeClient, type KubeObject } from "./client.ts";
import { microTime } from "./moment.ts";
import { kubePath } from "./names.ts";

/** Where an object stands in the cluster. */
export interface ObjectName {
  namespace: string;
  name: string;
}

/** What a Lease says of who holds it. */
export interface LeaseTerms {
  /** Empty: nobody. Not cut; `shownHolder` is for messages. */
  holder: string;
  /** How often the holder has changed. */
  transitions: number;
  /** When the holder renewed it last, by the holder's wall clock. */
  renewedMs: number;
  /** When the holder took it, by the holder's wall clock. */
  acquiredMs: number;
  /** For how long after a renewal nobody else may take it. */
  durationMs: number;
}

/** A Lease as it was read, with all that is needed to write it. */
export interface Lease extends LeaseTerms {
  /** Another one, another object or another content. */
  version: string;
  object: KubeObject;
}

/** How one Lease is read and written. Both throw what KubeClient throws. */
export interface LeaseStore {
  read(): Promise<Lease>;
  /** Status 409 when it was changed since `before` was read. Never makes the object. */
  write(before: Lease, terms: LeaseTerms): Promise<Lease>;
}

/** How long a renewal holds, as every holder of ours writes it. */
export const LEASE_MS = 15_000;

/**
 * What a holder writes for it who gives the Lease back, as Kubernetes' own do. A Lease without a
 * holder that says something else was emptied or made anew by a person, and a leader may be alive.
 */
export const GIVEN_BACK_MS = 1_000;

const LEASES = "/apis/coordination.k8s.io/v1";

/** The Lease of that name. */
export function leaseStore(kube: KubeClient, { namespace, name }: ObjectName): LeaseStore {
  const path = LEASES + kubePath`/namespaces/${namespace}/leases/${name}`;
  return {
    read: async () => leaseOf(await kube.get(path)),
    write: async ({ object }, terms) =>
      leaseOf(await kube.update(path, { ...object, spec: specOf(object, terms) })),
  };
}

/** Every Lease of that name, in whichever namespace. */
export async function leasesNamed(kube: KubeClient, name: string): Promise<KubeObject[]> {
  return await kube.list({ path: `${LEASES}/leases`, name });
}

/** What an object of the API says as a Lease; a new one has no spec. */
export function leaseOf(object: KubeObject): Lease {
  const { spec, metadata } = object;
  const fields = isObject(spec) ? spec : {};
  const { uid = "", resourceVersion = "" } = isObject(metadata) ? metadata : {};
  const { holderIdentity, leaseTransitions, leaseDurationSeconds } = fields;
  return {
    holder: typeof holderIdentity === "string" ? holderIdentity : "",
    transitions: typeof leaseTransitions === "number" ? leaseTransitions : 0,
    durationMs: typeof leaseDurationSeconds === "number" ? leaseDurationSeconds * 1000 : LEASE_MS,
    renewedMs: timeOf(fields.renewTime),
    acquiredMs: timeOf(fields.acquireTime),
    version: `${uid}/${resourceVersion}`,
    object,
  };
}

function timeOf(text: unknown): number {
  const ms = typeof text === "string" ? Date.parse(text) : NaN;
  return Number.isNaN(ms) ? 0 : ms;
}

function specOf({ spec }: KubeObject, terms: LeaseTerms): KubeObject {
  return {
    ...isObject(spec) ? spec : {},
    holderIdentity: terms.holder,
    leaseDurationSeconds: terms.durationMs / 1000,
    leaseTransitions: terms.transitions,
    acquireTime: microTime(terms.acquiredMs),
    renewTime: microTime(terms.renewedMs),
  };
}
