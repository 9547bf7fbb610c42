/**
 * The test files that could notice a fault in `path`, nearest first, as steps: the one beside it,
 * those of its folder that import it, the rest of its folder, of other folders, the contract of the
 * arrays, the provisioner over simulated arrays. `distances` is what `distancesTo` says of `path`.
 */
export function testSteps(path: string, distances: Map<string, number>): string[][] {
  const beside = path.replace(/\.ts$/, "_test.ts");
  const room = path.split("/").slice(0, 2).join("/") + "/";
  const tests = [...distances].filter(([test]) => test.endsWith("_test.ts")).sort(byDistance);
  const steps: string[][] = [[], [], [], [], [], []];
  for (const [test, distance] of tests) {
    const step = stepOf(test, { beside, room, distance });
    if (step !== undefined) steps[step]?.push(test);
  }
  return steps.filter((step) => step.length > 0);
}

function byDistance([a, near]: [string, number], [b, far]: [string, number]): number {
  return near - far || (a < b ? -1 : 1);
}

interface Mutated {
  beside: string;
  room: string;
  distance: number;
}

function stepOf(test: string, { beside, room, distance }: Mutated): number | undefined {
  if (test === beside) return 0;
  if (test.startsWith(room)) return distance <= 1 ? 1 : 2;
  if (test.startsWith("src/")) return 3;
  if (test.startsWith("tests/contract/")) return 4;
  // the others of tests/flow start programs: too slow for each of many faults
  return /^tests\/flow\/(provisioner|publish)[^/]*$/.test(test) ? 5 : undefined;
}
