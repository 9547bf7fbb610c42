/** Mount namespaces of their own for what runs side by side. Linux only; needs root. */
import { endAll } from "./child.ts";
import { dropTemporary, type MountView } from "./mounts.ts";

/**
 * A mount namespace (mount_namespaces(7)) that begins as a copy of this process's: what is mounted
 * in it is seen in no other. It lasts until it is disposed of or this process ends, and longer only
 * where a process that was started in it goes on.
 */
export class MountSpace implements MountView, AsyncDisposable {
  readonly #holder: Deno.ChildProcess;
  readonly #id: string;
  #hasEnded = false;

  private constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
    this.#id = Deno.readLinkSync(`/proc/${holder.pid}/ns/mnt`);
    void holder.status.then(() => this.#hasEnded = true);
  }

  /**
   * Makes one. Throws, with the reason, where this machine refuses. It keeps no device of others
   * busy: copies of what is mounted below temporary folders are taken away, and what others unmount
   * goes here too wherever they share it (`slave`).
   */
  static async open(): Promise<MountSpace> {
    // Both outputs end when it is ready, and when it failed. It ends when its input does. Ctrl-C
    // must not reach it: what was mounted is still to be taken away.
    const holder = new Deno.Command("unshare", {
      args: [
        "--mount",
        "--propagation",
        "slave",
        "sh",
        "-c",
        "echo ready; exec cat >/dev/null 2>&1",
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
    const [said, complaint] = await Promise.all([
      new Response(holder.stdout).text(),
      new Response(holder.stderr).text(),
    ]);
    if (said === "ready\n") {
      const space = new MountSpace(holder);
      try {
        await dropTemporary(space);
        return space;
      } catch (error) {
        await space[Symbol.asyncDispose]();
        throw error;
      }
    }
    await holder.stdin.abort().catch(() => {}); // closed with its process
    const { code } = await holder.status;
    throw new Error(`unshare ended with code ${code}: ${complaint.trim()}`);
  }

  get mountinfo(): string {
    return `/proc/${this.#pid}/mountinfo`;
  }

  get enter(): string[] {
    return ["nsenter", `--mount=/proc/${this.#pid}/ns/mnt`];
  }

  get #pid(): number {
    if (!this.#hasEnded) return this.#holder.pid;
    throw new Error(`process ${this.#holder.pid}, which held a mount namespace, has ended`);
  }

  /** True for a process that was started in it and still runs, whatever its environment. */
  holds(pid: number): boolean {
    if (pid === this.#holder.pid) return false;
    try {
      return Deno.readLinkSync(`/proc/${pid}/ns/mnt`) === this.#id;
    } catch {
      return false; // it has ended
    }
  }

  /** Ends with SIGKILL every process that was started in it, and waits until all are gone. */
  async endProcesses(): Promise<void> {
    await endAll(`in the mount namespace ${this.#id}`, () => {
      const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name));
      return Promise.resolve(pids.filter((pid) => Number.isInteger(pid) && this.holds(pid)));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.stdin.close().catch(() => {}); // closed with its process
    await this.#holder.status;
  }
}
