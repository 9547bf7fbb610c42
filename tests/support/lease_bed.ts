/** Candidates for one Lease, and clocks that a test moves. */
import { ok } from "node:assert/strict";
import { FakeKubeApi } from "./fake_kube_api.ts";
import { silentLogger } from "../../src/log.ts";
import { KubeClient } from "../../src/kube/client.ts";
import { LeaderLease, type Takeover } from "../../src/kube/leader_lease.ts";
import { leaseStore } from "../../src/kube/lease_object.ts";

export const LEASE = { namespace: "pso", name: "leader" };

/** Two clocks that only the test moves; each process of a bed lives by them. */
export class Clocks {
  monotonicMs = 1_000;
  wallMs = Date.UTC(2026, 0, 1);
  readonly now = () => ({ monotonicMs: this.monotonicMs, wallMs: this.wallMs });

  move(ms: number): void {
    this.monotonicMs += ms;
    this.wallMs += ms;
  }
}

/** One process, and what became of it. */
export interface Candidate {
  lease: LeaderLease;
  takeovers: Takeover[];
  losses: string[];
  isWanted: boolean;
  obstacle?: string;
}

/** Some processes, one API server, one pair of clocks. */
export class Bed {
  readonly api = new FakeKubeApi();
  readonly clocks = new Clocks();

  constructor() {
    this.api.put(LEASE);
    this.edit({ holderIdentity: "", leaseDurationSeconds: 1, leaseTransitions: 4 });
  }

  edit(spec: Parameters<FakeKubeApi["edit"]>[1]): void {
    this.api.edit(LEASE, spec);
  }

  get holder(): string | undefined {
    return this.api.spec(LEASE).holderIdentity;
  }

  candidate(identity: string): Candidate {
    const kube = new KubeClient(this.api.server());
    const candidate: Omit<Candidate, "lease"> = { takeovers: [], losses: [], isWanted: true };
    const lease = new LeaderLease({
      store: leaseStore(kube, LEASE),
      identity,
      clock: this.clocks.now,
      isWanted: () => all.isWanted,
      obstacle: () => Promise.resolve(all.obstacle),
      onLead: (takeover) => all.takeovers.push(takeover),
      onLost: (reason) => all.losses.push(reason),
      log: silentLogger,
    });
    const all: Candidate = { ...candidate, lease };
    return all;
  }

  /** A process that leads. */
  async leader(identity: string): Promise<Candidate> {
    const leader = this.candidate(identity);
    await leader.lease.step();
    ok(leader.lease.mayChange);
    return leader;
  }

  /** Lets time pass in steps of a second, in which each of them does what is due. */
  async pass(seconds: number, ...candidates: Candidate[]): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.clocks.move(1_000);
      for (const { lease } of candidates) await lease.step();
    }
  }
}
