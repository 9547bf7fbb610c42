import { refused } from "../rest_error.ts";
import type { ExportRecord, ServerRecord } from "./records.ts";
import { fixedId } from "./render.ts";
import type { FileSystemRecord, FlashBladeState } from "./state.ts";

/** The server that every array has. */
export const ARRAY_SERVER = "_array_server";
/** When the simulated array left its factory. */
const BUILT_MS = Date.UTC(2024, 0, 1);
/** Below 100 are interfaces, below 200 subnets, below 300 parts. */
const ARRAY_SERVER_NUMBER = 301;

/** The array's own server, on which everything is that names no other. */
export function arrayServer(state: FlashBladeState): ServerRecord {
  return { id: fixedId(state, ARRAY_SERVER_NUMBER), name: ARRAY_SERVER, createdMs: BUILT_MS };
}

/** The server of that id, the array's own one too. */
export function serverById(state: FlashBladeState, id: string): ServerRecord | undefined {
  const own = arrayServer(state);
  return id === own.id ? own : state.servers.get(id);
}

/** What an export is told apart by. */
type ExportKey = Pick<ExportRecord, "exportName" | "id" | "serverId">;

/** Of the export by `nfs.export_policy`: the file system's own name, on the array's server. */
export function ownExportKey(
  state: FlashBladeState,
  { exportId, id, name }: Pick<FileSystemRecord, "exportId" | "id" | "name">,
): ExportKey {
  return { id: exportId ?? id, serverId: arrayServer(state).id, exportName: name };
}

/** The export by `nfs.export_policy`; a file system that is ruled by `nfs.rules` has none. */
function ownExport(state: FlashBladeState, fileSystem: FileSystemRecord): ExportRecord[] {
  const { id, policyId } = fileSystem;
  if (policyId === null) return [];
  return [{ ...ownExportKey(state, fileSystem), fileSystemId: id, policyId }];
}

/** Every export of the array, wherever it is stored. */
export function allExports(state: FlashBladeState): ExportRecord[] {
  const own = [...state.fileSystems.values()].flatMap((one) => ownExport(state, one));
  return [...own, ...state.exports.values()];
}

/** `SERVER::NFS::EXPORT`, as the vendor's SDK shows names of exports. */
export function nameOfExport(
  state: FlashBladeState,
  { exportName, serverId }: Omit<ExportKey, "id">,
): string {
  return `${serverById(state, serverId)?.name}::NFS::${exportName}`;
}

/** RestError 400 when another export of that server has the name. */
export function requireFreeExport(
  state: FlashBladeState,
  { exportName, id, serverId }: ExportKey,
): void {
  const isTaken = allExports(state).some((one) =>
    one.id !== id && one.serverId === serverId && one.exportName === exportName
  );
  if (isTaken) {
    throw refused(
      "File system export already exists.",
      nameOfExport(state, { exportName, serverId }),
    );
  }
}
