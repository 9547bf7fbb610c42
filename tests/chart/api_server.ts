// A real control plane without nodes, for tests of what an API server takes and gives.
import { ROOT } from "../../scripts/program.ts";
import { runTool } from "../../scripts/shell.ts";

/** The program that builds and starts a cluster. */
export const KUBE = `${ROOT}/tests/kube/kube`;

/** A control plane for as long as the test runs; `env` leads kubectl and `kube` to it. */
export async function withApiServer(
  test: (env: Record<string, string>) => Promise<void>,
): Promise<void> {
  await runTool(KUBE, ["build"], { timeoutMs: 3_600_000 }); // the first time it builds Kubernetes
  const dir = await Deno.makeTempDir({ prefix: "k-" });
  try {
    const exported = await runTool(KUBE, ["up", "--no-nodes", "--dir", `${dir}/kube`]);
    const env: Record<string, string> = {};
    for (const [, name = "", value = ""] of exported.matchAll(/^export (\w+)=(.*)$/gm)) {
      env[name] = value.replaceAll("\\", "");
    }
    await test(env);
  } finally {
    await runTool(KUBE, ["down", "--dir", `${dir}/kube`]);
    await Deno.remove(dir, { recursive: true });
  }
}
