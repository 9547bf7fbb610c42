/** Bytes of files by who owns them, by number. */
export interface OwnedBytes {
  users: Map<number, number>;
  groups: Map<number, number>;
}

/**
 * Who owns how many bytes below `root`, links not followed and files of several names counted
 * once. What goes meanwhile is passed over.
 */
export async function ownedBytes(root: string): Promise<OwnedBytes> {
  const owned: OwnedBytes = { users: new Map(), groups: new Map() };
  const seen = new Set<number>();
  const add = (to: Map<number, number>, owner: number | null, bytes: number) => {
    if (owner !== null) to.set(owner, (to.get(owner) ?? 0) + bytes);
  };
  const look = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      await unlessGone(async () => {
        const { blocks, gid, ino, nlink, uid } = await Deno.lstat(path);
        const isSecond = !isDirectory && (nlink ?? 1) > 1 && ino !== null && seen.has(ino);
        if (ino !== null) seen.add(ino);
        const bytes = (blocks ?? 0) * 512;
        if (!isSecond && bytes > 0) {
          add(owned.users, uid, bytes);
          add(owned.groups, gid, bytes);
        }
        if (isDirectory) await look(path);
      });
    }
  };
  await unlessGone(() => look(root));
  return owned;
}

async function unlessGone(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
