/** An image archive, unpacked, and processes started in it as a container engine starts them. */
import { removeFolder } from "../../scripts/mounts.ts";
import { type Ran, runTool, tryTool } from "../../scripts/shell.ts";

/** What an image says of its processes. */
interface ImageConfig {
  User: string;
  Env: string[];
  Entrypoint: string[];
}

interface ImageArchive {
  Config: string;
  RepoTags: string[];
  Layers: string[];
}

/** How a process in the image differs from what the image says. */
export interface InImage {
  args: string[];
  /** `UID:GID` in place of the image's. */
  user?: string;
  /** Folders of this machine, each at the same path in the image. */
  folders?: string[];
  /** This machine's devices, as of a privileged container that mounts /dev. */
  devices?: boolean;
}

export class ImageRoot {
  private constructor(
    readonly folder: string,
    readonly config: ImageConfig,
    readonly tags: string[],
  ) {}

  /** Unpacks what `docker save` and `scripts/image_build` write. */
  static async unpack(archive: string): Promise<ImageRoot> {
    const work = await Deno.makeTempDir({ prefix: "pso-image-root-" });
    const layers = `${work}/layers`;
    await Deno.mkdir(layers);
    await runTool("tar", ["-xf", archive, "-C", layers]);
    const [image]: ImageArchive[] = JSON.parse(await Deno.readTextFile(`${layers}/manifest.json`));
    if (image === undefined) throw new Error(`${archive} holds no image`);
    const root = `${work}/root`;
    await Deno.mkdir(root);
    for (const layer of image.Layers) await unpackLayer(`${layers}/${layer}`, root);
    const { config } = JSON.parse(await Deno.readTextFile(`${layers}/${image.Config}`));
    await removeFolder(layers);
    return new ImageRoot(work, config, image.RepoTags);
  }

  get root(): string {
    return `${this.folder}/root`;
  }

  /**
   * The command that runs the image's program; its mounts are its own and end with it. The root is
   * read-only, as the chart's pods have it.
   */
  command({ args, user = this.config.User, folders = [], devices = false }: InImage): string[] {
    const { root } = this;
    const mounts = [
      `mount --rbind --make-rprivate ${root} ${root}`,
      `mount -t proc proc ${root}/proc`,
      ...devices ? [`mount --rbind /dev ${root}/dev`, `mount --rbind /sys ${root}/sys`] : [],
      ...folders.map((folder) =>
        `mkdir -p ${root}${folder}; mount --bind ${folder} ${root}${folder}`
      ),
    ];
    mounts.push(`mount -o remount,bind,ro ${root}`);
    const env = ["env", "-i", ...this.config.Env];
    const started = ["chroot", `--userspec=${user}`, root, ...env, ...this.config.Entrypoint];
    const script = `set -e; ${mounts.join("; ")}; exec "$@"`;
    return [
      "unshare",
      "--mount",
      "--propagation=private",
      "sh",
      "-c",
      script,
      "sh",
      ...started,
      ...args,
    ];
  }

  /** Runs it to its end. */
  async run(options: InImage): Promise<Ran> {
    const [tool = "", ...args] = this.command(options);
    return await tryTool(tool, args);
  }

  async remove(): Promise<void> {
    await removeFolder(this.folder);
  }
}

/** `.wh.NAME` in a layer says that NAME of those below it is gone (OCI image layers, "Whiteouts"). */
async function unpackLayer(layer: string, root: string): Promise<void> {
  const names = (await runTool("tar", ["-tf", layer])).split("\n");
  for (const name of names) {
    const gone = /^(.*?)\.wh\.([^/]+)$/.exec(name);
    if (gone !== null) await runTool("rm", ["-rf", `${root}/${gone[1]}${gone[2]}`]);
  }
  await runTool("tar", ["-xf", layer, "-C", root, "--exclude=.wh.*", "--numeric-owner"]);
}
