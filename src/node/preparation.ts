import { PsoError } from "../errors.ts";
import { type Protocol, PROTOCOLS } from "../protocols.ts";
import { SingleFlight } from "../async/single_flight.ts";
import { blockReasons } from "../host/check/finding.ts";
import { serviceFindings } from "../host/check/service_check.ts";
import { equipmentReasons, type IdentityOptions } from "./identity.ts";

/**
 * How long a look at the host counts. After a look that found something missing, require() looks
 * again at once: an administrator may have mended it.
 */
const COUNTS_FOR_MS = 30_000;

/** The host to look at, and what is asked of it. */
interface PreparationOptions extends IdentityOptions {
  /** flasharray.multipath */
  multipath: boolean;
  /** For tests. */
  nowMs?: () => number;
}

/** The end of a look at the host. */
interface Known {
  atMs: number;
  /** Why the protocol cannot be used; absent when it can. */
  reason: string | undefined;
}

/**
 * Whether this host can attach volumes by a protocol now: what it has, and the services that must
 * run. Looking starts tools, so calls at one time share one look, and what was found good is not
 * looked at again for a while.
 */
export class Preparation {
  readonly #options: PreparationOptions;
  readonly #nowMs: () => number;
  readonly #known = new Map<Protocol, Known>();
  readonly #looks = new SingleFlight<Protocol, string | undefined>();

  constructor(options: PreparationOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** `unavailable` with the reason and what to do when the protocol cannot be used now. */
  async require(protocol: Protocol): Promise<void> {
    const reason = await this.#reason(protocol, { takesBad: false });
    if (reason === undefined) return;
    throw new PsoError("unavailable", `this node is not prepared for ${protocol}: ${reason}`);
  }

  /**
   * Why each protocol cannot be used, at most 30 s old, for readiness; those that can are left out.
   */
  async reasons(): Promise<Partial<Record<Protocol, string>>> {
    const found = await Promise.all(
      PROTOCOLS.map(async (protocol) =>
        [protocol, await this.#reason(protocol, { takesBad: true })] as const
      ),
    );
    return Object.fromEntries(found.filter(([, reason]) => reason !== undefined));
  }

  async #reason(
    protocol: Protocol,
    { takesBad }: { takesBad: boolean },
  ): Promise<string | undefined> {
    const known = this.#known.get(protocol);
    const isFresh = known !== undefined && this.#nowMs() - known.atMs < COUNTS_FOR_MS;
    if (isFresh && (takesBad || known.reason === undefined)) return known.reason;
    return await this.#looks.run(protocol, async () => {
      const atMs = this.#nowMs();
      const reason = await this.#look(protocol);
      this.#known.set(protocol, { atMs, reason });
      return reason;
    });
  }

  async #look(protocol: Protocol): Promise<string | undefined> {
    const { host, attachable, multipath } = this.#options;
    const equipment = (await equipmentReasons({
      ...this.#options,
      attachable: attachable.filter((one) => one === protocol),
    }))[protocol];
    if (equipment !== undefined) return equipment;
    return blockReasons(
      await serviceFindings(host, { protocols: [protocol], multipath }),
    )[protocol];
  }
}
