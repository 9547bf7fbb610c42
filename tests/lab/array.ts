/** The array inside the guest, by its command `array` (tests/lab/guest/array). */
import { testRun } from "../../src/node/testing_node.ts";

/** The iSCSI name of the guest. */
export const NODE_IQN = "iqn.1993-08.org.debian:01:lab";
/** The iSCSI target of the array; it listens on both PORTALS. */
export const TARGET_IQN = "iqn.2010-06.com.purestorage:flasharray.1234567890abcdef";
/** The NVMe subsystem of the array; it listens on both addresses too. */
export const SUBSYSTEM_NQN = "nqn.2010-06.com.purestorage:flasharray.1234567890abcdef";
/** Addresses of the array's ports: two, so that each volume has two paths. */
export const PORTALS = ["127.0.0.1", "127.0.0.2"];

/** Emulation makes everything some twenty times slower. */
const TIMEOUT_MS = 120_000;

/** Runs `array` with these words; gives back what it printed. */
export async function array(...words: (string | number)[]): Promise<string> {
  const { stdout } = await testRun("/run/lab/array", words.map(String), { timeoutMs: TIMEOUT_MS });
  return stdout.trim();
}
