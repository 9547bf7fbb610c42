import { messageOf } from "../../errors.ts";
import type { ControllerContext } from "../context.ts";
import type { ClassParameters } from "../parameters.ts";
import type { ClaimFacts } from "../placement/spread_group.ts";

/**
 * The claim of a volume as Kubernetes has it; undefined where nobody can ask, csi-provisioner does
 * not tell its name, or the API server gives no answer: the volume is made all the same, in no group.
 */
export async function claimOf(
  { claims, log }: Pick<ControllerContext, "claims" | "log">,
  { claim: { namespace, name } }: Pick<ClassParameters, "claim">,
): Promise<ClaimFacts | undefined> {
  if (!claims || !namespace || !name) return undefined;
  try {
    return await claims({ namespace, name });
  } catch (error) {
    const reason = messageOf(error);
    log.warn("claim cannot be read, its volume is placed in no group", { namespace, name, reason });
    return undefined;
  }
}
