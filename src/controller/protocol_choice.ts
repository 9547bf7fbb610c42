import type { VolumeKind } from "../arrays/array.ts";
import { PsoError } from "../errors.ts";
import type { NodeIdentity } from "../handoff.ts";
import {
  AUTO_PROTOCOLS,
  fileProtocolsFor,
  type Protocol,
  SIMULATED_PROTOCOLS,
} from "../protocols.ts";

/** Both sides of a volume that is to be reached, and what was asked for. */
interface ProtocolRequest {
  /** The array's name, for messages. */
  array: string;
  kind: VolumeKind;
  served: ReadonlySet<Protocol>;
  node: NodeIdentity;
  /** By class or `flasharray.sanType`; for file systems only if it is a protocol of files. */
  wanted: Protocol | "auto";
}

/**
 * The protocol by which the node reaches the array: `local` where both have it, which only
 * simulated arrays do; else the wanted one. Without one, file systems take any protocol of files
 * that both have, and block volumes the best. `unsupported` with both sides' protocols when there is none.
 */
export function chooseProtocol({ array, kind, served, node, wanted }: ProtocolRequest): Protocol {
  const acceptable: readonly Protocol[] = kind === "file"
    ? fileProtocolsFor(wanted)
    : wanted === "auto"
    ? AUTO_PROTOCOLS
    : [wanted];
  const chosen = [...SIMULATED_PROTOCOLS, ...acceptable].find((protocol) =>
    served.has(protocol) && node.protocols.includes(protocol)
  );
  if (chosen !== undefined) return chosen;
  throw new PsoError(
    "unsupported",
    `node ${node.name} cannot reach ${array}: the volume needs ${
      acceptable.join(" or ")
    }, the node offers ` +
      `${node.protocols.join(", ") || "nothing"} and the array serves ${
        [...served].join(", ") || "nothing"
      }; ` +
      "prepare the node for the protocol or change sanType or the class's protocol",
  );
}
