/** Containers of a cluster as processes of this machine. */
import { readIfThere } from "../../scripts/paths.ts";
import { runTool } from "../../scripts/shell.ts";
import type { KubeObject } from "./kubectl.ts";

const KiB_PER_MIB = 1024;

export interface RunningContainer {
  pod: string;
  name: string;
  pids: number[];
  /** Resident memory of its processes. */
  rssMiB: number;
}

/** The running containers of these pods, by the cgroups that kubelet made for them. */
export async function containersOn(pods: KubeObject[]): Promise<RunningContainer[]> {
  const listed = await runTool("find", [
    "/sys/fs/cgroup",
    "-path",
    "*/pso-kube-[0-9]*/*",
    "-name",
    "cgroup.procs",
  ]);
  const files = listed.split("\n");
  const found: RunningContainer[] = [];
  for (const { metadata, status } of pods) {
    for (const { name, containerID = "" } of status.containerStatuses ?? []) {
      const id = containerID.replace("containerd://", "");
      const file = files.find((path) => id !== "" && path.includes(`/${id}/`));
      const pids = (await readIfThere(file ?? "") ?? "").split("\n").filter((pid) => pid !== "")
        .map(Number);
      const rss = await Promise.all(pids.map(residentKiB));
      const rssMiB = rss.reduce((sum, one) => sum + one, 0) / KiB_PER_MIB;
      found.push({ pod: metadata.name, name, pids, rssMiB });
    }
  }
  return found;
}

async function residentKiB(pid: number): Promise<number> {
  const status = await readIfThere(`/proc/${pid}/status`).catch(() => undefined);
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status ?? "")?.[1] ?? 0);
}
