/**
 * Makes a folder for the files of a host, in memory where this machine has a place for that: sysfs
 * is in memory too, and a test makes some hundred files.
 */
export async function makeHostFolder(): Promise<string> {
  const memory = await Deno.stat("/dev/shm").catch(() => undefined);
  const dir = memory?.isDirectory ? "/dev/shm" : undefined;
  return await Deno.realPath(await Deno.makeTempDir({ prefix: "pso-fake-", dir }));
}

/** The files of a host in a folder: what /sys, /proc, /etc and /dev show to a program. */
export class HostFiles {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Writes a file and its folders; the text ends with a newline, as the kernel shows it. */
  write(path: string, text: string): void {
    this.folder(path.slice(0, path.lastIndexOf("/")));
    Deno.writeTextFileSync(this.root + path, text.endsWith("\n") ? text : `${text}\n`);
  }

  folder(path: string): void {
    Deno.mkdirSync(this.root + path, { recursive: true });
  }

  link(path: string, to: string): void {
    this.folder(path.slice(0, path.lastIndexOf("/")));
    Deno.symlinkSync(to, this.root + path);
  }

  remove(path: string): void {
    Deno.removeSync(this.root + path, { recursive: true });
  }

  has(path: string): boolean {
    try {
      Deno.lstatSync(this.root + path);
      return true;
    } catch {
      return false;
    }
  }

  read(path: string): string {
    return Deno.readTextFileSync(this.root + path).trimEnd();
  }

  /** Names in a folder, sorted; none when it is not there. */
  list(path: string): string[] {
    try {
      return [...Deno.readDirSync(this.root + path)].map(({ name }) => name).sort();
    } catch {
      return [];
    }
  }

  /** What the kernel shows of every block device, in the folder that is the device's. */
  blockDevice(folder: string, { number, sizeBytes }: { number: string; sizeBytes: number }): void {
    this.write(`/sys/dev/block/${number}/uevent`, `DEVNAME=${folder.split("/").at(-1)}`);
    this.write(`${folder}/size`, String(sizeBytes / 512));
    this.write(`${folder}/dev`, number);
    this.write(`${folder}/ro`, "0");
    this.folder(`${folder}/holders`);
  }
}
