// What a changed configuration does while the controller serves: each change has its effect.
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { parse as parseYaml, stringify } from "@std/yaml";
import { claimNameOf } from "../../scripts/claim.ts";
import { until } from "../../src/async/wait.ts";
import { GiB } from "../../src/size.ts";
import { AUTHORITY, TlsAuthority } from "../support/tls_authority.ts";
import { TlsFront } from "../support/tls_front.ts";
import { LeaderBed } from "./leader_bed.ts";
import { LiveBed } from "./live_bed.ts";
import { Load } from "./live_load.ts";
import { RWO } from "./provisioner_bed.ts";

/** The longest until a changed file is in use; a guard, not a promise. */
const TAKEN_MS = 60_000;

/** What is asked of one array whose certificate can be exchanged. */
interface FrontBed {
  bed: LiveBed;
  front: TlsFront;
  authority: TlsAuthority;
  /** Takes the changed entry up, and waits until it is in use. */
  takenUp: (change: Record<string, unknown>) => Promise<void>;
  /** Shows the certificate of that name to new connections. */
  show: (file: string) => Promise<void>;
}

/** Two arrays, the first behind TLS: its certificate `one` is of `ca`, and `two` of `ca2`. */
function behindTls(work: (bed: FrontBed) => Promise<void>): () => Promise<void> {
  return () =>
    TlsAuthority.use(async (authority) => {
      await authority.make("ca2", { extensions: AUTHORITY, name: "new ca", issuer: "self" });
      await authority.make("strange", { extensions: AUTHORITY, name: "stranger", issuer: "self" });
      await authority.make("one");
      await authority.make("two", { issuer: "ca2" });
      const certificate = (file: string) => ({
        cert: authority.pem(file),
        key: authority.key(file),
      });
      await LiveBed.run({ flasharrays: 2 }, async (bed) => {
        using front = new TlsFront(bed.array("fa-1").address, certificate("one"));
        const takenUp = async (change: Record<string, unknown>) => {
          const times = () => bed.reasons().filter((one) => one === "ArrayEntryTakenUp").length;
          const before = times();
          Object.assign(bed.entry("fa-1"), change);
          await bed.apply();
          const isInUse = () => times() > before && bed.states()[0] === "fa-1 ok";
          await bed.until("the entry is in use", isInUse);
        };
        const show = (file: string) => front.show(certificate(file));
        const MgmtEndPoint = `https://127.0.0.1:${front.port}`;
        await takenUp({ MgmtEndPoint, CACert: authority.pem("ca") });
        await work({ bed, front, authority, takenUp, show });
      });
    });
}

Deno.test(
  "15.4: a certificate of another authority is taken under load without one failed request",
  behindTls(async ({ bed, front, authority, takenUp, show }) => {
    const load = new Load(bed);
    await load.goesOn();
    await takenUp({ CACert: authority.pem("ca", "ca2") });
    await load.goesOn();
    await show("two");
    await load.goesOn();
    await takenUp({ CACert: authority.pem("ca2") });
    await load.goesOn();
    ok(front.taken > 0, "what is sent now goes by the new certificate");
    await load.end();
    equal(bed.isCurrent, true);
  }),
);

Deno.test(
  "15.4: an authority that did not sign the certificate is refused and told, and requests go on",
  behindTls(async ({ bed, authority }) => {
    const load = new Load(bed);
    await load.goesOn();
    bed.entry("fa-1").CACert = authority.pem("strange");
    await bed.apply();
    await bed.shown("fa-1 kept", "fa-2 ok");
    const told = bed.events.find(({ reason }) => reason === "ArrayEntryRefused");
    match(
      told?.note ?? "",
      /array fa-1 is not in use, the last good one stays: .*certificate of .* is not trusted/,
    );
    match(bed.readiness()[0]?.reason ?? "", /is not trusted/);
    equal(bed.isCurrent, false);
    await load.goesOn();
    bed.entry("fa-1").CACert = authority.pem("ca");
    await bed.apply();
    await bed.shown("fa-1 ok", "fa-2 ok");
    equal(bed.isCurrent, true);
    await load.goesOn();
    await load.end();
  }),
);

Deno.test(
  "15.4: a certificate of an unknown authority is told; the array is served once that is known",
  behindTls(async ({ bed, front, authority, takenUp, show }) => {
    bed.entry("fa-2").Suspended = true;
    await bed.apply();
    const held = await bed.create(claimNameOf("held"));
    await show("two");
    front.cut();
    const isTold = () => /is not trusted/.test(bed.readiness()[0]?.reason ?? "");
    await bed.until("the certificate is told", isTold);
    await rejects(bed.create(claimNameOf("late")), {
      code: "unavailable",
      message: /certificate of .* is not trusted/,
    });
    await takenUp({ CACert: authority.pem("ca2") });
    await bed.create(claimNameOf("late"));
    await bed.delete(held);
  }),
);

