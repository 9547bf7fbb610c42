import { messageOf, PsoError } from "../../errors.ts";
import { readHostText } from "../../host/host.ts";
import {
  isSameRoute,
  listControllers,
  type NvmeController,
  type NvmeRoute,
} from "../../host/nvme.ts";
import { KeyedQueue } from "../../async/keyed_queue.ts";
import type { NodeContext } from "../context.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

type NotesContext = Pick<NodeContext, "host" | "log" | "stateDir" | "targets">;

/** One change of a file after another: each reads what the one before has written. */
const turns = new KeyedQueue();

interface Notes {
  bootId: string;
  routes: NvmeRoute[];
  /** WWIDs of the namespaces that this driver has let go, and that may still be there. */
  released?: string[];
}

/**
 * The NVMe connections that this driver made, in one small file of the node, because the kernel
 * shows nothing by which to know them again. A note is written before its connection is made, and
 * counts only in the boot in which it was written: connections do not outlive the boot.
 */
export class NvmeNotes {
  readonly #context: NotesContext;
  readonly #path: string;

  constructor(context: NotesContext) {
    this.#context = context;
    this.#path = `${context.stateDir}/nvme-connections.json`;
  }

  /**
   * Notes a connection that is about to be made. `unavailable` when the note cannot be written:
   * then the connection must not be made, because nobody would end it.
   */
  async add(route: NvmeRoute): Promise<void> {
    await this.#change((routes) => [...routes.filter((one) => !isSameRoute(one, route)), route]);
  }

  /** Forgets a connection that has ended. */
  async remove(route: NvmeRoute): Promise<void> {
    await this.#change((routes) => routes.filter((one) => !isSameRoute(one, route)));
  }

  /**
   * Forgets connections that others have ended, because one that they make later by the same route
   * is theirs. Safe beside an attach: it holds its target from before its note until its connection
   * is there.
   */
  async forgetEnded(): Promise<void> {
    await this.#change(async (routes) => {
      // Asked first: an attach that ends in between has its connection in the list.
      const idle = routes.filter(({ nqn }) => !this.#context.targets.isUsed(nqn));
      if (idle.length === 0) return routes;
      const controllers = await listControllers(this.#context.host);
      const ended = idle.filter((route) =>
        !controllers.some((controller) => isSameRoute(route, controller))
      );
      return ended.length === 0 ? routes : routes.filter((route) => !ended.includes(route));
    });
  }

  /** Notes that this driver is done with a namespace; `there` are those that the kernel shows. */
  async release(wwid: string, there: string[]): Promise<void> {
    await this.#replace(({ released = [], ...notes }) => ({
      ...notes,
      released: [...released.filter((one) => one !== wwid && there.includes(one)), wwid],
    }));
  }

  /** Notes that a namespace is used again. */
  async take(wwid: string): Promise<void> {
    await this.#replace((notes) =>
      notes.released?.includes(wwid)
        ? { ...notes, released: notes.released.filter((one) => one !== wwid) }
        : notes
    );
  }

  /** The WWIDs of the namespaces that this driver let go in this boot. */
  async released(): Promise<string[]> {
    return (await this.#read()).released ?? [];
  }

  /** Filters the controllers down to those that this driver connected in this boot. */
  async ours(controllers: NvmeController[]): Promise<NvmeController[]> {
    const { routes } = await this.#read();
    return controllers.filter((controller) =>
      routes.some((route) => isSameRoute(route, controller))
    );
  }

  async #read(): Promise<Notes> {
    const bootId = await readHostText(this.#context.host, BOOT_ID) ?? "";
    try {
      const notes = JSON.parse(await Deno.readTextFile(this.#path));
      const isWhole = Array.isArray(notes.routes) &&
        notes.routes.every((route: unknown) => typeof Object(route).nqn === "string");
      if (notes.bootId === bootId && isWhole) return notes;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        this.#context.log.warn("notes of NVMe connections ignored", {
          path: this.#path,
          reason: messageOf(error),
        });
      }
    }
    return { bootId, routes: [] };
  }

  async #change(edit: (routes: NvmeRoute[]) => NvmeRoute[] | Promise<NvmeRoute[]>): Promise<void> {
    await this.#replace(async (notes) => {
      const routes = await edit(notes.routes);
      return routes === notes.routes ? notes : { ...notes, routes };
    });
  }

  /** Replaces the file with the edited notes, after the changes that came before. */
  async #replace(edit: (notes: Notes) => Notes | Promise<Notes>): Promise<void> {
    await turns.inTurn(this.#path, async () => {
      const before = await this.#read();
      const notes = await edit(before);
      if (notes === before) return;
      const fresh = `${this.#path}.new`;
      try {
        await Deno.mkdir(this.#context.stateDir, { recursive: true });
        await Deno.writeTextFile(fresh, `${JSON.stringify(notes)}\n`, {
          mode: 0o600,
        });
        await Deno.rename(fresh, this.#path);
      } catch (error) {
        const fix = "make the node's --state-dir writable";
        throw new PsoError(
          "unavailable",
          `notes ${this.#path} cannot be written: ${messageOf(error)}; ${fix}`,
          { cause: error },
        );
      }
    }, undefined); // a small file: it is written, whoever has left meanwhile
  }
}
