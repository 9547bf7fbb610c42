// The operator at work on a real API server, by the rights of its own account alone.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { testFleet } from "../../src/simulator/fixture_test.ts";
import { runTool } from "../../scripts/shell.ts";
import { CHART, definitions, type KubeObject, programOf } from "../chart/helm.ts";
import { runAdmin } from "../support/admin_bed.ts";
import { NAMESPACE, OperatorBed, PLUGIN } from "./operator_bed.ts";

const WAIT = { timeoutMs: 90_000 };
const ROLLOUT = ["-wait=release", "-timeout=90"];

/** What kubelet writes of a pod: nothing runs here. */
const state = (isReady: boolean, container: Record<string, unknown>) =>
  JSON.stringify({
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
      containerStatuses: [{
        image: "x",
        imageID: "x",
        ready: isReady,
        ...container,
      }],
    },
  });
const RUNS = state(true, { name: "operator", restartCount: 0, state: { running: {} } });
const CRASHES = state(false, {
  name: "driver",
  restartCount: 7,
  state: { waiting: { reason: "CrashLoopBackOff" } },
  lastState: { terminated: { exitCode: 1, message: "cannot read the Lease" } },
});

async function setPod(bed: OperatorBed, label: string, status: string): Promise<void> {
  const name = await until(`a pod of ${label}`, async () => {
    const { items } = await bed.find("pods", "-l", label);
    return items[0]?.metadata.name as string | undefined;
  }, WAIT);
  await bed.kubectl("patch", "pod", name, "--subresource=status", "--type=merge", "-p", status);
}

