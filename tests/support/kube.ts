/** tests/kube/kube: how its programs are built, and a cluster is started. */
import { ROOT } from "../../scripts/program.ts";
import { runTool } from "../../scripts/shell.ts";

/** The program that builds and starts a cluster. */
export const KUBE = `${ROOT}/tests/kube/kube`;

/**
 * Builds what is missing of Kubernetes and Helm, and the modules that only some need; the first
 * time takes minutes, and says what it is at.
 */
export async function buildKube(
  ...modules: ("helm-operator" | "snapshot-metadata" | "e2e")[]
): Promise<void> {
  const { code } = await new Deno.Command(KUBE, {
    args: ["build", ...modules],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error(`kube build ended with code ${code}: see what it said above`);
}

/**
 * Starts a cluster whose programs are built, by `kube up` with these arguments; `env` has variables
 * that README.md of tests/kube names. Gives back the environment that leads kubectl and `kube` to it.
 */
export async function kubeUp(
  args: string[],
  env?: Record<string, string>,
): Promise<Record<string, string>> {
  const exported = await runTool(KUBE, ["up", ...args], { env });
  const variables = exported.matchAll(/^export (\w+)=(.*)$/gm);
  return Object.fromEntries(
    [...variables].map(([, name = "", value = ""]) => [name, value.replaceAll("\\", "")]),
  );
}
