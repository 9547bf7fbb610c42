import { UsageError } from "../errors.ts";
import type { Flags, NamespacedName } from "./flag_values.ts";
import { dashed } from "./flags.ts";

/** How a controller takes part in the choice of the leader. */
export interface LeaderOptions {
  lease: NamespacedName;
  /** This process' pod. */
  pod: string;
  /** `namespace/name` of the installation. */
  release?: string;
  /** Folder with `token` and `ca.crt`. */
  credentials: string;
}

/**
 * What `--lease` and the flags beside it say; nothing without it. UsageError for a flag that needs
 * it, and when the pod has no name.
 */
export function parseLeader(
  flags: Flags,
  env: (name: string) => string | undefined,
): { leader?: LeaderOptions } {
  const lease = flags.namespacedName("lease");
  const release = flags.namespacedName("release");
  const credentials = flags.text("kube-credentials");
  if (lease === undefined) {
    const idle = release !== undefined
      ? "release"
      : credentials !== undefined
      ? "kube-credentials"
      : undefined;
    if (idle === undefined) return {};
    throw new UsageError(`${dashed(idle)} is for a controller with a lease only: add --lease`);
  }
  const pod = env("POD_NAME") ?? "";
  if (!/^[a-z0-9.-]+$/.test(pod)) {
    throw new UsageError(
      `--lease needs the name of this pod, and POD_NAME is ${JSON.stringify(pod)}: set it from ` +
        "the field metadata.name of the pod",
    );
  }
  return {
    leader: {
      lease,
      pod,
      ...release && { release: `${release.namespace}/${release.name}` },
      credentials: credentials ?? "/var/run/secrets/kubernetes.io/serviceaccount",
    },
  };
}
