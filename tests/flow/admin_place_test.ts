// `pso-bin admin place` against simulated arrays.
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { UsageError } from "../../src/errors.ts";
import { TestClient, testFleet } from "../../src/simulator/fixture_test.ts";
import type { ServedFleet } from "../../src/simulator/simulate.ts";
import { type AdminResult, runAdmin } from "../support/admin_bed.ts";

const CLAIM = `
kind: PersistentVolumeClaim
metadata: {name: orders, namespace: shop, labels: {app: db}}
spec:
  storageClassName: gold
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 10Gi}}
`;
const classWith = (parameters: Record<string, string>) =>
  `${CLAIM}---\nkind: StorageClass\nmetadata: {name: gold}\nparameters: ${
    JSON.stringify(parameters)
  }\n`;

/** How `admin place` ends for a claim on two FlashArrays, of which the second is labelled. */
function placed(served: ServedFleet, claim: string, ...words: string[]): Promise<AdminResult> {
  const FlashArrays = served.arrays.map(({ address, token }, at) => ({
    MgmtEndPoint: `http://${address}`,
    APIToken: token,
    ...(at === 1 ? { Labels: { tier: "gold" } } : {}),
  }));
  const files = { "v.yaml": JSON.stringify({ arrays: { FlashArrays } }), "pvc.yaml": claim };
  return runAdmin(["place", "-f", "pvc.yaml", "--values", "v.yaml", ...words], { files });
}

async function withFleet(work: (served: ServedFleet) => Promise<void>): Promise<void> {
  const served = await testFleet({ flasharrays: 2 });
  try {
    await work(served);
  } finally {
    await served.stop();
  }
}

Deno.test("15.1: admin place --explain has every array with each part of its score, or the reason against it", async () => {
  await withFleet(async (served) => {
    const { code, said } = await placed(served, classWith({ labels: "tier=gold" }), "--explain");
    equal(code, 0, said);
    match(
      said,
      /^PLACE +ARRAY +SCORE +CAPACITY +COMMITTED +LOAD +TURN +OBJECTS +GROUP +AGAINST IT$/m,
    );
    match(said, /^1 +fa-2 +\d\.\d{4} +\d\.\d{4} +\d\.\d{4} +1\.0000 +1\.0000 +1\.0000 +1\.0000$/m);
    match(said, /^- +fa-1 +- +- +- +- +- +- +- +does not meet tier=gold$/m);
    match(
      said,
      /^orders \(10 GiB, block, of the group shop\/labels\/[0-9a-f]{16}\) goes to fa-2$/m,
    );
    const wide = await placed(served, classWith({ labels: "tier=gold" }), "--explain", "--wide");
    match(wide.said, /^1 +fa-2 .*tier=gold/m);
    const { chosen, arrays } = JSON.parse(
      (await placed(served, classWith({ labels: "tier=gold" }), "-o", "json")).said,
    );
    deepEqual([chosen, arrays[0].place, arrays[1].reason], ["fa-2", 1, "does not meet tier=gold"]);
  });
});

Deno.test("admin place says what the Event of the claim says when no array fits, and exits with 1", async () => {
  await withFleet(async (served) => {
    const { code, said } = await placed(served, classWith({ labels: "tier=lead" }));
    equal(code, 1);
    match(said, /^Cannot place orders \(10 GiB\)/);
    match(said, /fa-1.*does not meet tier=lead/);
    equal(said.includes("PLACE"), false);
  });
});

Deno.test("admin place counts the members of the claim's group by the tags of the arrays", async () => {
  await withFleet(async (served) => {
    const claim = CLAIM.replace(
      "labels: {app: db}",
      'annotations: {"pso.purestorage.com/spread": a}',
    );
    for (const [at, array] of served.arrays.entries()) {
      const client = new TestClient(array);
      await client.login();
      for (const name of at === 0 ? ["k8s-1"] : ["other-1", "other-2"]) {
        await client.ok(`POST /volumes?names=${name}`, { provisioned: 1 << 20 });
        await client.ok(`PUT /volumes/tags/batch?resource_names=${name}`, [{
          key: "spread-group",
          value: "shop/group/a",
        }]);
      }
      await client.close();
    }
    const { said } = await placed(served, claim, "-o", "json");
    const { group, arrays } = JSON.parse(said);
    equal(group, "shop/group/a");
    deepEqual(
      arrays.map((
        { array, parts }: { array: string; parts: { group: number } },
      ) => [array, parts.group]),
      [["fa-2", 1], ["fa-1", 0.5]],
    );
  });
});

