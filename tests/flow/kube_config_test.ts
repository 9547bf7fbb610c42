// Controllers whose configuration is an object of the API: it may be missing, come later, change, be
// wrong and go, and no process ends because of it.
import { equal, match, rejects } from "node:assert/strict";
import { claimNameOf } from "../../scripts/claim.ts";
import { until } from "../../src/async/wait.ts";
import { LeaderBed, type Replica } from "./leader_bed.ts";

const SECRET = { collection: "secrets", namespace: "pso", name: "arrays" };
const FROM = ["pso/secret/arrays"];
const START_MS = 30_000;
/** What is promised of a change. */
const TAKEN_MS = 10_000;

/** Puts the Secret as `kubectl` would. */
function putSecret({ api }: LeaderBed, text: string): void {
  api.put(SECRET, { data: { "pure.json": btoa(text) } });
}

/** Waits until a page of a controller shows it; a controller that still starts has no pages. */
function shows(
  replica: Replica,
  { page, pattern }: { page: string; pattern: RegExp },
  timeoutMs = TAKEN_MS,
): Promise<boolean> {
  const isShown = async () => pattern.test(await replica.admin(page).catch(() => ""));
  return until(`${replica.name} ${page} ${pattern}`, isShown, { timeoutMs }).then(() => true);
}

/** The reasons of the Events of one controller. */
function eventsOf({ api }: LeaderBed, pod: string): string[] {
  return api.store.select({ collection: "events", namespace: "pso" })
    .filter(({ reportingInstance }) => reportingInstance === pod).map(({ reason }) => `${reason}`);
}

Deno.test("a Secret that is missing at the start is waited for, and is taken up when it appears", async () => {
  await LeaderBed.run(async (bed) => {
    const replicas = ["pso-a", "pso-b"].map((name) => bed.start(name, { configFrom: FROM }));
    for (const replica of replicas) {
      const waits =
        /503 [^]*"configuration","ok":false,"state":"waiting","reason":"Secret pso\/arrays key pure\.json does not exist: create it/;
      await shows(replica, { page: "/readyz", pattern: waits }, START_MS);
      match(await replica.admin("/healthz"), / 200 /);
      await shows(replica, { page: "/metrics", pattern: /^pso_config_current 0$/m });
      await rejects(replica.create(claimNameOf("early")), /has no configuration yet/);
      // An Event is sent beside the work.
      const told = () => eventsOf(bed, replica.name).includes("ConfigurationRefused");
      await until("an Event tells it", told, { timeoutMs: TAKEN_MS });
    }
    equal(bed.replicas.some(({ isReady, child }) => isReady || child.hasEnded), false);

    putSecret(bed, JSON.stringify(await bed.arrays()));
    await Promise.all(
      replicas.map((replica) =>
        shows(replica, { page: "/readyz", pattern: / 200 [^]*"configuration","ok":true/ })
      ),
    );
    const leader = await bed.leader(TAKEN_MS);
    await leader.create(claimNameOf("first"));
    equal((await bed.volumes()).length, 1);
  });
});

Deno.test("leader and standby take a changed Secret up; a bad or deleted one leaves the last good one", async () => {
  await LeaderBed.run(async (bed) => {
    const arrays = await bed.arrays();
    const [one] = arrays.FlashArrays ?? [];
    putSecret(bed, JSON.stringify({ FlashArrays: [one] }));
    const replicas = ["pso-a", "pso-b"].map((name) => bed.start(name, { configFrom: FROM }));
    const all = (page: string, pattern: RegExp, timeoutMs = TAKEN_MS) =>
      Promise.all(replicas.map((replica) => shows(replica, { page, pattern }, timeoutMs)));
    await all("/metrics", /^pso_arrays_configured 1$/m, START_MS);
    const leader = await bed.leader(START_MS);

    putSecret(bed, JSON.stringify(arrays));
    await all("/metrics", /^pso_arrays_configured 2$/m);

    const refusals = [() => putSecret(bed, `{"FlashArrays": 7}`), () => bed.api.remove(SECRET)];
    for (const refuse of refusals) {
      refuse();
      await all("/metrics", /^pso_config_current 0$/m);
      await all("/metrics", /^pso_arrays_configured 2$/m);
      await all("/readyz", / 200 [^]*"configuration","ok":false,"state":"failed"/);
    }
    for (const { name } of replicas) {
      const refused = () =>
        eventsOf(bed, name).filter((reason) => reason === "ConfigurationRefused").length === 2;
      await until(`two Events of ${name}`, refused, { timeoutMs: TAKEN_MS });
    }
    await leader.create(claimNameOf("still"));

    putSecret(bed, "{}");
    await all("/readyz", / 200 [^]*"state":"no arrays"/);
    await rejects(leader.create(claimNameOf("none")), /UNAVAILABLE: no arrays are configured: add/);
    for (const { name } of replicas) {
      const isTold = () => eventsOf(bed, name).includes("NoArrays");
      await until(`the Event of ${name}`, isTold, { timeoutMs: TAKEN_MS });
    }

    putSecret(bed, JSON.stringify(arrays));
    await all("/metrics", /^pso_arrays_configured 2$/m);
    await all("/metrics", /^pso_config_current 1$/m);
    await leader.create(claimNameOf("again"));
    equal(bed.replicas.some(({ child }) => child.hasEnded), false);
  });
});

Deno.test("a controller that waits for its configuration ends at once by SIGTERM", async () => {
  await LeaderBed.run(async (bed) => {
    const replica = bed.start("pso-a", { configFrom: FROM });
    await shows(replica, { page: "/readyz", pattern: /"state":"waiting"/ }, START_MS);
    replica.child.signal("SIGTERM");
    await until("its end", () => replica.child.hasEnded, { timeoutMs: 5_000 });
    equal((await replica.child.ended).code, 0);
  });
});

Deno.test("a values file that becomes bad is told by /readyz, an Event and a metric, until it is good", async () => {
  await LeaderBed.run(async (bed) => {
    const replica = bed.start("pso-a");
    const leader = await bed.leader(START_MS);
    const good = await Deno.readTextFile(bed.values);
    await Deno.writeTextFile(bed.values, `${good}\nmaxVolumesPerNode: many\n`);
    const fails = / 200 [^]*"configuration","ok":false,"state":"failed"/;
    await shows(replica, { page: "/readyz", pattern: fails }, 2 * TAKEN_MS);
    await shows(replica, { page: "/metrics", pattern: /^pso_config_current 0$/m });
    const told = () => eventsOf(bed, "pso-a").includes("ConfigurationRefused");
    await until("the Event", told, { timeoutMs: TAKEN_MS });
    await leader.create(claimNameOf("still"));

    await Deno.writeTextFile(bed.values, good);
    const current = /^pso_config_current 1$/m;
    await shows(replica, { page: "/metrics", pattern: current }, 2 * TAKEN_MS);
    match(await replica.admin("/readyz"), /^(?![^]*"configuration")/);
  });
});
