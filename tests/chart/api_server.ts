// A real control plane without nodes, for tests of what an API server takes and gives.
import { runTool } from "../../scripts/shell.ts";
import { buildKube, KUBE, kubeUp } from "../support/kube.ts";

/** A control plane for as long as the test runs; `env` leads kubectl and `kube` to it. */
export async function withApiServer(
  test: (env: Record<string, string>) => Promise<void>,
): Promise<void> {
  await buildKube();
  const dir = await Deno.makeTempDir({ prefix: "k-" });
  try {
    await test(await kubeUp(["--no-nodes", "--dir", `${dir}/kube`]));
  } finally {
    await runTool(KUBE, ["down", "--dir", `${dir}/kube`]);
    await Deno.remove(dir, { recursive: true });
  }
}
