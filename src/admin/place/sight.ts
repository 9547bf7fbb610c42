// Whose knowledge of the arrays a claim is judged by: the leader's, or else this machine's.
import type { Config } from "../../config/model.ts";
import { lookAtArrays } from "../check/arrays_look.ts";
import type { Found } from "../check/found.ts";
import { readConfiguration } from "../commands/configuration.ts";
import type { AdminContext } from "../commands/context.ts";
import type { KubeTarget } from "../commands/kube_target.ts";
import { type SourceChoice, sourceFor } from "../commands/sources.ts";
import { askLeader, type LeaderSight, type NotAsked } from "./ask_leader.ts";
import type { AskedClaim, JudgedArray, JudgementScope } from "./judgement.ts";
import { arraysFromHere } from "./workstation.ts";

/** Who sees the arrays, for programs. */
export type SeenBy =
  | { who: "leader"; pod: string; oldestSeconds?: number }
  | ({ who: "workstation" } & NotAsked);

/** The arrays as somebody sees them. */
export interface Sight {
  seenBy: SeenBy;
  /** What a claim is judged by; absent: the configuration is not known. */
  scope?: JudgementScope;
  /** What is wrong with the configuration. */
  findings: readonly Found[];
  /** The configuration is there, and of no use. */
  isWrong: boolean;
  /** What is wrong with the array that gets the volume. */
  faultsOf(array: JudgedArray | undefined): Found[];
}

/** What the flags of the verb lead to. */
interface SightSetup {
  verb: string;
  choice: SourceChoice;
  target: KubeTarget | undefined;
  /** Absent: nothing is to be judged, and no array is asked. */
  asked: AskedClaim | undefined;
  context: AdminContext;
}

/** The leader's sight where it can be asked. Throws what sourceFor() throws. */
export async function sightFor(setup: SightSetup): Promise<Sight> {
  const { choice, target, asked, context } = setup;
  if (choice.file !== undefined) {
    return await sightFromHere(setup, {
      why: "--values gives a configuration of its own",
      fix: "leave --values out to see what the leader sees",
    });
  }
  if (target === undefined) {
    return await sightFromHere(setup, {
      why: "no cluster is named",
      fix: "name it by --kubeconfig to see what the leader sees",
    });
  }
  const { group, parameters: { container } = {} } = asked ?? {};
  const told = await askLeader(target.cluster, { group, container }, context.now);
  return "leader" in told ? leadersSight(told) : await sightFromHere(setup, told);
}

/** Whose knowledge it is: one line. */
export function sightLine(seenBy: SeenBy): string {
  if (seenBy.who === "workstation") {
    const { why, fix } = seenBy;
    return `As this machine sees it: the leader was not asked, because ${why}; ${fix}`;
  }
  const { pod, oldestSeconds } = seenBy;
  const age = oldestSeconds === undefined
    ? "no array has told it anything yet"
    : `its figures of the arrays are ${oldestSeconds} s old at most`;
  return `As the leader ${pod} sees it: ${age}`;
}

function leadersSight({ leader, view: { rules, arrays, oldestMs } }: LeaderSight): Sight {
  return {
    seenBy: {
      who: "leader",
      pod: leader,
      ...(oldestMs === undefined ? {} : { oldestSeconds: Math.ceil(oldestMs / 1000) }),
    },
    scope: { rules, arrays },
    findings: [],
    isWrong: false,
    faultsOf: (judged) => {
      const refusing = arrays.find(({ key, refuses }) => refuses && key === judged?.key);
      if (!refusing) return [];
      const what = "it refused the last create of the leader, whose log tells why";
      const fix = "see pso-bin admin check";
      return [{ level: "fail", object: refusing.label, check: "refusal", what, fix }];
    },
  };
}

async function sightFromHere(
  { verb, choice, target, asked, context }: SightSetup,
  notAsked: NotAsked,
): Promise<Sight> {
  const source = await sourceFor(choice, { verb, target, context, valuesFlag: "--values" });
  const read = source && await readConfiguration(source);
  const config = read?.loaded?.config;
  const seenBy: SeenBy = { who: "workstation", ...notAsked };
  const findings = read?.found.all ?? [];
  if (!config || !asked) {
    const isWrong = read !== undefined && !config;
    const scope = config && { rules: config, arrays: [] };
    return { seenBy, scope, findings, isWrong, faultsOf: () => [] };
  }
  return { seenBy, findings, isWrong: false, ...await arraysSeen(config, { asked, context }) };
}

async function arraysSeen(
  config: Config,
  { asked: { group }, context }: { asked: AskedClaim; context: AdminContext },
): Promise<Pick<Sight, "scope" | "faultsOf">> {
  const looks = await lookAtArrays(config, context);
  try {
    const arrays = await arraysFromHere(looks, { config, group });
    return {
      scope: { rules: config, arrays },
      faultsOf: (judged) =>
        looks.filter(({ config: { path } }) => path === judged?.key)
          .flatMap(({ found }) => found.all.filter(({ level }) => level === "fail")),
    };
  } finally {
    await Promise.all(looks.map((look) => look.close()));
  }
}
