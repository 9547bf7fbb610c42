// `pso-bin admin takeover` against a real API server with what PSO 5.2 and 6.2 leave in it.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { readRecord } from "../../src/admin/takeover/helm_release.ts";
import { at } from "../../src/admin/check/kube_object.ts";
import { NAMESPACE, pso52, pso62, type PsoInstallation, volumeOf } from "../support/pso_objects.ts";
import { build, type Helm, programOf } from "../chart/helm.ts";
import { PV, TakeoverBed } from "./takeover_bed.ts";

/** Holds a pod after its end, as a node that does not answer. */
const HOLD = '{"metadata":{"finalizers":["pso.purestorage.com/test"]}}';
const LET_GO = '{"metadata":{"finalizers":null}}';

Deno.test("admin takeover of PSO 5.2: dry run, refusal, crash, --resume and the way back", async (t) => {
  await TakeoverBed.run(async (bed) => {
    const installation = pso52(bed.values);
    await bed.install(installation);
    const before = await bed.state();
    const folder = `${bed.dir}/backup`;

    await t.step("without --yes it says what it would do, and changes nothing", async () => {
      const { code, said } = await bed.takeover();
      equal(code, 0, said);
      match(
        said,
        /^PSO 5 in namespace pso: StatefulSet pso\/pure-provisioner, release pure-storage-driver /,
      );
      match(
        said,
        /CSIDriver pure-csi \(storage\.k8s\.io\/v1beta1\) becomes storage\.k8s\.io\/v1\n/,
      );
      match(
        said,
        /\n {2}helm -n pso upgrade pure-storage-driver deploy\/helm\/pure-csi -f .*values\.yaml\n$/,
      );
      equal(said.includes(bed.values.arrays.FlashArrays[0].APIToken), false);
      deepEqual(await bed.state(), before);
    });

    await t.step(
      "it is refused while a volume is not found and an attachment is half done",
      async () => {
        const lost = volumeOf("lost");
        const attachment = {
          apiVersion: "storage.k8s.io/v1",
          kind: "VolumeAttachment",
          metadata: { name: "half" },
          spec: { attacher: "pure-csi", nodeName: "node-1", source: { persistentVolumeName: PV } },
        };
        await bed.create(lost, attachment);
        const { code, said } = await bed.takeover("--yes", "--backup", folder);
        equal(code, 1, said);
        match(said, /Nothing was changed: 2 things stand in the way\./);
        match(
          said,
          /VolumeAttachment half of PersistentVolume .* on node node-1 is not attached yet\n {4}-> /,
        );
        match(
          said,
          /PersistentVolume lost has the handle "k8s-lost", and no array has a volume .*\n {4}-> /,
        );
        await bed.kubectl("delete", "persistentvolume/lost", "volumeattachment/half");
        deepEqual(await bed.state(), before);
      },
    );

    await t.step(
      "a process that is killed while it waits for the pod goes on by --resume",
      async () => {
        await bed.kubectl("patch", "pod", "pure-provisioner-0", "-p", HOLD);
        const child = bed.startTakeover("--yes", "--backup", folder);
        await until("the pod's end begins", async () => {
          const pod = await bed.find("pod", "pure-provisioner-0");
          return pod?.metadata.deletionTimestamp !== undefined;
        }, { timeoutMs: 60_000 });
        child.kill("SIGKILL");
        await child.output();
        ok(
          await bed.find("csidriver", "pure-csi"),
          "nothing else while the old controller may work",
        );
        const again = await bed.takeover("--yes", "--backup", `${folder}-2`).catch(({ message }) =>
          message
        );
        match(again, /was begun with the backup .*--resume .*--restore/);

        const resumed = bed.takeover("--resume", folder);
        await bed.kubectl("patch", "pod", "pure-provisioner-0", "-p", LET_GO);
        const { code, said } = await resumed;
        equal(code, 0, said);
        match(said, /\nNow run\n {2}helm -n pso upgrade pure-storage-driver /);
        equal(await bed.find("pod", "pure-provisioner-0"), undefined);
        equal(await bed.find("csidriver", "pure-csi"), undefined);
        const secret = await bed.find("secret", "sh.helm.release.v1.pure-storage-driver.v2");
        equal(readRecord(secret).manifest.includes("v1beta1"), false);
        equal((await bed.takeover("--resume", folder)).code, 0, "once more, with nothing to do");
      },
    );

    await t.step("--restore gives everything back, at once and again", async () => {
      for (const _ of [1, 2]) {
        const { code, said } = await bed.takeover("--restore", folder);
        equal(code, 0, said);
        match(said, /Everything is as it was\.\n$/);
        deepEqual(await bed.state(), before);
      }
      await bed.podOf("pure-provisioner");
    });
  });
});

