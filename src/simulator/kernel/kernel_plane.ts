import { isPsoError, messageOf, PsoError } from "../../errors.ts";
import type { Run } from "../../run.ts";
import { attribute } from "./configfs.ts";
import { Images } from "../images.ts";
import { KernelExports } from "./kernel_exports.ts";
import { LioTarget } from "./lio_target.ts";
import { NvmetSubsystem } from "./nvmet_subsystem.ts";
import type { BlockPlane, Plane, PlaneHost } from "../plane.ts";
import { targetNames } from "../target_names.ts";

/** This host, whose kernel serves the volumes. */
interface KernelHost {
  /**
   * Where the root of this host is seen: a compiled program may not open /sys and /proc themselves.
   */
  hostRoot: string;
  run: Run;
}

/** What kernelPlane() serves, and where. */
interface KernelPlaneOptions extends KernelHost {
  /** Folder of all arrays' planes. */
  root: string;
  array: { name: string; id: string };
  /** Addresses of this host. */
  portals: readonly string[];
}

const MODULES = {
  flasharray: ["target_core_mod", "target_core_file", "iscsi_target_mod", "nvmet", "nvmet_tcp"],
  flashblade: ["loop"],
};

/**
 * Loads the kernel's targets and looks whether everything is there that arrays of these kinds need.
 * PsoError `unsupported` when this host cannot do it, `unavailable` when something must be started
 * first; both say what to do.
 */
export async function requireKernel(
  kinds: ReadonlySet<keyof typeof MODULES>,
  { hostRoot, run }: KernelHost,
): Promise<void> {
  if (Deno.uid() !== 0) {
    throw new PsoError(
      "unsupported",
      "--data-plane kernel needs root, for the kernel's targets: start it as root",
    );
  }
  for (const kind of kinds) await loadModules(MODULES[kind], run);
  if (kinds.has("flasharray")) {
    for (const folder of ["target", "nvmet"]) {
      requireConfigfs(`${hostRoot}/sys/kernel/config/${folder}`, hostRoot);
    }
  }
  if (kinds.has("flashblade") && !(Number(attribute(`${hostRoot}/proc/fs/nfsd/threads`)) > 0)) {
    throw new PsoError(
      "unavailable",
      "--data-plane kernel exports file systems by this host's NFS server, which does not run " +
        `(${hostRoot}/proc/fs/nfsd/threads): ` +
        "start it (systemctl start nfs-server), or use --flashblades 0",
    );
  }
}

async function loadModules(modules: string[], run: Run): Promise<void> {
  try {
    await run("modprobe", ["-a", ...modules]);
  } catch (error) {
    if (!isPsoError(error, "unavailable")) throw error;
    throw new PsoError(
      "unsupported",
      `--data-plane kernel needs the kernel modules ${
        modules.join(", ")
      }, which cannot be loaded: ${messageOf(error)}; use a host whose ` +
        "kernel has them, or --data-plane local",
      { cause: error },
    );
  }
}

function requireConfigfs(folder: string, hostRoot: string): void {
  try {
    if (Deno.statSync(folder).isDirectory) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof Deno.errors.NotCapable)) {
      throw error;
    }
  }
  throw new PsoError(
    "unsupported",
    `--data-plane kernel needs configfs at ${folder}: mount it (mount -t configfs configfs ` +
      "/sys/kernel/config), and give by --host-root where " +
      `the root of this host is seen (now ${hostRoot}; mount --rbind / /host makes one)`,
  );
}

/**
 * The kernel data plane of one array: LIO and nvmet serve its volumes, the host's NFS server its
 * file systems, all at `portals` (NFS at every address of the host). Needs what requireKernel()
 * looks for.
 */
export function kernelPlane({ root, array, portals, hostRoot, run }: KernelPlaneOptions): Plane {
  const images = new Images(`${root}/${array.name}`, run);
  const common = {
    configfs: `${hostRoot}/sys/kernel/config`,
    portals,
    imagePath: (id: string) => images.imagePath(id),
  };
  const { iqn, nqn, serial } = targetNames(array.id);
  return {
    images,
    block: new KernelBlock(
      new LioTarget({ ...common, arrayId: array.id, iqn }),
      new NvmetSubsystem({ ...common, nqn, serial }),
    ),
    files: new KernelExports({
      images,
      mountPath: (id) => `${images.root}/fs/${id}`,
      run,
      root: "/",
    }),
    portals,
  };
}

/** Both targets of a FlashArray. Knows all hosts, because the targets are set right as a whole. */
class KernelBlock implements BlockPlane {
  readonly #targets: (LioTarget | NvmetSubsystem)[];
  readonly #hosts = new Map<string, PlaneHost>();

  constructor(...targets: (LioTarget | NvmetSubsystem)[]) {
    this.#targets = targets;
  }

  reconcile(hosts: PlaneHost[]): void {
    this.#hosts.clear();
    this.show(hosts);
    // An image may have grown while nobody told the kernel.
    for (const { connections } of hosts) for (const { volume } of connections) this.resized(volume);
  }

  show(hosts: PlaneHost[], gone: string[] = []): void {
    for (const name of gone) this.#hosts.delete(name);
    for (const host of hosts) this.#hosts.set(host.name, host);
    for (const target of this.#targets) target.show([...this.#hosts.values()]);
  }

  resized(volume: Parameters<BlockPlane["resized"]>[0]): void {
    for (const target of this.#targets) target.resized(volume);
  }

  stop(): void {
    const problems = this.#targets.flatMap((target) => {
      try {
        target.stop();
        return [];
      } catch (error) {
        return [error]; // the other must be taken away all the same
      }
    });
    if (problems.length > 0) throw problems[0];
  }
}
