import { deepEqual } from "node:assert/strict";
import { installationOf } from "./cluster.ts";

/** A Deployment of one container with these arguments and volumes. */
function deployment(args: string[], volumes: unknown[] = []) {
  return { spec: { template: { spec: { containers: [{ args }, {}], volumes } } } };
}

const DEFAULTS = {
  secret: { name: "pure-provisioner-secret", key: "pure.json" },
  configMap: { name: "pure-csi-container-configmap", key: "appconfig.json" },
  lease: { namespace: "storage", name: "pure-csi-leader" },
};

Deno.test("installationOf() takes the names of the chart where there is no Deployment", () => {
  deepEqual(installationOf(undefined, { namespace: "storage" }), DEFAULTS);
});

Deno.test("installationOf() takes what the controller's flags name", () => {
  const args = [
    "controller",
    "--lease=pso/other-lease",
    "--kube-config-from=pso/secret/arrays/fleet.json",
    "--kube-config-from=pso/configmap/settings",
  ];
  deepEqual(installationOf(deployment(args), { namespace: "pso" }), {
    secret: { name: "arrays", key: "fleet.json" },
    configMap: { name: "settings", key: "appconfig.json" },
    lease: { namespace: "pso", name: "other-lease" },
  });
});

Deno.test("installationOf() takes what is mounted, in a projected volume too", () => {
  const config = { configMap: { name: "settings" } };
  const tokens = { secret: { name: "t", items: [{ key: "token", path: "tokens/t/token" }] } };
  const arrays = { secret: { name: "arrays", items: [{ key: "fleet", path: "pure.json" }] } };
  const projected = { projected: { sources: [tokens, arrays] } };
  deepEqual(installationOf(deployment([], [config, projected]), { namespace: "storage" }), {
    ...DEFAULTS,
    secret: { name: "arrays", key: "fleet" },
    configMap: { name: "settings", key: "appconfig.json" },
  });
  const plain = { secret: { secretName: "plain" } };
  deepEqual(installationOf(deployment([], [plain]), { namespace: "storage" }), {
    ...DEFAULTS,
    secret: { name: "plain", key: "pure.json" },
  });
});