Deno.test("admin takeover of PSO 6.2, and of what its uninstall leaves", async (t) => {
  await TakeoverBed.run(async (bed) => {
    await bed.install(pso62(bed.values));
    const before = await bed.state();
    const folder = `${bed.dir}/backup`;

    await t.step(
      "its controller and its nodes' pods end, its CSIDriver is handed over",
      async () => {
        const { code, said } = await bed.takeover("--yes", "--backup", folder);
        equal(code, 0, said);
        match(said, /helm -n pso upgrade pure-pso /);
        equal((await bed.find("statefulset", "pso-csi-controller")).spec.replicas, 0);
        equal(await bed.find("pod", "pso-csi-controller-0"), undefined);
        equal(await bed.find("daemonset", "pso-csi-node"), undefined);
        const { metadata } = await bed.find("csidriver", "pure-csi");
        equal(metadata.annotations["meta.helm.sh/release-name"], "pure-pso");
      },
    );

    await t.step("--restore gives everything back", async () => {
      equal((await bed.takeover("--restore", folder)).code, 0);
      deepEqual(await bed.state(), before);
    });

    await t.step(
      "what an uninstall leaves is handed to the release that will be installed",
      async () => {
        await bed.kubectl("delete", "statefulset/pso-csi-controller", "daemonset/pso-csi-node");
        await bed.kubectl("delete", "secret", "-l", "owner=helm");
        const values = `${bed.dir}/values.yaml`;
        await Deno.writeTextFile(values, JSON.stringify(bed.values));
        const { code, said } = await bed.takeover(
          ...["-n", "pso", "-f", values, "--yes", "--backup", `${folder}-2`],
        );
        equal(code, 0, said);
        match(said, /helm -n pso install pure-csi deploy\/helm\/pure-csi -f .*values\.yaml\n/);
        const { metadata } = await bed.find("csidriver", "pure-csi");
        equal(metadata.annotations["meta.helm.sh/release-name"], "pure-csi");
      },
    );
  });
});

/** Fails on the server, after everything else of the release was made. */
const BROKEN = JSON.stringify([{
  apiVersion: "batch/v1",
  kind: "CronJob",
  metadata: { name: "broken" },
  spec: { schedule: "never", jobTemplate: { spec: { template: { spec: {} } } } },
}]);

interface Upgrade {
  helm: Helm;
  installation: PsoInstallation;
  /** The upgrade fails in the middle. */
  isBroken: boolean;
  /** Where the take-over keeps what there was. */
  folder: string;
}

Deno.test("a release of PSO is upgraded after the take-over, and rolled back after --restore", async (t) => {
  await build();
  await TakeoverBed.run(async (bed) => {
    const five = pso52(bed.values);
    await bed.install(five);
    for (const [helm, isBroken] of [["helm3", false], ["helm4", false], ["helm3", true]] as const) {
      const title = `PSO 5 by ${helm}, ${
        isBroken ? "an upgrade that fails in the middle" : "whole"
      }`;
      const folder = `${bed.dir}/${helm}-${isBroken}`;
      await t.step(title, () => thereAndBack(bed, { helm, installation: five, isBroken, folder }));
    }
    await bed.tool(programOf("helm3"), "-n", NAMESPACE, "uninstall", five.release);
    const six = pso62(bed.values);
    await bed.install(six);
    const folder = `${bed.dir}/six`;
    const upgrade: Upgrade = { helm: "helm3", installation: six, isBroken: false, folder };
    await t.step("PSO 6 by helm3", () => thereAndBack(bed, upgrade));
  });
});

async function thereAndBack(bed: TakeoverBed, upgrade: Upgrade): Promise<void> {
  const { helm, installation, isBroken, folder } = upgrade;
  const isFive = installation.release === pso52().release;
  const controller = isFive ? "pure-provisioner" : "pso-csi-controller";
  const nodes = isFive ? "pure-csi" : "pso-csi-node";
  const before = await bed.state();
  const run = async (said: string, ...more: string[]) => {
    const [, line = ""] = /^ {2}helm (.*)$/m.exec(said) ?? [];
    const { code, stdout, stderr } = await bed.tool(programOf(helm), ...line.split(" "), ...more);
    equal(code === 0, more.length === 0, `helm ${line}: ${stdout}${stderr}`);
  };

  const { said: next } = await bed.takeover("--yes", "--backup", folder);
  await run(next, ...isBroken ? ["--set-json", `extraObjects=${BROKEN}`] : []);
  equal((await bed.find("deployment", "pure-provisioner")).spec.replicas, 2);
  equal((await bed.find("statefulset", controller))?.spec.replicas, isBroken ? 0 : undefined);
  if (!isBroken) {
    equal((await bed.find("csidriver", "pure-csi")).spec.attachRequired, true);
    equal(await bed.find("daemonset", "pso-csi-node"), undefined);
    deepEqual(classesOf(await bed.state(), before), classesOf(before, before), "unchanged classes");
    match((await bed.takeover("-n", NAMESPACE)).said, /^Nothing to do: the cluster pso-kube has /);
  }

  const { code, said } = await bed.takeover("--restore", folder);
  equal(code, 0, said);
  match(said, new RegExp(`\n {2}helm -n ${NAMESPACE} rollback ${installation.release} \\d+\n`));
  equal((await bed.find("deployment", "pure-provisioner")).spec.replicas, 0);
  await run(said);
  equal(await bed.find("deployment", "pure-provisioner"), undefined, "one controller");
  equal((await bed.find("statefulset", controller)).spec.replicas, 1);
  equal((await bed.find("csidriver", "pure-csi")).spec.attachRequired, !isFive);
  const containers = (object: unknown) => at(object, "spec", "template", "spec", "containers");
  const live = await bed.find("daemonset", nodes);
  deepEqual(containers(live), containers(before.get(`DaemonSet ${nodes}`)));
  deepEqual(classesOf(await bed.state(), before), classesOf(before, before));
  if (isFive) {
    ok(await bed.find("volumesnapshotclass", "pure-snapshotclass"), "it was the user's own");
  }
  await bed.podOf(controller);
  match((await bed.takeover("--restore", folder)).said, /Helm has rolled the release back already/);
}

type State = Awaited<ReturnType<TakeoverBed["state"]>>;

/** What cannot be changed of the classes that were there before. */
function classesOf(state: State, before: State): unknown[] {
  return [...before.keys()].filter((key) => key.startsWith("StorageClass ")).map((key) => {
    const { provisioner, parameters, mountOptions, reclaimPolicy, volumeBindingMode } = state.get(
      key,
    );
    return [key, provisioner, parameters, mountOptions, reclaimPolicy, volumeBindingMode];
  });
}
