// What people are told of a decision of placement: in the error of a claim that nothing fits, in the
// log and by `pso-bin admin place`.
import { NO_ARRAYS } from "../../config/arrays/no_arrays.ts";
import { PsoError } from "../../errors.ts";
import { formatSize } from "../../size.ts";
import {
  type Candidate,
  type Decision,
  FEATURE_FAULTS,
  type PlacementRequest,
} from "./placement.ts";
import { reasonsText, waitText } from "./rejections.ts";
import { SCORE_PARTS } from "./score.ts";

/**
 * The error of a decision without candidates, in two lines: why no array takes the volume, and what it
 * waits for. `unavailable` when an array that fits cannot be used
 * just now, `unsupported` when the source's array cannot clone, else `exhausted` (CSI: "Unable to
 * provision in accessible_topology"). `exhausted` also when no array of that kind is configured:
 * the claim is right, and the fleet must change. `unavailable` when none at all is.
 */
export function placementError(request: PlacementRequest, decision: Decision): PsoError {
  if (decision.rejected.length === 0) return new PsoError("unavailable", NO_ARRAYS);
  const onSource = decision.rejected.find(({ key }) => key === request.onlyArray);
  const rejected = onSource ? [onSource] : decision.rejected;
  const cannotClone = onSource?.reason.startsWith(FEATURE_FAULTS.clone) ?? false;
  const code = rejected.some(({ passing }) => passing)
    ? "unavailable"
    : cannotClone
    ? "unsupported"
    : "exhausted";
  const { requestName, sizeBytes } = request;
  return new PsoError(
    code,
    `Cannot place ${requestName} (${formatSize(sizeBytes)}): ${reasonsText(rejected)}\n` +
      `It waits ${waitText(rejected, code)}`,
  );
}

/** What puts a candidate behind others whatever its score; undefined when nothing does. */
export function orderRemark(
  { array: { refuses }, isTight }: Pick<Candidate, "array" | "isTight">,
): string | undefined {
  if (refuses) return "comes last: it refused the last create";
  return isTight
    ? "comes behind: it keeps its headroom only while what was placed lately is not full"
    : undefined;
}

/** The decision as fields of one log line. */
export function explain({ candidates, rejected }: Decision): Record<string, unknown> {
  return {
    chosen: candidates[0]?.array.label,
    candidates: candidates.map((candidate) => ({
      array: candidate.array.label,
      score: rounded(candidate.score),
      ...Object.fromEntries(SCORE_PARTS.map((part) => [part, rounded(candidate.parts[part])])),
      ...remarked(orderRemark(candidate)),
    })),
    rejected: rejected.map(({ array, reason }) => `${array} ${reason}`),
  };
}

function remarked(remark: string | undefined): { remark?: string } {
  return remark === undefined ? {} : { remark };
}

function rounded(value: number): number {
  return Number(value.toFixed(4));
}
