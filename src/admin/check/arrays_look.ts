import type { Config } from "../../config/model.ts";
import { type ArrayLook, lookAtArray } from "./array_look.ts";
import { tellIdentities, tellStretchedPods } from "./fleet_look.ts";
import { counted } from "./found.ts";

/** How a look at all arrays is followed. */
interface LookOptions {
  now: () => number;
  /** As AdminContext.progress. */
  progress: (text: string) => void;
  /** As AdminContext.answerMs. */
  answerMs?: number;
}

/**
 * Looks at all arrays of the configuration at the same time, and compares them. The caller closes
 * each look. Never throws.
 */
export async function lookAtArrays(
  { arrays, flasharray, placement }: Pick<Config, "arrays" | "flasharray" | "placement">,
  { now, progress, answerMs }: LookOptions,
): Promise<ArrayLook[]> {
  let done = 0;
  const tell = () => progress(`asking ${counted(arrays.length, "array")}: ${done} done`);
  if (arrays.length > 0) tell();
  const looks = await Promise.all(arrays.map(async (config) => {
    const look = await lookAtArray(config, { flasharray, placement, now, answerMs });
    done++;
    tell();
    return look;
  }));
  await tellIdentities(looks);
  tellStretchedPods(looks);
  progress("");
  return looks;
}