Deno.test("the operator: install.sh, values that change and that are wrong, what is deleted comes back, uninstall.sh", async (t) => {
  const fleet = await testFleet({ flasharrays: 1 });
  const { address, token } = fleet.arrays[0] ?? { address: "", token: "" };
  const values = {
    clusterID: "k8s",
    arrays: { FlashArrays: [{ MgmtEndPoint: `http://${address}`, APIToken: token }] },
  };
  try {
    await OperatorBed.run(async (bed) => {
      const kind = "cbt.storage.k8s.io_snapshotmetadataservices.yaml";
      await runTool("kubectl", ["create", "-f", `${definitions()}/${kind}`], { env: bed.env });
      const before = await bed.everything();
      const file = await bed.values(values);
      const replicas = async () =>
        (await bed.find("deployment", "pure-provisioner"))?.spec.replicas;

      await t.step(
        "install.sh with the papers' flags makes all that the operator needs",
        async () => {
          const said = await bed.done(
            "install",
            `-namespace=${NAMESPACE}`,
            "-f",
            file,
            "-wait=none",
          );
          match(said, /made the namespace pso\n/);
          match(said, /with their API tokens are in the Secret pure-arrays/);
          const [secret] = (await bed.find("secrets")).items;
          deepEqual(JSON.parse(atob(secret.data["pure.json"])), values.arrays);
        },
      );

      await bed.withOperator(async () => {
        await t.step("run again, it waits until the release is installed", async () => {
          const said = await bed.done("install", "--namespace", NAMESPACE, "-f", file, ...ROLLOUT);
          match(said, /the release psoplugin-operator is installed\n/);
          equal(await replicas(), 2);
          const driver = await bed.find("csidriver", "pure-csi");
          equal(driver.metadata.annotations["pso.purestorage.com/release"], `pso/${PLUGIN}`);
          match(await bed.condition("Deployed") ?? "", /PSO 7\.\d+\.\d+ is installed/);
        });

        await t.step(
          "no token is in the PSOPlugin, its annotations, or Helm's record",
          async () => {
            const kept = await bed.kept();
            ok(kept.includes("pure-arrays"), "what was looked at is the installation's");
            equal(kept.includes(token), false);
            equal(kept.includes(btoa(token)), false);
          },
        );

        await t.step("update.sh gives it other values", async () => {
          const changed = await bed.values({ ...values, controllerServer: { replicas: 3 } });
          await bed.done("update", "-f", changed, ...ROLLOUT);
          equal(await replicas(), 3);
        });

        await t.step("a StorageClass that was deleted comes back", async () => {
          await bed.kubectl("delete", "storageclass", "pure-block");
          await until("it is back", () => bed.find("storageclass", "pure-block"), WAIT);
        });

        await t.step(
          "a wrong value is said in the PSOPlugin and by update.sh, and changes nothing",
          async () => {
            const wrong = await bed.values({ ...values, flasharray: { sanType: "BOGUS" } });
            const said = await bed.refused(1, "update", "-f", wrong, ...ROLLOUT);
            const help =
              /flasharray\.sanType is "BOGUS", wanted one of ISCSI, FC, .*: write one of/;
            match(said, help);
            match(await bed.condition("Irreconcilable") ?? "", help);
            equal(await replicas(), 3);
            await bed.done("update", "-f", file, ...ROLLOUT);
            equal(await bed.condition("Irreconcilable"), undefined);
            equal(await replicas(), 2);
          },
        );

        await t.step("the certificate of changed blocks is the same at every look", async () => {
          const snapshotMetadata = { enabled: true };
          await bed.done(
            ...[
              "update",
              "-f",
              await bed.values({ ...values, snapshotMetadata }),
              ...ROLLOUT,
            ] as const,
          );
          const kept = async () => {
            const records = await bed.find("secrets", "--field-selector=type=helm.sh/release.v1");
            const { data } = await bed.find("secret", "pure-csi-snapshot-metadata-tls");
            return [records.items.map(({ metadata }: KubeObject) => metadata.name), data];
          };
          const first = await kept();
          // What it puts back shows that it has looked again.
          for (const name of ["pure-block", "pure-file"]) {
            await bed.kubectl("delete", "storageclass", name);
            await until("it is back", () => bed.find("storageclass", name), WAIT);
          }
          deepEqual(await kept(), first);
          await bed.done("update", "-f", file, ...ROLLOUT);
        });

        await t.step("what the API server refuses is said too", async () => {
          const priorityClassName = "no/name";
          const wrong = await bed.values({ ...values, controllerServer: { priorityClassName } });
          const said = await bed.refused(1, "update", "-f", wrong, ...ROLLOUT);
          match(said, /ReleaseFailed, UpgradeError/);
          await bed.done("update", "-f", file, ...ROLLOUT);
        });

        await t.step(
          "a controller that crashes is said by update.sh and by admin check",
          async () => {
            await setPod(bed, "app.kubernetes.io/name=pso-csi-operator", RUNS);
            await setPod(bed, "app=pure-provisioner", CRASHES);
            const said = await bed.refused(1, "update", "-f", file, "-timeout=15");
            match(
              said,
              /driver is not ready, CrashLoopBackOff, started again 7 times, it said: cannot/,
            );
            const check = await runAdmin(["check", "-n", NAMESPACE], {
              real: true,
              env: { ...bed.env, PATH: Deno.env.get("PATH") ?? "" },
            });
            match(check.said, /FAIL +controller .*driver waits: CrashLoopBackOff, started 8 times/);
          },
        );
      });

      const uid = async () => (await bed.find("deployment", "pure-provisioner"))?.metadata.uid;
      const made = await uid();
      await t.step("by the commands of docs/install.md Helm goes on with the release", async () => {
        await bed.kubectl("delete", "deployment", "pso-csi-operator");
        const release = ["psoplugin", PLUGIN];
        await bed.kubectl("patch", ...release, "--type=merge", "-p", NO_FINALIZER);
        await bed.kubectl("delete", ...release, "--cascade=orphan");
        await runTool(programOf("helm3"), ["-n", NAMESPACE, "upgrade", PLUGIN, CHART, "-f", file], {
          env: bed.env,
        });
        equal(await uid(), made);
      });

      await bed.withOperator(async () => {
        await t.step("install.sh takes that release over", async () => {
          await bed.done("install", "-f", file, ...ROLLOUT);
          equal(await uid(), made);
          equal((await bed.kept()).includes(token), false);
        });

        await t.step(
          "uninstall.sh refuses while volumes need the driver, and names them",
          async () => {
            await bed.create(RELEASED, ATTACHMENT);
            await until("it is Released", async () => {
              return (await bed.find("pv", "pv-released"))?.status.phase === "Released";
            }, WAIT);
            const said = await bed.refused(1, "uninstall");
            match(said, /attached, and without the driver nobody .*\n {2}pv-attached on node-1\n/);
            match(
              said,
              /about to be deleted on the arrays.*\n {2}pv-released\n.*nothing was changed/s,
            );
            ok(await bed.find("psoplugin", PLUGIN));
            await bed.kubectl("delete", "pv/pv-released", "volumeattachment/attached");
          },
        );

        await t.step("uninstall.sh leaves exactly what was there before", async () => {
          const said = await bed.done("uninstall", "-timeout=90");
          match(
            said,
            /the release is gone\n.*the kind PSOPlugin is gone\n.*namespace pso is gone/s,
          );
        });
      });
      const isGone = async () => (await bed.everything()).join("\n") === before.join("\n");
      await until("all is gone", isGone, { timeoutMs: 20_000 }).catch(() => {});
      deepEqual(await bed.everything(), before);
      match(await bed.done("uninstall"), /nothing is installed by the operator here/);

      // With its last work, uninstall.sh has taken its account away.
      const [worked = "", ...rest] = (await Deno.readTextFile(bed.log)).split(LAST_WORK);
      equal(rest.length, 1, "the operator took its release away");
      deepEqual(worked.split("\n").filter((line) => /forbidden/i.test(line)), []);
    });
  } finally {
    await fleet.stop();
  }
});

const LAST_WORK = "Removing finalizer";
const NO_FINALIZER = '{"metadata":{"finalizers":null}}';
const RELEASED = {
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: {
    name: "pv-released",
    annotations: { "pv.kubernetes.io/provisioned-by": "pure-csi" },
  },
  spec: {
    // Of a claim that is gone: Kubernetes itself says that it is Released.
    claimRef: { namespace: "default", name: "gone", uid: "6a1b2c3d-0000-4000-8000-000000000002" },
    capacity: { storage: "1Gi" },
    accessModes: ["ReadWriteOnce"],
    persistentVolumeReclaimPolicy: "Delete",
    csi: { driver: "pure-csi", volumeHandle: "a/b" },
  },
};
const ATTACHMENT = {
  apiVersion: "storage.k8s.io/v1",
  kind: "VolumeAttachment",
  metadata: { name: "attached" },
  spec: {
    attacher: "pure-csi",
    nodeName: "node-1",
    source: { persistentVolumeName: "pv-attached" },
  },
};
