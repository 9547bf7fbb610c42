// What `pso-bin admin support-bundle` takes of a cluster, and what it must never hold.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { testRun } from "../../src/simulator/fixture_test.ts";
import type { FleetEntry } from "../../src/simulator/control.ts";
import { type FakeCluster, podOf } from "../support/fake_cluster.ts";
import { bed, PODS, volume } from "../support/admin_cluster_bed.ts";

/** Things that must never leave the cluster, each in a place where a careless collector takes it. */
const CANARIES = {
  chap: "canary-chap-secret-9f1",
  password: "canary-passw0rd-77",
  key: "-----BEGIN PRIVATE KEY-----\nMIICANARYcanaryCANARYcanary12\n-----END PRIVATE KEY-----",
  variable: "canaryvariable",
  annotation: "canaryannotation",
  otherToken: "5a5a5a5a-1111-4222-8333-444455556666",
  word: "hunter2hunter2",
  basic: "Basic YWRtaW46aHVudGVyMg",
  foreign: "canary of a neighbour",
};

/** A pod and a workload that are not the driver's, in its namespace. */
const FOREIGN = {
  metadata: { name: "shop-1", labels: { app: "shop" } },
  spec: { nodeName: "node-a", containers: [{ name: "shop", args: [CANARIES.foreign] }] },
};

function spoilWithCanaries({ items, answers }: FakeCluster, array: FleetEntry): void {
  const pod = podOf("pure-provisioner-1", { app: "pure-provisioner" }, ["pso-bin:7"]);
  items.set(PODS, [{
    ...pod,
    metadata: {
      name: "pure-provisioner-1",
      labels: { app: "pure-provisioner" },
      annotations: {
        "kubectl.kubernetes.io/last-applied-configuration": CANARIES.annotation,
        "pso.purestorage.com/release": "pso/pure-csi",
      },
      managedFields: [{ manager: CANARIES.annotation }],
    },
    spec: {
      containers: [{
        name: "driver",
        image: "pso-bin:7",
        args: [`--password=${CANARIES.password}`, "--db-password", CANARIES.word],
        command: ["sh", "-c", `mysql -p${CANARIES.word} -e 'select 1'`],
        livenessProbe: {
          httpGet: { httpHeaders: [{ name: "Authorization", value: CANARIES.basic }] },
        },
        env: [{ name: "EXTRA", value: CANARIES.variable }, { name: "POD_NAME", value: "kept" }],
      }],
    },
  }, FOREIGN]);
  items.set("/apis/apps/v1/namespaces/pso/deployments", [FOREIGN]);
  items.get("/apis/storage.k8s.io/v1/storageclasses")?.push({
    metadata: { name: "with-chap" },
    provisioner: "pure-csi",
    parameters: { chapPassword: CANARIES.word },
  });
  items.get("/api/v1/namespaces/pso/secrets")?.push({
    metadata: { name: "chap" },
    data: { "node.session.auth.password": btoa(CANARIES.chap) },
  });
  items.set("/api/v1/namespaces/pso/events", [{
    metadata: { name: "e" },
    message: `array refuses ${array.token} for pvc-11111111-0000-4000-8000-000000000000`,
  }]);
  answers.set(
    `${PODS}/pure-provisioner-1/log`,
    [
      `{"event":"login","header":"${array.token}"}`,
      `{"event":"odd","said":"${CANARIES.otherToken}"}`,
      `{"event":"chap","password":"${CANARIES.chap}"}`,
      `{"event":"asked","chapUser":"${CANARIES.word}"}`,
      `> Authorization: ${CANARIES.basic}`,
      CANARIES.key.replaceAll("\n", "\\n"),
      `{"event":"created","volume":"${volume("1")}"}`,
    ].join("\n"),
  );
}

Deno.test("admin support-bundle holds what support needs and no secret, as a tar archive and as a folder", () =>
  bed(async ({ cluster, run, array }) => {
    spoilWithCanaries(cluster, array);
    const { code, said, written } = await run("support-bundle", "--out", "case.tar");
    equal(code, 0);
    match(said, /^case\.tar: \d+ files; look through it before you send it$/m);
    const bytes = written.get("case.tar") ?? new Uint8Array();
    const text = new TextDecoder().decode(bytes);
    for (const [what, canary] of Object.entries({ ...CANARIES, token: array.token })) {
      for (const form of [canary, btoa(canary), ...canary.split("\n")]) {
        equal(text.includes(form) && form !== "", false, `${what} is in the bundle`);
      }
    }
    equal(cluster.asked.some((path) => path.endsWith("/secrets/chap")), false);
    equal(cluster.asked.some((path) => path.includes("/shop-1/")), false);
    ok(text.includes(volume("1").slice("k8s-".length)), "names of volumes are kept");
    ok(text.includes('"value": "kept"'));
    const folder = await run("support-bundle", "--out", "case");
    const names = [...folder.written.keys()].sort();
    for (const name of ["README.txt", "arrays.json", "cluster/pods.json", "configuration.json"]) {
      ok(names.includes(`case/${name}`), names.join(" "));
    }
    const file = await Deno.makeTempFile({ suffix: ".tar" });
    await Deno.writeFile(file, bytes);
    const { stdout } = await testRun("tar", ["-tf", file]);
    deepEqual(stdout.trim().split("\n").map((name) => `case/${name}`).sort(), names);
    await Deno.remove(file);
  }));

Deno.test("admin support-bundle writes nothing outside of its folder, whatever pods are called, and says so", () =>
  bed(async ({ cluster, run }) => {
    const name = "../../../x";
    cluster.items.get(PODS)?.push(podOf(name, { app: "pure-csi" }, ["pso-bin:7"]));
    const { code, written } = await run("support-bundle", "--out", "case");
    equal(code, 0);
    equal([...written.keys()].some((path) => path.includes("..")), false);
    const readme = new TextDecoder().decode(written.get("case/README.txt"));
    match(
      readme,
      /^Left out:\n {2}logs of the pod "\.\.\/\.\.\/\.\.\/x": that is no name of a pod$/m,
    );
    // What the first slash would lead to.
    equal(cluster.asked.some((path) => path.endsWith("/x/log")), false, cluster.asked.join(" "));
  }));

Deno.test("admin support-bundle asks each node once", () =>
  bed(async ({ cluster, run }) => {
    await run("support-bundle", "--out", "case.tar");
    const asked = cluster.asked.filter((path) => path.endsWith("/proxy/readyz"));
    equal(asked.filter((path) => path.includes("/pods/pure-csi-")).length, 1, asked.join(" "));
    deepEqual(asked, [...new Set(asked)]);
  }));
