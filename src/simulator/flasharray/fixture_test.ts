/** A simulated FlashArray for the tests beside. */
import { type Bench, withFleet } from "../fixture_test.ts";

export const MiB = 1024 * 1024;

/** Runs with one FlashArray that holds a 8 MiB volume `v1`. */
export function withVolume(name: string, test: (bench: Bench) => Promise<void>): void {
  Deno.test(name, () =>
    withFleet({}, async (bench) => {
      await bench.array.ok("POST /volumes?names=v1", { provisioned: 8 * MiB });
      await test(bench);
    }));
}
