// Provisioning that waits for nothing: arrays that are silent, dead, suspended or refuse, beside
// arrays that work.
import { registerFleet } from "../../src/arrays/fleet_metrics.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { arrayReadiness } from "../../src/arrays/readiness.ts";
import { until } from "../../src/async/wait.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";

/** What `work` gives, and that it took no more than a second. */
async function withinSecond<T>(work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  try {
    return await work();
  } finally {
    const tookMs = performance.now() - started;
    ok(tookMs < 1_000, `took ${Math.round(tookMs)} ms`);
  }
}

/** A create with a long deadline that is refused within a second. */
async function refusedAtOnce(bed: ProvisionerBed, message: RegExp): Promise<void> {
  await withinSecond(() => rejects(bed.create("pvc-1"), { code: "unavailable", message }));
}

Deno.test("a create is refused within a second, with what the health check knows of a silent array", async () => {
  await ProvisionerBed.run({ cold: true }, async (bed) => {
    bed.link("fa-2", "silent");
    await bed.fleet.refresh(bed.signal);
    const [, silent] = bed.fleet.members;
    match(silent?.problem?.message ?? "", /the check of array fa-2 took longer than 1000 ms/);
    await refusedAtOnce(bed, /^Cannot create pvc-1: .*fa-2 did not answer \(.*check of array fa-2/);
  });
});

Deno.test("a create is refused within a second while an array has not answered its first check", async () => {
  await ProvisionerBed.run({ cold: true }, async (bed) => {
    bed.link("fa-2", "silent");
    await refusedAtOnce(bed, /fa-2 did not answer \(.*which never answered so far/);
  });
});

Deno.test("a create is refused within a second, with the reason, when a token is refused", async () => {
  await ProvisionerBed.run({ cold: true }, async (bed) => {
    await bed.fault({
      array: "fa-2",
      match: { path: "*/login" },
      action: "status",
      value: 401,
      times: 100,
    });
    await bed.fleet.refresh(bed.signal);
    await refusedAtOnce(bed, /fa-2 did not answer \(array fa-2 refuses the API token/);
  });
});

Deno.test("an array that is back is found by the create itself, before the next check", async () => {
  await ProvisionerBed.run({ cold: true }, async (bed) => {
    bed.link("fa-2", "unreachable");
    await bed.fleet.refresh(bed.signal);
    await refusedAtOnce(bed, /fa-2 did not answer/);
    bed.link("fa-2", "whole");
    await bed.create("pvc-1");
  });
});

Deno.test("the controller is ready while one array is served, and names the others' problems", async () => {
  await ProvisionerBed.run({ cold: true }, async (bed) => {
    bed.link("fa-2", "unreachable");
    await bed.fleet.refresh(bed.signal);
    const [first, second] = arrayReadiness(bed.fleet);
    deepEqual(first, { name: "fa-1", ok: true, state: "ok" });
    deepEqual([second?.ok, second?.optional], [false, true]);
    match(second?.reason ?? "", /ECONNREFUSED/);
  });
});

Deno.test("a suspended array gets no new volumes, no create waits for it, and what it holds is served", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const entries = bed.fleet.members.map(({ array }) => ({ array }));
    const suspend = (label: string) =>
      bed.fleet.replace(
        entries.map(({ array }) => ({ array, suspended: array.label === label })),
      );
    suspend("fa-2");
    const onFirst = await bed.create("pvc-1");
    suspend("fa-1");
    await bed.create("pvc-2");
    deepEqual(await bed.volumes(), { "fa-1": ["k8s-pvc-1"], "fa-2": ["k8s-pvc-2"] });
    equal(await bed.create("pvc-1"), onFirst, "a claim that is there already is found");
    await rejects(bed.create("pvc-3", { contentSource: { volumeId: onFirst } }), {
      code: "exhausted",
      message: /fa-1 is suspended and gets no new volumes/,
    });
    const { snapshotId } = await bed.provisioner.createSnapshot(
      { name: "s-1", sourceVolumeId: onFirst },
      bed.signal,
    );
    await bed.provisioner.deleteSnapshot(snapshotId, bed.signal);
    await bed.provisioner.deleteVolume(onFirst, bed.signal);
    deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": ["k8s-pvc-2"] });
  });
});