Deno.test("admin place tells a class that it does not know, and refuses what is no claim", async () => {
  await withFleet(async (served) => {
    const { code, said } = await placed(served, CLAIM);
    equal(code, 0, said);
    match(said, /gold is not in the file: judged by a class without parameters/);
    const wrong = await placed(served, classWith({ backend: "tape" }));
    equal(wrong.code, 2);
    match(wrong.said, /backend is "tape"/);
    for (
      const [claim, message] of [
        [CLAIM.replace("10Gi", "ten"), /storage "ten"/],
        [CLAIM.replace("ReadWriteOnce", "Any"), /accessModes "Any"/],
        [`${CLAIM}  dataSource: {kind: PersistentVolumeClaim, name: a}\n`, /where its source is/],
        [
          CLAIM.replace("labels:", "annotations: {pso.purestorage.com/import: fa-1/data}, labels:"),
          /annotation pso\.purestorage\.com\/import, and gets what that names/,
        ],
        ["", /has 0 PersistentVolumeClaims/],
        [`${CLAIM}---${CLAIM}`, /has 2 PersistentVolumeClaims/],
        ["{", /no YAML/],
      ] as const
    ) await rejects(placed(served, claim), { constructor: UsageError, message });
  });
  await rejects(runAdmin(["place"]), /needs a claim: -f claim\.yaml/);
  await rejects(
    runAdmin(["place", "-f", "no.yaml"]),
    /no\.yaml does not exist: give the file of a claim/,
  );
  const files = { "pvc.yaml": CLAIM };
  await rejects(
    runAdmin(["place", "-f", "pvc.yaml"], { files }),
    /admin place --values values\.yaml/,
  );
});

async function fault(served: ServedFleet, body: Record<string, unknown>): Promise<void> {
  const init = { method: "POST", body: JSON.stringify(body) };
  await (await fetch(`${served.control}/faults`, init)).body?.cancel();
}

Deno.test("admin place judges the other arrays when one cannot tell the members of the group", () =>
  withFleet(async (served) => {
    const path = { path: "/volumes/tags" };
    await fault(served, { array: "fa-2", action: "status", value: 500, times: 99, match: path });
    const { code, said } = await placed(served, classWith({}), "-o", "json");
    equal(code, 0, said);
    const { chosen, arrays } = JSON.parse(said);
    equal(chosen, "fa-1");
    equal(/cannot be used now .*fa-2/.test(arrays[1].reason), true, arrays[1].reason);
  }));

Deno.test("admin place puts an array last whose user may change nothing, and says so when there is no other", () =>
  withFleet(async (served) => {
    const change = { method: "PATCH" };
    await fault(served, { array: "fa-2", action: "status", value: 403, times: 99, match: change });
    const two = JSON.parse((await placed(served, classWith({}), "-o", "json")).said);
    equal(two.chosen, "fa-1");
    const { code, said } = await placed(served, classWith({ labels: "tier=gold" }));
    equal(code, 1);
    match(said, /goes to fa-2[^]*FAIL {2}role +the array may not be changed/);
  }));

Deno.test("admin place judges no class of another driver", () =>
  withFleet(async (served) => {
    const claim = classWith({}).replace(
      "kind: StorageClass",
      "kind: StorageClass\nprovisioner: ebs",
    );
    const { code, said } = await placed(served, claim);
    equal(code, 2);
    match(said, /FAIL {2}class +StorageClass gold has the provisioner ebs: this driver, pure-csi,/);
  }));
