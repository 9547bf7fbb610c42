import { messageOf, PsoError } from "../../errors.ts";
import type { ControllerContext } from "../context.ts";
import type { ClassParameters } from "../parameters.ts";
import type { ClaimFacts } from "../placement/spread_group.ts";

/**
 * The claim of a volume as Kubernetes has it; undefined when it is gone. Where nobody can ask,
 * csi-provisioner does not tell its name, or the API server gives no answer, it is undefined too:
 * the volume is made all the same, in no group. But with a class that allows imports that is
 * `unavailable`: the claim may name a volume, and must not get an empty one.
 */
export async function claimOf(
  { claims, log }: Pick<ControllerContext, "claims" | "log">,
  { claim: { namespace, name }, allowImport }: Pick<ClassParameters, "claim" | "allowImport">,
): Promise<ClaimFacts | undefined> {
  if (!claims || !namespace || !name) {
    if (!allowImport) return undefined;
    throw new PsoError(
      "unavailable",
      "cannot tell whether the claim names a volume to import, as its class allows: " +
        (claims
          ? "start csi-provisioner with --extra-create-metadata"
          : "this controller has no API of Kubernetes, use a class without allowImport"),
    );
  }
  try {
    return await claims({ namespace, name });
  } catch (error) {
    const reason = messageOf(error);
    if (allowImport) {
      throw new PsoError(
        "unavailable",
        `cannot tell whether the claim ${namespace}/${name} names a volume to import, as its ` +
          `class allows: ${reason}`,
        { cause: error },
      );
    }
    log.warn("claim cannot be read, its volume is placed in no group", { namespace, name, reason });
    return undefined;
  }
}