Deno.test("a suspended array that is silent or refuses stops no create, at a controller's start too", async () => {
  for (const state of ["silent", "unreachable"] as const) {
    await ProvisionerBed.run({ cold: true, suspended: ["fa-2"] }, async (bed) => {
      bed.link("fa-2", state);
      const checks = bed.fleet.refresh(bed.signal);
      const [first] = bed.fleet.members;
      await until("fa-1 is checked", () => first?.warm, { timeoutMs: 900 });
      await withinSecond(() => bed.create("pvc-1"));
      await checks;
      await withinSecond(() => bed.create("pvc-2"));
      const made = await first?.array.listVolumes({ limit: 10 }, bed.signal);
      deepEqual(made?.items.map(({ name }) => name), ["k8s-pvc-1", "k8s-pvc-2"]);
    });
  }
});

Deno.test("a claim that exists on a suspended array too is refused by a repeat once that array is back", async () => {
  await ProvisionerBed.run({ flasharrays: 2, cold: true, suspended: ["fa-2"] }, async (bed) => {
    const [, second] = bed.fleet.members;
    await second?.array.createVolume({ name: "k8s-pvc-1", sizeBytes: 2 ** 30 }, bed.signal);
    bed.link("fa-2", "silent");
    await bed.fleet.refresh(bed.signal);
    const volumeId = await bed.create("pvc-1");
    bed.link("fa-2", "whole");
    await bed.fleet.refresh(bed.signal);
    await rejects(bed.create("pvc-1"), {
      code: "unavailable",
      message: /fa-1 \(serial \w+\) and fa-2 \(serial \w+\) both have it/,
    });
    await bed.provisioner.deleteVolume(volumeId, bed.signal);
    deepEqual(await bed.volumes(), { "fa-1": [], "fa-2": ["k8s-pvc-1"] });
  });
});

Deno.test("a call for a volume waits for no array but the one that its handle names", async () => {
  await ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
    const [volumeId] = [await bed.create("pvc-1"), await bed.create("pvc-2")];
    const home = bed.fleet.members.find(({ id }) => volumeId.startsWith(id?.slice(0, 8) ?? "-"));
    await bed.restart();
    bed.link(home?.array.label === "fa-1" ? "fa-2" : "fa-1", "silent");
    await withinSecond(() => bed.provisioner.getVolume(volumeId, bed.signal));
  });
});

const FORBIDDEN = { match: { method: "POST", path: "/volumes" }, action: "status", value: 403 };

/** The value of `pso_array_refuses` for an array. */
function refuses({ fleet }: ProvisionerBed, array: string): string | undefined {
  const metrics = new Metrics();
  registerFleet(metrics, fleet);
  return new RegExp(`^pso_array_refuses\\{array="${array}"\\} (\\d)$`, "m").exec(metrics.text())
    ?.[1];
}

Deno.test("30 of 30 claims are made while one of two arrays refuses the role, and the array's problem shows", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    await bed.fault({ ...FORBIDDEN, array: "fa-1", times: 1_000 });
    await bed.fault({ array: "fa-1", match: { method: "PATCH" }, action: "status", value: 403 });
    const calls = await bed.calls(async () => {
      for (let index = 0; index < 30; index++) await bed.create(`pvc-${index}`);
    });
    equal((await bed.volumes())["fa-2"]?.length, 30);
    // The first refusal puts fa-1 behind fa-2.
    equal(calls.filter((call) => call === "POST /volumes").length, 31);
    await bed.fleet.refresh(bed.signal);
    const [shown] = arrayReadiness(bed.fleet);
    deepEqual([shown?.name, shown?.ok, shown?.optional], ["fa-1", false, true]);
    match(shown?.reason ?? "", /Storage Admin/);
    deepEqual([refuses(bed, "fa-1"), refuses(bed, "fa-2")], ["1", "0"]);
    await bed.healFaults();
    await bed.fleet.refresh(bed.signal);
    equal(refuses(bed, "fa-1"), "0");
    deepEqual(arrayReadiness(bed.fleet)[0], { name: "fa-1", ok: true, state: "ok" });
  });
});

