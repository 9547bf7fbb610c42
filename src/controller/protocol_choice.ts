import type { VolumeKind } from "../arrays/array.ts";
import { PsoError } from "../errors.ts";
import type { NodeIdentity } from "../handoff.ts";
import {
  AUTO_PROTOCOLS,
  CLASS_PROTOCOLS,
  fileProtocolsFor,
  type Protocol,
  REAL_PROTOCOLS,
  SUBSTITUTE_PROTOCOLS,
} from "../protocols.ts";

const KNOWN = [...REAL_PROTOCOLS, "auto"].join(", ");

/**
 * What the volume_context of the volume `name` says of its protocol, in any spelling that a class
 * takes; `undefined` when it says nothing, as those of PSO's volumes. `invalid` for a protocol that
 * this version does not know: the volume would be reached by another one, without a word.
 */
export function wantedProtocol(
  name: string,
  { protocol }: Record<string, string>,
): Protocol | "auto" | undefined {
  if (protocol === undefined) return undefined;
  const spelling = protocol.trim().toLowerCase();
  if (Object.hasOwn(CLASS_PROTOCOLS, spelling)) return CLASS_PROTOCOLS[spelling];
  throw new PsoError(
    "invalid",
    `Cannot publish ${name}: its volume_context names protocol ${JSON.stringify(protocol)}, ` +
      `which this version does not know (it knows ${KNOWN}): update the driver, or make the PV ` +
      "anew with one of these in volumeAttributes",
  );
}

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
 * The protocol by which the node reaches the array: a substitute where both have one, else the
 * wanted one. Without one, file systems take any protocol of files
 * that both have, and block volumes the best. `unsupported` with both sides' protocols when there is none.
 */
export function chooseProtocol({ array, kind, served, node, wanted }: ProtocolRequest): Protocol {
  const acceptable: readonly Protocol[] = kind === "file"
    ? fileProtocolsFor(wanted)
    : wanted === "auto"
    ? AUTO_PROTOCOLS
    : [wanted];
  const chosen = [...SUBSTITUTE_PROTOCOLS, ...acceptable].find((protocol) =>
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
