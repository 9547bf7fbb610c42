import { PsoError } from "../../errors.ts";
import type { Attachment } from "../../handoff.ts";
import { printHostPort } from "../../net/address.ts";
import {
  type FileProtocol,
  type Protocol,
  PROTOCOLS,
  REAL_FILE_PROTOCOLS,
  servesFiles,
} from "../../protocols.ts";
import { storageNameFault } from "../../storage_names.ts";
import type { DataPort } from "../array.ts";

/** Where a FlashBlade can be reached for data. */
export interface FlashBladeFacts {
  arrayName: string;
  /** Its name in the data plane behind the protocol `local`; absent: it has none, as real ones. */
  localArray?: string;
  /** Host name or IP address that nodes mount from; absent: no data interface is up. */
  dataAddress?: string;
}

interface FileService {
  /** How a node reaches the file system; undefined when the array does not serve the protocol. */
  attachment: (fileSystem: string, facts: FlashBladeFacts) => Attachment | undefined;
  /** Why its name can be given to no node; undefined when it can. */
  nameFault: (fileSystem: string) => string | undefined;
  /** Why it is not served, and what to do. */
  missing: string;
}

/** Where NFS exports a file system. */
function exportPath(fileSystem: string): string {
  return `/${fileSystem}`;
}

const SERVICES: Record<FileProtocol, FileService> = {
  nfs: {
    attachment: (fileSystem, { dataAddress }) =>
      dataAddress === undefined
        ? undefined
        : { protocol: "nfs", address: dataAddress, path: exportPath(fileSystem) },
    nameFault: (fileSystem) => storageNameFault("path", exportPath(fileSystem)),
    missing: "has no data interface that is up: add one, or set NFSEndPoint in its configuration",
  },
  local: {
    attachment: (fileSystem, { localArray }) =>
      localArray === undefined
        ? undefined
        : { protocol: "local", type: "file", array: localArray, fileSystem },
    nameFault: () => undefined, // a node judges the name itself before it follows a link
    missing:
      "is a real one, and only simulated arrays have the protocol local: remove the parameter " +
      "protocol from the class",
  },
};

/** The protocols that the array serves now; `local` for a simulated array only. */
export function servedFileProtocols(facts: FlashBladeFacts): Set<Protocol> {
  const served = PROTOCOLS.filter(servesFiles).filter((protocol) =>
    SERVICES[protocol].attachment("", facts) !== undefined
  );
  return new Set(served);
}

/** The port of NFS, for versions 3 and 4 (RFC 7530, 3.1). */
const NFS_PORT = 2049;

/** Where nodes are sent for file systems; nowhere when no data interface is up. */
export function filePortsOf({ dataAddress }: FlashBladeFacts): DataPort[] {
  if (dataAddress === undefined) return [];
  return [{ protocol: "nfs", portal: printHostPort({ host: dataAddress, port: NFS_PORT }) }];
}

/**
 * What the node needs to mount the file system. `unsupported` when the array does not serve it, or
 * when its name cannot be given to mount(8).
 */
export function fileAttachmentOf(
  protocol: Protocol,
  facts: FlashBladeFacts,
  { label, fileSystem }: { label: string; fileSystem: string },
): Attachment {
  if (!servesFiles(protocol)) {
    const real = REAL_FILE_PROTOCOLS.join(" or ");
    throw new PsoError(
      "unsupported",
      `array ${label} serves file systems by ${real} only, and ${protocol} was asked for: ` +
        "remove the parameter protocol from the class",
    );
  }
  const { attachment, nameFault, missing } = SERVICES[protocol];
  const found = attachment(fileSystem, facts);
  const fault = found && nameFault(fileSystem);
  if (fault !== undefined) {
    throw new PsoError("unsupported", `array ${label}: ${fault}; rename the file system there`);
  }
  if (found) return found;
  throw new PsoError("unsupported", `array ${label} ${missing}`);
}
