import { deepEqual, equal, rejects } from "node:assert/strict";
import { readClaim } from "./claims.ts";
import { KubeError } from "../client.ts";

const CLAIM = { namespace: "shop", name: "data-db-0" };

Deno.test("readClaim() takes labels, annotations, the class and the StatefulSet that owns the claim", async () => {
  const asked: string[] = [];
  const facts = await readClaim({
    get: (path) => {
      asked.push(path);
      return Promise.resolve({
        metadata: {
          uid: "7d1f",
          deletionTimestamp: "2026-01-01T00:00:00Z",
          labels: { app: "db", odd: 7 },
          annotations: { note: "x" },
          ownerReferences: [
            { kind: "StatefulSet", apiVersion: "example.org/v1", name: "other" },
            { kind: "StatefulSet", apiVersion: "apps/v1", name: "db" },
          ],
        },
        spec: { storageClassName: "gold" },
      });
    },
  }, CLAIM);
  deepEqual(asked, ["/api/v1/namespaces/shop/persistentvolumeclaims/data-db-0"]);
  deepEqual(facts, {
    namespace: "shop",
    uid: "7d1f",
    isDeleting: true,
    labels: { app: "db" },
    annotations: { note: "x" },
    statefulSet: "db",
    storageClass: "gold",
  });
});

Deno.test("readClaim() of a bare claim, of one that is gone, and of one that may not be read", async () => {
  deepEqual(await readClaim({ get: () => Promise.resolve({ metadata: {} }) }, CLAIM), {
    namespace: "shop",
    isDeleting: false,
    labels: {},
    annotations: {},
  });
  const refusing = (status: number) => ({
    get: () => Promise.reject(new KubeError("denied", `status ${status}`, { status })),
  });
  equal(await readClaim(refusing(404), CLAIM), undefined);
  await rejects(readClaim(refusing(403), CLAIM), { code: "denied" });
});
