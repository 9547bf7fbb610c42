// A configuration that changes while the controller serves: nothing is restarted, and no call fails.
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { claimNameOf } from "../../scripts/claim.ts";
import { isPsoError } from "../../src/errors.ts";
import { arrayHintOf } from "../../src/arrays/fleet.ts";
import { TestClient } from "../../src/simulator/fixture_test.ts";
import { GiB } from "../../src/size.ts";
import { LiveBed } from "./live_bed.ts";
import { Load } from "./live_load.ts";
import { decodeAttachment } from "../../src/handoff.ts";
import { N1, RWO, RWX } from "./provisioner_bed.ts";
import { fingerprintOf } from "./settings_bed.ts";

const TOKENS = ["11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"];

/** The array's id as the handle of its volumes has it. */
async function hintOf(bed: LiveBed, name: string): Promise<string> {
  const client = new TestClient(bed.array(name));
  await client.login();
  const { items } = await client.ok("GET /arrays");
  client.close();
  return arrayHintOf(items[0].id);
}

/** How many of the handles are on the array. */
function countOn(hint: string, volumeIds: readonly string[]): number {
  return volumeIds.filter((volumeId) => volumeId.startsWith(`${hint}/`)).length;
}

Deno.test("15.4: a configuration changes in every part under load without one failed request", async () => {
  await LiveBed.run({ flasharrays: 3, http: false }, async (bed) => {
    const all = ["fa-1 ok", "fa-2 ok", "fa-3 ok"];
    const load = new Load(bed);
    await load.goesOn();
    const change = async (states: string[], work: () => void | Promise<void>) => {
      await work();
      await bed.apply();
      await bed.shown(...states);
      await load.goesOn();
    };
    await change(all, () => void (bed.entry("fa-1").Labels = { tier: "gold" }));
    await change(all, () => {
      bed.values.placement = { headroom: 10, volumesPerArray: 5_000 };
      bed.values.maxVolumesPerNode = 200;
      bed.values.app = { debug: true };
    });
    await change(
      ["fa-1 ok", "fa-2 kept", "fa-3 ok"],
      () => void (bed.entry("fa-2").APIToken = TOKENS[0]),
    );
    equal(bed.isCurrent, false);
    await change(all, async () => {
      bed.entry("fa-2").APIToken = TOKENS[1];
      await bed.control("POST", "/token", { array: "fa-2", token: TOKENS[1] });
    });
    // Whoever logs in now needs the new token: the array knows no other one.
    await bed.control("DELETE", "/sessions?array=fa-2");
    await load.goesOn();
    equal(bed.isCurrent, true);
    await change(all, () => {
      delete bed.entry("fa-1").CACert;
      bed.entry("fa-1").CertFingerprint = fingerprintOf(bed.array("fa-1").ca ?? "");
    });
    await change(all, () => {
      const [, port] = bed.array("fa-1").address.split(":");
      bed.entry("fa-1").MgmtEndPoint = `https://localhost:${port}`;
    });
    const fa2 = bed.without("fa-2");
    await change(["fa-1 ok", "fa-3 ok"], () => {});
    await change(
      ["fa-1 ok", "fa-3 ok", "fa-2 ok"],
      () => void bed.values.arrays.FlashArrays.push(fa2),
    );
    await change(
      ["fa-1 ok", "fa-3 suspended", "fa-2 ok"],
      () => void (bed.entry("fa-3").Suspended = true),
    );
    await change(["fa-1 ok", "fa-3 ok", "fa-2 ok"], () => {
      delete bed.entry("fa-3").Suspended;
      bed.entry("fa-3").Labels = { tier: "silver" };
    });
    bed.values.arrays.FlashArrays.push({
      ...fa2,
      Name: "nobody",
      MgmtEndPoint: "https://127.0.0.1:9",
    });
    await change(["fa-1 ok", "fa-3 ok", "fa-2 ok", "nobody unreachable"], () => {});
    await load.end();
    for (const name of ["fa-1", "fa-2", "fa-3"]) {
      const client = new TestClient(bed.array(name));
      await client.login();
      const { items } = await client.ok("GET /volumes?destroyed=false");
      client.close();
      deepEqual(items, [], `nothing is left on ${name}`);
    }
  });
});

