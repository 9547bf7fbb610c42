// What the chart renders, field by field before a real API server.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { ApiServer, type KubeObject, objectsOf, render } from "./helm.ts";
import type { Ran } from "../../scripts/shell.ts";
import { HERE, valuesOf, withCluster } from "./cluster_bed.ts";

function warningsIn(text: string): string[] {
  return text.split("\n").filter((line) => line.startsWith("Warning:"));
}

/** What Kubernetes asks of a namespace with node pods, in its own words. */
const NODE_WARNING =
  /would violate PodSecurity "restricted:latest": host namespaces \(hostNetwork=true\), hostPort/;

async function tryDry(server: ApiServer, objects: KubeObject[]): Promise<Ran> {
  return await server.try(
    "kubectl",
    ...["apply", "--dry-run=server", "--validate=strict"],
    ...["-f", await server.fileOf(objects)],
  );
}

async function dryRun(server: ApiServer, objects: KubeObject[]): Promise<string[]> {
  const { code, stderr } = await tryDry(server, objects);
  equal(code, 0, stderr);
  return warningsIn(stderr);
}

Deno.test("every golden file passes the API server's strict validation; the controller is restricted", (t) =>
  withCluster(async (server) => {
    for (const { name } of Deno.readDirSync(`${HERE}golden`)) {
      await t.step(name, async () => {
        const objects = objectsOf(await Deno.readTextFile(`${HERE}golden/${name}`));
        const isNode = ({ kind }: KubeObject) => kind === "DaemonSet";
        deepEqual(await dryRun(server, objects.filter((one) => !isNode(one))), []);
        const warnings = await dryRun(server, objects.filter(isNode));
        ok(warnings.length > 0);
        for (const warning of warnings) match(warning, NODE_WARNING);
      });
    }

    await t.step("a simulated fleet, with network policy", async () => {
      const { code, stdout, stderr } = await render("helm3", {
        file: valuesOf("none"),
        args: ["--set", "simulate.enabled=true,networkPolicy.enabled=true"],
      });
      equal(code, 0, stderr);
      const objects = objectsOf(stdout);
      await dryRun(server, objects);
      const policy = objects.find(({ kind }) => kind === "NetworkPolicy");
      ok(JSON.stringify(policy.spec.egress).includes('"port":8443'));
    });

    await t.step("that validation finds a field that does not exist", async () => {
      const objects = objectsOf(await Deno.readTextFile(`${HERE}golden/none.yaml`));
      const deployment = objects.find(({ kind }) => kind === "Deployment");
      deployment.spec.replica = 2;
      const { code, stderr } = await tryDry(server, [deployment]);
      equal(code, 1);
      match(stderr, /unknown field "(spec\.)?replica"/);
    });
  }));
