import { deepEqual } from "node:assert/strict";
import { mountedSecretKey } from "./mounted_secrets.ts";

/** A controller that mounts a projected volume, a whole Secret, and parts; and a sidecar. */
const DEPLOYMENT = {
  spec: {
    template: {
      spec: {
        containers: [
          {
            name: "driver",
            args: ["controller"],
            volumeMounts: [
              { name: "tokens", mountPath: "/etc/pure" },
              { name: "vault", mountPath: "/etc/pure/vault/" },
              { name: "vault", mountPath: "/etc/pure/part", subPath: "deep" },
              { name: "scratch", mountPath: "/etc/pure/tokens/hidden" },
            ],
          },
          {
            name: "sidecar",
            args: ["--leader-election"],
            volumeMounts: [{ name: "vault", mountPath: "/etc/pure/of-the-sidecar" }],
          },
        ],
        volumes: [
          {
            name: "tokens",
            projected: {
              sources: [
                { configMap: { name: "ca" } },
                { secret: { name: "fa1", items: [{ key: "api", path: "tokens/fa1/api" }] } },
                { secret: { name: "h", items: [{ key: "t", path: "tokens/hidden/t" }] } },
              ],
            },
          },
          { name: "vault", secret: { secretName: "vault-fa2" } },
          { name: "scratch", emptyDir: {} },
        ],
      },
    },
  },
};

/** By path: the Secret and key; undefined: nothing of a Secret. */
const ROWS: Readonly<Record<string, { name: string; key: string } | undefined>> = {
  "/etc/pure/tokens/fa1/api": { name: "fa1", key: "api" },
  "/etc/pure/./tokens/fa1/api": { name: "fa1", key: "api" },
  "/etc/pure/vault/token": { name: "vault-fa2", key: "token" },
  "/etc/pure/tokens/fa1/other": undefined,
  "/etc/pure/tokens/other/token": undefined,
  "/etc/pure/vault/../tokens/other/token": undefined,
  "/etc/pure/vault/deep/token": undefined,
  "/etc/pure/part/token": undefined,
  "/etc/pure/tokens/hidden/t": undefined,
  "/etc/pure/of-the-sidecar/token": undefined,
  "/etc/pure": undefined,
  "/tmp/vault-token": undefined,
};

for (const [path, wanted] of Object.entries(ROWS)) {
  Deno.test(`${path} of a controller is ${wanted ? `${wanted.name}/${wanted.key}` : "of no Secret"}`, () => {
    deepEqual(mountedSecretKey(DEPLOYMENT, path), wanted);
    deepEqual(mountedSecretKey(undefined, path), undefined);
  });
}