Deno.test("15.4: an array that is taken out is served until its last volume is gone", async () => {
  await LiveBed.run({ flasharrays: 2 }, async (bed) => {
    const hint = await hintOf(bed, "fa-2");
    const handles: string[] = [];
    for (let count = 0; count < 8; count++) {
      handles.push(await bed.create(claimNameOf(`held-${count}`)));
    }
    const [held = ""] = handles.filter((volumeId) => volumeId.startsWith(`${hint}/`));
    ok(held !== "", "placement spreads");
    await bed.publish(held);
    const others = handles.filter((volumeId) =>
      volumeId !== held && volumeId.startsWith(`${hint}/`)
    );
    for (const volumeId of others) await bed.delete(volumeId);

    const entry = bed.without("fa-2");
    await bed.apply();
    await bed.shown("fa-1 ok", "fa-2 draining");
    match(bed.readiness()[1]?.reason ?? "", /served until its last volume is gone \(1 known now\)/);
    match(bed.metrics.text(), /^pso_array_draining\{array="fa-2"\} 1$/m);
    match(bed.metrics.text(), /^pso_arrays_configured 1$/m);
    deepEqual(bed.reasons(), ["ArrayRemoved"]);

    const later: string[] = [];
    for (let count = 0; count < 8; count++) {
      later.push(await bed.create(claimNameOf(`later-${count}`)));
    }
    equal(countOn(hint, later), 0);
    const clone = bed.provisioner.createVolume({
      name: claimNameOf("clone"),
      capacityRange: { requiredBytes: GiB, limitBytes: 0 },
      capabilities: [RWO],
      parameters: {},
      contentSource: { volumeId: held },
    }, bed.signal);
    await rejects(clone, /fa-2 was taken out of the configuration and gets no new volumes/);

    // What it holds is served: a second look at the publish, a snapshot, more room, the lists.
    await bed.publish(held);
    const { snapshotId } = await bed.provisioner.createSnapshot({
      name: "snapshot-1",
      sourceVolumeId: held,
      parameters: {},
    }, bed.signal);
    await bed.provisioner.expandVolume({
      volumeId: held,
      capacityRange: { requiredBytes: 2 * GiB, limitBytes: 0 },
    }, bed.signal);
    const { entries } = await bed.provisioner.listVolumes(
      { maxEntries: 0, startingToken: "" },
      bed.signal,
    );
    ok(entries.some(({ volume }) => volume.volumeId === held));
    await bed.provisioner.deleteSnapshot(snapshotId, bed.signal);

    await bed.unpublish(held);
    await bed.delete(held);
    await bed.shown("fa-1 ok");
    deepEqual(bed.reasons(), ["ArrayRemoved", "ArrayDrained"]);
    await rejects(
      bed.publish(held),
      new RegExp(`the array ${hint}… \\(fa-2, which was taken out when it held nothing more\\)`),
    );

    bed.values.arrays.FlashArrays.push(entry);
    await bed.apply();
    await bed.shown("fa-1 ok", "fa-2 ok");
    const again: string[] = [];
    for (let count = 0; count < 8; count++) {
      again.push(await bed.create(claimNameOf(`again-${count}`)));
    }
    ok(countOn(hint, again) > 0);
  });
});

Deno.test("15.4: what a create made on an array that is taken out is found again", async () => {
  await LiveBed.run({ flasharrays: 2 }, async (bed) => {
    bed.entry("fa-1").Suspended = true;
    await bed.apply();
    await bed.control("POST", "/faults", {
      array: "fa-2",
      match: { method: "POST", path: "/volumes" },
      action: "drop-after",
      times: 1,
    });
    const name = claimNameOf("cut");
    await rejects(bed.create(name), (error) => isPsoError(error, "unavailable"));
    delete bed.entry("fa-1").Suspended;
    bed.without("fa-2");
    await bed.apply();
    await bed.shown("fa-1 ok", "fa-2 draining");
    const volumeId = await bed.create(name);
    equal(countOn(await hintOf(bed, "fa-2"), [volumeId]), 1, "no second volume");
    await bed.publish(volumeId, N1);
  });
});

Deno.test("15.4: a refused token is told by Event and metric; the last good stays", async () => {
  await LiveBed.run({ flasharrays: 1 }, async (bed) => {
    bed.entry("fa-1").APIToken = TOKENS[0];
    await bed.apply();
    await bed.shown("fa-1 kept");
    const told = bed.events.find(({ reason }) => reason === "ArrayEntryRefused");
    equal(told?.type, "Warning");
    match(told?.note ?? "", /array fa-1 is not in use, the last good one stays: .*API token/);
    equal(bed.isCurrent, false);
    await bed.create(claimNameOf("still"));

    bed.entry("fa-1").APIToken = bed.array("fa-1").token;
    await bed.apply();
    await bed.shown("fa-1 ok");
    equal(bed.isCurrent, true);
  });
});

Deno.test("15.4: another clusterID is not taken up: an Event and a metric say so", async () => {
  await LiveBed.run({ flasharrays: 1 }, async (bed) => {
    bed.values.clusterID = "other";
    await bed.apply();
    equal(bed.isCurrent, false);
    match(bed.events[0]?.note ?? "", /not taken up: clusterID: set it to k8s again/);
    match(await bed.create(claimNameOf("same")), /\/k8s-pvc-/);
    bed.values.clusterID = "k8s";
    await bed.apply();
    equal(bed.isCurrent, true);
  });
});

Deno.test("15.4: another NFSEndPoint holds for the next publish, and the file system stays the same", async () => {
  await LiveBed.run({ flasharrays: 1, flashblades: 1 }, async (bed) => {
    const node = { ...N1, protocols: ["nfs" as const] };
    const volumeId = await bed.create(claimNameOf("shared"), RWX);
    const addressOf = async () => {
      const attachment = decodeAttachment(await bed.publish(volumeId, node, RWX));
      return "address" in attachment ? attachment.address : "none";
    };
    equal(await addressOf(), "192.0.2.1");
    bed.entry("fb-1").NFSEndPoint = "192.0.2.77";
    await bed.apply();
    await bed.until("the entry is in use", () => bed.reasons().includes("ArrayEntryTakenUp"));
    await bed.shown("fa-1 ok", "fb-1 ok");
    equal(await addressOf(), "192.0.2.77");
  });
});
