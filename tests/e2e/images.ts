/** The images that upstream's tests use, made on the spot under the names that they ask for. */
import { runTool } from "../../scripts/shell.ts";
import type { Kubectl } from "../kubernetes/kubectl.ts";

/**
 * What specs call in an image with a shell: bash for arithmetic, coreutils where busybox lacks an
 * option or exits otherwise. Busybox has the rest, and comes last, as it links what is missing.
 */
const SHELL_TOOLS = [
  ...["bash", "dd", "sha256sum", "stat", "base64", "head", "sync", "nsenter"],
  "busybox",
];
/** Images of which specs only use the shell, by the last word of their names. */
const SHELL_IMAGES = ["busybox", "glibc-dns-testing", "nginx"];

/** Makes them on each node of the cluster; `KUBE_BIN` has agnhost. */
export async function makeImages(cluster: Kubectl): Promise<void> {
  const { KUBE_BIN = "" } = cluster.env;
  const listed = await runTool("e2e.test", ["--list-images"], { env: cluster.env });
  const named = (words: string[]) => {
    const names = listed.split("\n").filter((line) =>
      line.includes("/e2e-test-images/") &&
      words.includes(line.replace(/^.*\//, "").replace(/:.*$/, ""))
    );
    if (names.length === 0) throw new Error(`e2e.test asks for no image ${words}: ${listed}`);
    return names.join(",");
  };
  const shell = await Promise.all(
    SHELL_TOOLS.map(async (tool) => (await runTool("sh", ["-c", `command -v ${tool}`])).trim()),
  );
  const root = `${cluster.dir}/image-root`;
  await Deno.mkdir(`${root}/bin`, { recursive: true });
  await Deno.symlink("bash", `${root}/bin/sh`);
  await cluster.kube("image", named(SHELL_IMAGES), root, ...shell);
  await Deno.symlink("bin/agnhost", `${root}/agnhost`);
  const agnhost = [root, `${KUBE_BIN}/agnhost`, ...shell, "--", "pause"];
  await cluster.kube("image", named(["agnhost"]), ...agnhost);
}
