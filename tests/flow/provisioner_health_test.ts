// What the controller finds wrong with volumes, over simulated arrays.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { pause } from "../../src/async/wait.ts";
import type { VolumeHealth } from "../../src/controller/requests.ts";
import { N1, N2, ProvisionerBed, RWX } from "./provisioner_bed.ts";

const FILE = { flasharrays: 0, flashblades: 1 };
const ALERT = { severity: "critical", state: "open", component_name: "CT0", summary: "failed" };

/** Reasons by handle, of all pages. */
async function found(bed: ProvisionerBed, maxEntries = 0): Promise<Record<string, string[]>> {
  const entries: VolumeHealth[] = [];
  let startingToken = "";
  do {
    const request = { maxEntries, startingToken };
    const page = await bed.provisioner.listVolumeHealth(request, bed.signal);
    ok(maxEntries === 0 || page.entries.length <= maxEntries);
    entries.push(...page.entries);
    startingToken = page.nextToken;
  } while (startingToken !== "");
  equal(new Set(entries.map(({ volumeId }) => volumeId)).size, entries.length);
  return Object.fromEntries(
    entries.map(({ volumeId, findings }) => [volumeId, findings.map(({ reason }) => reason)]),
  );
}

async function reasonsOf(bed: ProvisionerBed, volumeId: string): Promise<string[]> {
  const health = await bed.provisioner.getVolumeHealth(volumeId, bed.signal);
  equal(health.volumeId, volumeId);
  return health.findings.map(({ status, reason }) => `${status}: ${reason}`);
}

/** What an administrator does to a volume on its array. */
async function destroy(bed: ProvisionerBed, array: string, name: string): Promise<void> {
  await bed.admin(array, {
    method: "PATCH",
    path: "volumes",
    query: { names: name },
    body: { destroyed: true },
  });
}

async function disconnect(bed: ProvisionerBed, array: string, name: string): Promise<void> {
  for (
    const { host } of await bed.admin<{ host: { name: string } }>(array, {
      method: "GET",
      path: "connections",
      query: { volume_names: name },
    })
  ) {
    const query = { volume_names: name, host_names: host.name };
    await bed.admin(array, { method: "DELETE", path: "connections", query });
  }
}

Deno.test("15.9: listVolumeHealth() tells nothing of volumes that are well, published or not", () =>
  ProvisionerBed.run({ flashblades: 1 }, async (bed) => {
    const published = await bed.create("pvc-1");
    await bed.create("pvc-2");
    await bed.publish(published, N1);
    const shared = { capabilities: [RWX], parameters: { backend: "file" } };
    const file = await bed.create("pvc-3", shared);
    for (const node of [N1, N2]) await bed.publish(file, node, { capability: RWX });
    deepEqual(await found(bed), {});
    for (const id of [published, file]) deepEqual(await reasonsOf(bed, id), []);
    await rejects(bed.provisioner.getVolumeHealth(`${published}-x`, bed.signal), {
      code: "not_found",
    });
  }));

Deno.test("15.9: a volume that was destroyed, eradicated or disconnected behind our back is told, until it is well", () =>
  ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const names = ["pvc-1", "pvc-2", "pvc-3"];
    const ids: string[] = [];
    for (const name of names) {
      const id = await bed.create(name);
      await bed.publish(id, N1);
      ids.push(id);
    }
    const [gone = "", destroyed = "", alone = ""] = ids;
    for (const name of ["k8s-pvc-1", "k8s-pvc-2", "k8s-pvc-3"]) await disconnect(bed, "fa-1", name);
    await destroy(bed, "fa-1", "k8s-pvc-1");
    await destroy(bed, "fa-1", "k8s-pvc-2");
    await bed.admin("fa-1", { method: "DELETE", path: "volumes", query: { names: "k8s-pvc-1" } });
    const all = {
      [gone]: ["VolumeGone"],
      [destroyed]: ["VolumeDestroyed"],
      [alone]: ["Disconnected"],
    };
    deepEqual(await found(bed), all);
    deepEqual(await found(bed, 1), all);
    deepEqual(await reasonsOf(bed, gone), ["inaccessible: VolumeGone"]);
    deepEqual(await reasonsOf(bed, destroyed), ["inaccessible: VolumeDestroyed"]);
    deepEqual(await reasonsOf(bed, alone), ["inaccessible: Disconnected"]);
    await bed.publish(alone, N1);
    await bed.provisioner.deleteVolume(destroyed, bed.signal);
    deepEqual(await found(bed), { [gone]: ["VolumeGone"] });
    await rejects(bed.provisioner.getVolumeHealth(destroyed, bed.signal), { code: "not_found" });
  }));

