import { stringify } from "@std/yaml";
import type { FleetEntry } from "./control.ts";

/** What `arrays.json` says of a fleet. */
interface FleetFacts {
  control: string;
  arrays: FleetEntry[];
  plane: string;
  /** Path of values.yaml. */
  values: string;
}

/** How clients reach the fleet. */
interface FleetAccess {
  stateDir: string;
  /** True for arrays without TLS. */
  http: boolean;
  /** Where the file systems of the FlashBlades are mounted from. */
  nfsEndPoint: string | undefined;
  /** Absent: what the driver takes by default. */
  sanType: string | undefined;
}

/**
 * Writes `values.yaml` (Helm values with the fleet) and `arrays.json` (`{control, plane, values,
 * arrays}`). A reader sees the old file or the new one. Both hold tokens: only their owner may read
 * them.
 */
export function writeFleetFiles(
  { control, arrays, plane, values }: FleetFacts,
  { stateDir, http, nfsEndPoint, sanType }: FleetAccess,
): void {
  const entry = ({ name, address, token, ca }: FleetEntry) => ({
    MgmtEndPoint: http ? `http://${address}` : address,
    APIToken: token,
    ...(ca === undefined ? {} : { CACert: ca }),
    Labels: { array: name },
  });
  const of = (kind: FleetEntry["kind"]) => arrays.filter((array) => array.kind === kind);
  const fleet = {
    FlashArrays: of("flasharray").map(entry),
    FlashBlades: of("flashblade").map((array) => ({ ...entry(array), NFSEndPoint: nfsEndPoint })),
  };
  replaceFile(
    values,
    stringify({ arrays: fleet, ...(sanType === undefined ? {} : { flasharray: { sanType } }) }),
  );
  replaceFile(
    `${stateDir}/arrays.json`,
    JSON.stringify({ control, plane, values, arrays }, undefined, 2) + "\n",
  );
}

function replaceFile(path: string, text: string): void {
  Deno.writeTextFileSync(`${path}.new`, text, { mode: 0o600 });
  Deno.renameSync(`${path}.new`, path);
}