Deno.test("15.1: an array at its limit of objects is asked by one create alone, one without room by each", async () => {
  const texts = [["Volume limit reached.", 1], ["No space left on the array.", 8]] as const;
  for (const [message, most] of texts) {
    await ProvisionerBed.run({}, async (bed) => {
      const full = { ...FORBIDDEN, value: 400, message, array: "fa-1" };
      await bed.fault({ ...full, times: 1_000 });
      const calls = await bed.calls(async () => {
        for (let index = 0; index < 8; index++) await bed.create(`pvc-${index}`);
      });
      equal((await bed.volumes())["fa-2"]?.length, 8);
      const refused = calls.filter((call) => call === "POST /volumes").length - 8;
      equal(refused > 0 && refused <= most, true, `${message} ${refused}`);
      equal(refuses(bed, "fa-1"), most === 1 ? "1" : "0");
    });
  }
});

Deno.test("a claim goes to the next array when no connection was made, and a repeat needs the first one no more", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    for (const dead of ["fa-1", "fa-2"]) {
      bed.link(dead, "unreachable");
      for (let index = 0; index < 5; index++) {
        const name = `pvc-${dead}-${index}`;
        const volumeId = await bed.create(name);
        equal(await bed.create(name), volumeId);
      }
      bed.link(dead, "whole");
      await bed.fleet.refresh(bed.signal);
    }
    deepEqual(Object.values(await bed.volumes()).map((names) => names.length), [5, 5]);
  });
});

Deno.test("a claim whose create may have worked goes to no other array", async () => {
  const unclear = [
    { action: "drop-after", match: FORBIDDEN.match },
    { action: "drop-before", match: FORBIDDEN.match },
    { action: "status", value: 500, match: FORBIDDEN.match },
  ];
  for (const fault of unclear) {
    await ProvisionerBed.run({}, async (bed) => {
      await bed.fault(fault);
      await rejects(bed.create("pvc-1"), { code: "unavailable" });
      const made = Object.values(await bed.volumes()).flat();
      equal(made.length, fault.action === "drop-after" ? 1 : 0);
    });
  }
});

Deno.test("a role refused after an attempt without a clear answer moves the claim to no other array", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    await bed.fault({ action: "status", value: 503, match: FORBIDDEN.match });
    await bed.fault({ ...FORBIDDEN, after: 1 });
    await rejects(bed.create("pvc-1"), {
      code: "unavailable",
      message: /may have been carried out all the same/,
    });
    deepEqual(Object.values(await bed.volumes()).flat(), []);
  });
});

Deno.test("a claim that every array refuses names each one's reason, and is tried again", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    await bed.fault({ ...FORBIDDEN, array: "fa-1", times: 10 });
    bed.link("fa-2", "unreachable");
    await rejects(bed.create("pvc-1"), {
      code: "unavailable",
      message: /^Cannot create pvc-1: (?=.*fa-1 refused POST volumes)(?=.*ECONNREFUSED)/,
    });
  });
});

Deno.test("an array whose call gets no answer in time is not chosen again, before any check says so", async () => {
  await ProvisionerBed.run({}, async (bed) => {
    const names = Array.from({ length: 12 }, (_, at) => `pvc-${at}`);
    for (const array of ["fa-1", "fa-2"]) {
      bed.link(array, "silent");
      const lost: string[] = [];
      for (const name of names.map((one) => `${one}-${array}`)) {
        const signal = AbortSignal.timeout(1_200);
        const request = bed.request(name);
        await bed.provisioner.createVolume(request, signal).catch(() => lost.push(name));
      }
      equal(lost.length, 1, `the first time-out of ${array} counts: ${lost.join(", ")}`);
      bed.link(array, "whole");
      await bed.fleet.refresh(bed.signal);
    }
  });
});
