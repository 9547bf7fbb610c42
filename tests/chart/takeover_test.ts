// `pso-bin admin takeover` against a real API server with what PSO 5.2 and 6.2 leave in it.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { readRecord } from "../../src/admin/takeover/helm_release.ts";
import { pso52, pso62, volumeOf } from "../support/pso_objects.ts";
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
