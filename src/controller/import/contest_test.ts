import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { PsoError } from "../../errors.ts";
import { contend, type Contender, type Contested, wonMarks } from "./contest.ts";

/** The tags of one volume, as an array keeps them: each call is carried out as a whole. */
class TaggedVolume {
  readonly tags = new Map<string, string>();

  /** A cluster that wants it; each of its calls waits for `turn`. */
  contested(
    { cluster }: Contender,
    turn: () => Promise<void> = () => Promise.resolve(),
  ): Contested {
    return {
      what: `Cannot import data for ${cluster}`,
      tags: new Map(this.tags),
      read: async () => {
        await turn();
        return new Map(this.tags);
      },
      write: async (tags) => {
        await turn();
        for (const [key, value] of Object.entries(tags)) this.tags.set(key, value);
      },
      judge: (tags) => {
        const owner = tags.get("cluster");
        if (owner !== undefined && owner !== cluster) throw new PsoError("in_use", `of ${owner}`);
      },
      wait: () => turn(),
    };
  }

  /** A whole import. */
  async import(contender: Contender, turn?: () => Promise<void>): Promise<string> {
    const contested = this.contested(contender, turn);
    const { read, write, judge } = contested;
    try {
      const tags = await read();
      judge(tags);
      await contend(contender, { ...contested, tags });
      await write({ cluster: contender.cluster, ...wonMarks(contender) });
      return "won";
    } catch (error) {
      return error instanceof PsoError ? error.code : String(error);
    }
  }
}

const A: Contender = { cluster: "a", csiName: "pvc-1", ignored: [] };
const B: Contender = { cluster: "b", csiName: "pvc-2", ignored: [] };

/** Two imports whose calls come in the order of `schedule`, one bit for each: 0 for the first. */
async function interleaved(schedule: number, [one, two]: [Contender, Contender]) {
  const volume = new TaggedVolume();
  const waiting: (() => void)[][] = [[], []];
  const turnOf = (which: number) => () =>
    new Promise<void>((resolve) => void waiting[which]?.push(resolve));
  const running = [volume.import(one, turnOf(0)), volume.import(two, turnOf(1))];
  let left = running.length;
  for (const each of running) each.finally(() => left--);
  for (let at = 0; left > 0; at++) {
    const first = at < 16 ? (schedule >> at) & 1 : at % 2;
    (waiting[first]?.shift() ?? waiting[1 - first]?.shift())?.();
    // Whatever the answer makes of it comes before the next call.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return { outcomes: await Promise.all(running), volume };
}

Deno.test("of two clusters that import one volume one gets it at most, in whatever order their calls come", async () => {
  const seen = new Set<string>();
  // Each call of both in every order of the first ten.
  const results = await Promise.all(
    Array.from({ length: 1024 }, (_, schedule) => interleaved(schedule, [A, B])),
  );
  for (const { outcomes, volume } of results) {
    const winners = outcomes.filter((outcome) => outcome === "won").length;
    ok(winners <= 1, `both won: ${outcomes}`);
    seen.add(outcomes.join());
    const owner = volume.tags.get("cluster");
    equal(owner, outcomes[0] === "won" ? "a" : outcomes[1] === "won" ? "b" : undefined);
    for (const key of ["importing.a", "importing.b"]) {
      ok([undefined, "ended"].includes(volume.tags.get(key)), "a mark was left");
    }
  }
  ok(
    [...seen].some((one) => one.startsWith("won")) && [...seen].some((one) => one.endsWith("won")),
  );
});

Deno.test("a cluster that sees another's mark is told whose it is, and writes none", async () => {
  const volume = new TaggedVolume();
  volume.tags.set("importing.b", "pvc-2");
  await rejects(contend(A, volume.contested(A)), (error: PsoError) => {
    match(error.message, /^Cannot import data for a: cluster b is .*importing\.b=pvc-2/);
    return error.code === "unavailable";
  });
  deepEqual([...volume.tags.keys()], ["importing.b"]);
});

Deno.test("a mark that the cluster left behind is taken back when another's stands, so that one of them comes to it", async () => {
  const volume = new TaggedVolume();
  volume.tags.set("importing.a", "pvc-1").set("importing.b", "pvc-2");
  equal(await volume.import(B), "unavailable");
  equal(volume.tags.get("importing.b"), "ended");
  equal(await volume.import(A), "won");
});

Deno.test("a mark of a cluster that deletePrefixes names, and one that ended, mean nothing", async () => {
  const volume = new TaggedVolume();
  volume.tags.set("importing.b", "pvc-2").set("importing.c", "ended");
  await contend({ ...A, ignored: ["b"] }, volume.contested(A));
  equal(volume.tags.get("importing.a"), "pvc-1");
});

Deno.test("a mark whose answer was lost is taken back", async () => {
  const volume = new TaggedVolume();
  const contested = volume.contested(A);
  let isLost = true;
  const write = async (tags: Record<string, string>) => {
    await contested.write(tags);
    if (isLost) {
      isLost = false;
      throw new PsoError("timeout", "no answer");
    }
  };
  await rejects(contend(A, { ...contested, write }), { code: "timeout" });
  equal(volume.tags.get("importing.a"), "ended");
});

Deno.test("of two clusters with one clusterID the one whose mark was overwritten gets nothing", async () => {
  const volume = new TaggedVolume();
  const contested = volume.contested(A);
  const read = () => Promise.resolve(new Map([["importing.a", "pvc-9"]]));
  await rejects(contend(A, { ...contested, read }), {
    code: "unavailable",
    message: /clusterID a/,
  });
});
