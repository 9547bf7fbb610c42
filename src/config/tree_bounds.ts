import { CONFIG_LIMITS } from "./model.ts";
import { isMapping } from "./tree.ts";

/**
 * Why a parsed file must not be walked through, as the rest of a sentence; undefined when it may
 * be. YAML's aliases let some lines stand for billions of values, or for themselves.
 */
export function boundsFault(root: unknown): string | undefined {
  const sizes = new Map<unknown, number>();
  const open = new Set<unknown>();
  let fault: string | undefined;
  const sizeOf = (value: unknown, depth: number): number => {
    if (!Array.isArray(value) && !isMapping(value)) return 1;
    if (open.has(value)) fault ??= "holds an alias that stands for itself";
    else if (depth > CONFIG_LIMITS.fileDepth) {
      fault ??= `is nested more than ${CONFIG_LIMITS.fileDepth} levels deep`;
    }
    if (fault !== undefined) return Infinity;
    const known = sizes.get(value);
    if (known !== undefined) return known;
    open.add(value);
    let size = 1;
    for (const one of Object.values(value)) size += sizeOf(one, depth + 1);
    open.delete(value);
    sizes.set(value, size);
    return size;
  };
  const size = sizeOf(root, 0);
  return fault ??
    (size > CONFIG_LIMITS.fileValues
      ? `stands for more than ${CONFIG_LIMITS.fileValues} values`
      : undefined);
}
