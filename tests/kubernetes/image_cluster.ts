/** A cluster whose pods run images as they are built, and the values for arrays in a pod of it. */
import { ROOT } from "../../scripts/program.ts";
import { runTool, say } from "../../scripts/shell.ts";
import { Kubectl, startKube } from "./kubectl.ts";
import type { Steps } from "./steps.ts";

/** What `scripts/` builds. */
type ImageName = "image" | "operator-image";

/** Starts two hosts below `dir` that hold these images and upstream's sidecars. */
export async function startImages(
  steps: Steps,
  dir: string,
  ...names: ImageName[]
): Promise<Kubectl> {
  const archives: string[] = [];
  for (const name of names) archives.push(await steps.timed(`${name} is there`, () => built(name)));
  const cluster = await steps.timed(
    "cluster of two hosts starts",
    () => startKube(dir, { options: ["--hosts", "--services"] }),
  );
  for (const archive of archives) await cluster.kube("load", archive);
  await cluster.kube("images");
  return cluster;
}

/** The archive of that image, which is built when it is missing or old. */
async function built(name: ImageName): Promise<string> {
  const archive = `${ROOT}/dist/${name}.tar`;
  const script = `${ROOT}/scripts/${name.replace("-", "_")}_build`;
  const said = await runTool(script, ["--if-needed", "--out", archive], { timeoutMs: 25 * 60_000 });
  if (said !== "") say(said.trimEnd());
  return archive;
}

/** Values of a release whose arrays are simulated, on the first host. */
export function simulated(stateDir: string) {
  return {
    simulate: {
      enabled: true,
      stateDir,
      // No DNS here.
      clusterIP: `${Deno.env.get("PSO_KUBE_NET") ?? "10.200"}.4.50`,
      nodeSelector: { "kubernetes.io/hostname": "node-1" },
    },
    // The nodes have one network, so that all would tell the same addresses.
    nodeServer: { dataAddresses: ["$(HOST_IP)"] },
  };
}
