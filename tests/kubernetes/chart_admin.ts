/** What `pso-bin admin` tells of a real installation. */
import assert from "node:assert/strict";
import { type AdminResult, runAdmin } from "../support/admin_bed.ts";
import type { Bed } from "./bed.ts";
import { claim } from "./objects.ts";

/** Lines that need the snapshot-controller as a Deployment, which runs beside this cluster. */
const BESIDE = /snapshot-controller/;

export function adminScenarios(bed: Bed): void {
  bed.scenario(
    "admin check finds nothing wrong, and nodes, volumes and a support bundle come from the cluster",
    async () => {
      const { cluster } = bed;
      const run = (...words: string[]): Promise<AdminResult> =>
        runAdmin([...words, "--kubeconfig", cluster.env.KUBECONFIG ?? ""], {
          real: true,
          env: { PATH: Deno.env.get("PATH") ?? "" },
        });
      await cluster.apply(claim("checked"));
      await cluster.bound("checked");
      const check = await bed.timed("admin check", () => run("check"));
      const wrong = check.said.split("\n").filter((line) => /^ {2}(WARN|FAIL)/.test(line));
      assert.deepEqual(wrong.filter((line) => !BESIDE.test(line)), [], check.said);
      assert.equal(check.code, 0);
      assert.match(check.said, /OK {4}nodes +2 of 2 nodes registered/);
      assert.match(check.said, /OK {4}node checks +\S+, \S+: .*local/);
      const nodes = await run("nodes", "-o", "json");
      assert.equal(nodes.code, 0, nodes.said);
      assert.equal(JSON.parse(nodes.said).nodes.length, 2);
      const volumes = await run("volumes", "-o", "json");
      const states = JSON.parse(volumes.said).volumes.map(({ state }: { state: string }) => state);
      assert.deepEqual(states, ["ok"], volumes.said);
      const bundle = await run("support-bundle", "--out", "case.tar");
      const text = new TextDecoder().decode(bundle.written.get("case.tar"));
      assert.match(text, /"event":"/);
      for (const { token } of cluster.fleet.facts.arrays) {
        assert.equal(text.includes(token) || text.includes(btoa(token)), false);
      }
      await cluster.delete("pvc", "checked");
    },
  );
}