/** A claim of a class with these parameters. */
async function create(
  bed: LiveBed,
  name: string,
  { parameters = {}, sizeBytes = GiB }: {
    parameters?: Record<string, string>;
    sizeBytes?: number;
  } = {},
): Promise<string> {
  const { volumeId } = await bed.provisioner.createVolume({
    name: claimNameOf(name),
    capacityRange: { requiredBytes: sizeBytes, limitBytes: 0 },
    capabilities: [RWO],
    parameters,
  }, bed.signal);
  return volumeId;
}

Deno.test("15.4: other labels choose other arrays from the next create on", async () => {
  await LiveBed.run({ flasharrays: 2 }, async (bed) => {
    const parameters = { labels: "tier=gold" };
    await rejects(create(bed, "early", { parameters }), { code: "exhausted" });
    const made: string[] = [];
    for (const [name, other] of [["fa-1", "fa-2"], ["fa-2", "fa-1"]] as const) {
      bed.entry(name).Labels = { tier: "gold" };
      bed.entry(other).Labels = { tier: "silver" };
      await bed.apply();
      const ids = [];
      for (const at of [1, 2, 3]) ids.push(await create(bed, `${name}-${at}`, { parameters }));
      const hints = new Set(ids.map((id) => id.slice(0, 8)));
      equal(hints.size, 1, "all on the golden one");
      made.push(...hints);
    }
    equal(new Set(made).size, 2);
  });
});

/** A limit, what it forbids, and a value that allows it again. */
const LIMITS: {
  name: string;
  set: (bed: LiveBed, isLow: boolean) => void;
  /** What is over the low limit. */
  work: (bed: LiveBed, held: string) => Promise<unknown>;
  refusal: RegExp;
}[] = [
  {
    name: "maxVolumesPerNode",
    set: ({ values }, isLow) => void (values.maxVolumesPerNode = isLow ? 1 : 2),
    work: async (bed) => await bed.publish(await bed.create(claimNameOf("second"))),
    refusal: /volumes/,
  },
  {
    name: "placement.volumesPerArray",
    set: ({ values }, isLow) => void (values.placement = { volumesPerArray: isLow ? 1 : 5 }),
    work: (bed) => bed.create(claimNameOf("second")),
    refusal: /volumes/,
  },
  {
    name: "placement.headroom",
    set: ({ values }, isLow) => void (values.placement = { headroom: isLow ? 90 : 10 }),
    work: (bed) => create(bed, "large", { sizeBytes: 20 * GiB }),
    refusal: /fa-1 has 10 GiB free/,
  },
];
for (const { name, set, work, refusal } of LIMITS) {
  Deno.test(`15.4: another ${name} holds from the next call on; what is there stays`, async () => {
    await LiveBed.run({ flasharrays: 1, capacityBytes: 100 * GiB }, async (bed) => {
      const held = await bed.create(claimNameOf("held"));
      await bed.publish(held);
      set(bed, true);
      await bed.apply();
      await rejects(work(bed, held), { code: "exhausted", message: refusal });
      await bed.publish(held);
      set(bed, false);
      await bed.apply();
      await work(bed, held);
      deepEqual(bed.states(), ["fa-1 ok"]);
    });
  });
}

Deno.test("15.4: app.debug of a changed file is heeded, on and off, without restart", async () => {
  await LeaderBed.run(async (bed) => {
    const controller = bed.start("pso-a");
    await bed.leader(TAKEN_MS);
    const values = parseYaml(await Deno.readTextFile(bed.values)) as Record<string, unknown>;
    const debugLines = async () =>
      (await controller.child.output()).split("\n").filter((line) => /"level":"debug"/.test(line));
    const changed = async (debug: boolean) => {
      const times = async () =>
        (await controller.child.output()).split("configuration taken up").length;
      const before = await times();
      await Deno.writeTextFile(bed.values, stringify({ ...values, app: { debug } }));
      await until("the file is taken up", async () => await times() > before, {
        timeoutMs: TAKEN_MS,
      });
    };
    await controller.create(claimNameOf("quiet"));
    deepEqual(await debugLines(), []);
    await changed(true);
    await controller.create(claimNameOf("loud"));
    ok((await debugLines()).some((line) => /"event":"rpc request".*CreateVolume/.test(line)));
    await changed(false);
    const told = (await debugLines()).length;
    await controller.create(claimNameOf("quiet-again"));
    equal((await debugLines()).length, told);
    equal(await bed.volumes().then((names) => names.length), 3);
  });
});