Deno.test("15.9: what another controller did that led meanwhile accuses nothing, nor does a publish that is under way", () =>
  ProvisionerBed.run({ flasharrays: 1 }, async (bed) => {
    const ids = [await bed.create("pvc-1"), await bed.create("pvc-2")];
    for (const id of ids) await bed.publish(id, N1);
    const [first = "", second = ""] = ids;
    // The node's own publish is slow, and takes the volume from the other node on its way.
    const match = { method: "POST", path: "/connections" };
    await bed.fault({ action: "delay", value: 1_000, match, times: 1 });
    const moving = bed.publish(first, N2);
    while ((await bed.publishedTo(first)).length > 0) await pause(10);
    deepEqual(await found(bed), {});
    await moving;
    bed.provisioner.coolDown();
    for (const name of ["k8s-pvc-1", "k8s-pvc-2"]) await disconnect(bed, "fa-1", name);
    await destroy(bed, "fa-1", "k8s-pvc-2");
    deepEqual(await found(bed), {});
    await rejects(bed.provisioner.getVolumeHealth(second, bed.signal), { code: "not_found" });
    await bed.publish(first, N2);
    await disconnect(bed, "fa-1", "k8s-pvc-1");
    deepEqual(await found(bed), { [first]: ["Disconnected"] });
  }));

Deno.test("15.9: a file system whose export to a node was taken away is told", () =>
  ProvisionerBed.run(FILE, async (bed) => {
    const volumeId = await bed.create("pvc-1", {
      capabilities: [RWX],
      parameters: { backend: "file" },
    });
    for (const node of [N1, N2]) await bed.publish(volumeId, node, { capability: RWX });
    await bed.admin("fb-1", {
      method: "PATCH",
      path: "file-systems",
      query: { names: "k8s-pvc-1" },
      body: { nfs: { rules: "127.0.0.12(rw,no_root_squash)" } },
    });
    const { findings } = await bed.provisioner.getVolumeHealth(volumeId, bed.signal);
    deepEqual(findings.map(({ reason }) => reason), ["Disconnected"]);
    const message = findings[0]?.message ?? "";
    ok(message.includes(`published to ${N1.name}, and`), message);
  }));

Deno.test("15.9: critical alerts and lost paths of an array are told of its volumes, and of no other's", () =>
  ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
    const ids: string[] = [];
    for (let at = 1; at <= 6; at++) ids.push(await bed.create(`pvc-${at}`));
    const [first = ""] = ids;
    await bed.publish(first, N1);
    const here = bed.fleet.memberByHint(first.split("/")[0] ?? "");
    ok(here);
    bed.rewrite(here.array.label, (text, path) => {
      if (/\/alerts\b/.test(path)) return JSON.stringify({ items: [ALERT] });
      return text.replace('"status":"healthy"', '"status":"unhealthy"');
    });
    const told = await found(bed, 2);
    const mine = ids.filter((id) => bed.fleet.memberByHint(id.split("/")[0] ?? "") === here);
    deepEqual(Object.keys(told).sort(), mine.sort());
    deepEqual(told[first], ["ArrayAlert", "FewPaths"]);
    deepEqual(await reasonsOf(bed, first), ["degraded: ArrayAlert", "degraded: FewPaths"]);
  }));

Deno.test("15.9: volumes of an array that does not answer are told to be degraded, page by page, and no other's", () =>
  ProvisionerBed.run({ flasharrays: 2 }, async (bed) => {
    const ids: string[] = [];
    for (let at = 1; at <= 8; at++) ids.push(await bed.create(`pvc-${at}`));
    const [first = ""] = ids;
    const here = bed.fleet.memberByHint(first.split("/")[0] ?? "");
    ok(here);
    const mine = ids.filter((id) => bed.fleet.memberByHint(id.split("/")[0] ?? "") === here);
    ok(mine.length > 1 && mine.length < 8, String(mine.length));
    bed.link(here.array.label, "unreachable");
    await bed.fleet.refresh(bed.signal);
    const wanted = Object.fromEntries(mine.map((id) => [id, ["ArrayUnreachable"]]));
    deepEqual(await found(bed), wanted);
    deepEqual(await found(bed, 1), wanted);
    deepEqual(await reasonsOf(bed, first), ["degraded: ArrayUnreachable"]);
    const request = { maxEntries: 1, startingToken: "" };
    const { nextToken } = await bed.provisioner.listVolumeHealth(request, bed.signal);
    bed.link(here.array.label, "whole");
    await bed.fleet.refresh(bed.signal);
    await rejects(
      bed.provisioner.listVolumeHealth({ maxEntries: 1, startingToken: nextToken }, bed.signal),
      { code: "stale_token" },
    );
    deepEqual(await found(bed), {});
  }));
