import { readFileSystemUse } from "../../host/filesystem.ts";
import type { Mount } from "../../host/mountinfo.ts";
import type { FileAttachmentBy, FileConnection } from "../protocol.ts";
import { lookAtNfs, probeServers, silentServerConditions } from "./health.ts";
import { mountNfs, nfsSource } from "./mount.ts";

/** Shared file systems over NFS (nfs(5), mount.nfs(8)). */
export const nfsFile: FileConnection<FileAttachmentBy<"nfs">> = {
  mount: async ({ host, nfs }, { attachment, target, options }, signal) => {
    const source = nfsSource(attachment);
    if (options.includes("nolock")) nfs.sayNolockLeftOut(source);
    const work = () => mountNfs(host, { source, target, flags: options }, signal);
    await nfs.mount(attachment.address, work, signal);
    nfs.forgetStale(target); // what was stale at this place is not what is mounted now
  },
  isMountOf: (_context, { attachment, mount: { type, source } }) =>
    Promise.resolve(isNfs(type) && trimmed(source) === trimmed(nfsSource(attachment))),
  withoutSources: (_context, mounts) => Promise.resolve(mounts), // it mounts from servers
  owns: (_context, { type }) => Promise.resolve(isNfs(type)),
  // The address may have been changed in the configuration since.
  shows: (_context, { attachment: { path }, mount }) =>
    Promise.resolve(fileSystemIn(mount) === trimmed(path).slice(1)),
  fileSystemIn,
  isStale: async ({ nfs }, { attachment, target }, signal) =>
    await nfs.probe(attachment.address, { target, signal }) === "stale",
  readUse: ({ host, nfs }, { attachment, target }, signal) =>
    nfs.ask(attachment.address, () => readFileSystemUse(host, target, signal), { signal }),
  probe: probeServers,
  look: lookAtNfs,
  serverConditions: silentServerConditions,
};

function isNfs(type: string): boolean {
  return /^nfs4?$/.test(type);
}

function fileSystemIn({ type, source }: Mount): string | undefined {
  return isNfs(type) ? trimmed(source).replace(/^.*:\//, "") : undefined;
}

/** mountinfo shows the export as mount.nfs was told it, with or without a slash at its end. */
function trimmed(source: string): string {
  return source.replace(/\/+$/, "");
}
