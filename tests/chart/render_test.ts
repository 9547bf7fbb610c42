// What the chart renders, by both Helms, held against files in git.
// PSO_GOLDEN=write ./scripts/test chart tests/chart/render_test.ts --shared   writes them anew.
import { deepEqual, equal, match, notDeepEqual } from "node:assert/strict";
import {
  ADDONS,
  CHART,
  type Helm,
  helm,
  HELMS,
  type KubeObject,
  objectsOf,
  render,
} from "./helm.ts";

const HERE = new URL(".", import.meta.url).pathname;
const WRITES = Deno.env.get("PSO_GOLDEN") === "write";

/** Each values file, and what its cluster has beside Kubernetes. */
const FILES: Readonly<Record<string, string[]>> = {
  "none": [],
  "defaults": ADDONS.slice(0, 1),
  "fc": ADDONS.slice(0, 1),
  "nvme": ADDONS.slice(0, 2),
  "openshift": ADDONS,
  "pso-5.2": ADDONS.slice(0, 1),
  "pso-6.2": ADDONS.slice(0, 1),
  "full": ADDONS,
};

const valuesOf = (name: string) => `${HERE}values/${name}.yaml`;
const goldenOf = (name: string) => `${HERE}golden/${name}.yaml`;

async function rendered(which: Helm, name: string): Promise<string> {
  const { code, stdout, stderr } = await render(which, {
    file: valuesOf(name),
    addons: FILES[name],
  });
  equal(code, 0, stderr);
  // Helm 4 leaves a blank line behind each object.
  return stdout.replaceAll(/\n\n(?=---|$)/g, "\n");
}

Deno.test("each values file has its case", () => {
  const files = [...Deno.readDirSync(`${HERE}values`)].map(({ name }) => name).sort();
  deepEqual(files, Object.keys(FILES).map((name) => `${name}.yaml`).sort());
});

for (const name of Object.keys(FILES)) {
  for (const which of HELMS) {
    Deno.test(`${which} renders ${name} as tests/chart/golden/${name}.yaml has it`, async () => {
      const text = await rendered(which, name);
      if (WRITES && which === HELMS[0]) await Deno.writeTextFile(goldenOf(name), text);
      equal(text, await Deno.readTextFile(goldenOf(name)), "PSO_GOLDEN=write writes it anew");
    });

    Deno.test(`${which} lint is content with ${name}`, async () => {
      const { code, stdout, stderr } = await helm(
        which,
        ...["lint", CHART, "--strict", "--kube-version", "1.36.3", "-f", valuesOf(name)],
      );
      equal(code, 0, stdout + stderr);
      match(stdout, /0 chart\(s\) failed/);
    });
  }
}

for (const which of HELMS) {
  Deno.test(`${which}: controllers start anew once there are group snapshots`, async () => {
    const templates = async (addons: string[]) => {
      const { stdout } = await render(which, { file: valuesOf("defaults"), addons });
      const pods = objectsOf(stdout).filter(({ kind }) => /^(Deployment|DaemonSet)$/.test(kind));
      return new Map(pods.map(({ kind, spec }) => [kind, spec.template]));
    };
    const [before, after] = [await templates(ADDONS.slice(0, 1)), await templates(ADDONS)];
    deepEqual(after.get("DaemonSet"), before.get("DaemonSet"));
    notDeepEqual(after.get("Deployment"), before.get("Deployment"));
  });
}

/** The objects of a golden file of that kind, by name. */
async function golden(name: string, kind: string): Promise<Map<string, KubeObject>> {
  const objects = objectsOf(await Deno.readTextFile(goldenOf(name)));
  return new Map(
    objects.filter((one) => one.kind === kind).map((one) => [one.metadata.name, one]),
  );
}

/** What PSO's own charts gave these classes. Kubernetes lets nobody change it. */
const PSO_CLASSES: Readonly<Record<string, Record<string, Record<string, string>>>> = {
  "pso-5.2": {
    "pure": { backend: "block", "csi.storage.k8s.io/fstype": "xfs", createoptions: "-q" },
    "pure-block": { backend: "block", "csi.storage.k8s.io/fstype": "xfs", createoptions: "-q" },
    "pure-file": { backend: "file" },
  },
  "pso-6.2": {
    "pure-block": { backend: "block", "csi.storage.k8s.io/fstype": "xfs", createoptions: "-q" },
    "pure-file": { backend: "file" },
  },
};

for (const [name, classes] of Object.entries(PSO_CLASSES)) {
  Deno.test(`the classes of ${name} keep what cannot be changed`, async () => {
    const made = await golden(name, "StorageClass");
    for (const [className, parameters] of Object.entries(classes)) {
      const one = made.get(className);
      deepEqual(one?.parameters, parameters, className);
      deepEqual([one?.provisioner, one?.reclaimPolicy, one?.volumeBindingMode], [
        "pure-csi",
        "Delete",
        "Immediate",
      ]);
    }
  });

  Deno.test(`${name}: the vendor's images are not started`, async () => {
    const text = await Deno.readTextFile(goldenOf(name));
    const images = [...text.matchAll(/image: "?([^\s"]+)/g)].map(([, image = ""]) => image);
    equal(images.length > 0, true);
    deepEqual(images.filter((image) => /purestorage\/k8s|k8scsi|k8s\.gcr\.io/.test(image)), []);
    equal(text.includes("livenessprobe"), false);
  });

  Deno.test(`${name}: DaemonSet and CSIDriver can take the place of PSO's`, async () => {
    const daemonSet = (await golden(name, "DaemonSet")).get("pure-csi");
    deepEqual(daemonSet?.spec.selector, { matchLabels: { app: "pure-csi" } });
    const driver = (await golden(name, "CSIDriver")).get("pure-csi");
    const { attachRequired, podInfoOnMount, volumeLifecycleModes } = driver.spec;
    deepEqual([attachRequired, podInfoOnMount, volumeLifecycleModes], [true, true, [
      "Persistent",
      "Ephemeral",
    ]]);
    equal(driver.metadata.annotations["pso.purestorage.com/release"], "pso/pure-csi");
  });
}

Deno.test("no right of any role holds a wildcard, and only named Secrets can be read", async () => {
  for (const name of Object.keys(FILES)) {
    for (const kind of ["ClusterRole", "Role"]) {
      for (const [role, { rules }] of await golden(name, kind)) {
        for (const { apiGroups = [], resources = [], verbs = [], resourceNames } of rules) {
          const words = [...apiGroups, ...resources, ...verbs];
          deepEqual(words.filter((word) => word.includes("*")), [], `${name}: ${role}`);
          if (resources.includes("secrets")) equal(Array.isArray(resourceNames), true, role);
        }
      }
    }
  }
});

Deno.test("tokens reach no object but the Secret of the arrays", async () => {
  for (const name of Object.keys(FILES)) {
    for (const one of objectsOf(await Deno.readTextFile(goldenOf(name)))) {
      if (one.kind === "Secret") continue;
      equal(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-/.test(JSON.stringify(one)), false, one.kind);
    }
  }
});

Deno.test("node pods mount no Secret", async () => {
  for (const name of Object.keys(FILES)) {
    for (const { spec } of (await golden(name, "DaemonSet")).values()) {
      equal(JSON.stringify(spec.template.spec.volumes).includes("ecret"), false, name);
    }
  }
});
