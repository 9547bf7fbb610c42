/**
 * A node plugin over real loop devices in a folder of its own, for the tests beside. Needs root;
 * runs with -A.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { loopDevices, releaseBelow, removeFolder } from "../../scripts/mounts.ts";
import type { Capability } from "../../src/capability.ts";
import { isPsoError, type PsoError } from "../../src/errors.ts";
import { createRun } from "../../src/host/tools/command.ts";
import type { Host } from "../../src/host/host.ts";
import { readMounts } from "../../src/host/mountinfo.ts";
import { createLogger, type Logger } from "../../src/log.ts";
import type { CommandResult, Run } from "../../src/run.ts";
import { MiB } from "../../src/size.ts";
import type { BlockAttachment } from "../../src/node/protocol.ts";
import { NodePlugin, type NodePluginOptions } from "../../src/node/node_plugin.ts";
import type { PublishRequest, StageRequest } from "../../src/node/requests.ts";
import { FLASHARRAY, type NodeChanges } from "./test_settings.ts";

export const ARRAY = "fa-1";
export const NODE_NAME = "node-1";
export const VOLUME_BYTES = 320 * MiB;

/** A capability to mount, as most tests want it. */
export function mountCapability(
  fsType = "xfs",
  mode: Capability["mode"] = "single-node-writer",
): Capability {
  return { access: { type: "mount", fsType, mountFlags: [] }, mode };
}

export const BLOCK_CAPABILITY: Capability = {
  access: { type: "block" },
  mode: "single-node-writer",
};

/** The tools of this machine, each as a process of its own. */
export const realRun: Run = createRun({
  namespaces: "direct",
  hostRoot: "/",
  log: createLogger({ write: () => {} }),
  path: Deno.env.get("PATH"),
});

/** As realRun, but reads devices in this process: a proof that one is blank starts a hundred dd. */
export const testRun: Run = async (tool, args, options) =>
  (tool === "sh" ? await readDevice(args) : undefined) ?? await realRun(tool, args, options);

/**
 * What the script of readAreas() gives: `sh -c SCRIPT sh /dev/loop0 FLAGS OFFSET LENGTH …`.
 * `undefined` for another script, and where anything is wrong: that is for the real one to say.
 */
async function readDevice([, , , path, , ...places]: string[]): Promise<CommandResult | undefined> {
  if (!path?.startsWith("/dev/loop")) return undefined;
  try {
    using device = await Deno.open(path);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < places.length; at += 2) {
      const chunk = new Uint8Array(Number(places[at + 1]));
      await device.seek(Number(places[at]), Deno.SeekMode.Start);
      for (let read = 0; read < chunk.length;) {
        const count = await device.read(chunk.subarray(read));
        if (count === null) return undefined;
        read += count;
      }
      chunks.push(chunk);
    }
    return { code: 0, stdout: "", stderr: "", bytes: new Uint8Array(Buffer.concat(chunks)) };
  } catch {
    return undefined;
  }
}

/** One volume on the array's side, and the paths that the CO would use for it. */
export interface TestVolume {
  volumeId: string;
  attachment: BlockAttachment;
  image: string;
  link: string;
  stagingPath: string;
  targetPath: string;
}

export class TestNode {
  readonly folder: string;
  readonly plane: string;
  readonly host: Host;
  readonly log: Logger;
  readonly logLines: string[] = [];
  node: NodePlugin;
  #luns = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.plane = `${folder}/plane`;
    this.log = createLogger({ level: "debug", write: (line) => this.logLines.push(line) });
    this.host = { run: testRun, root: `${folder}/root`, namespaces: "direct" };
    this.node = this.restart();
  }

  /**
   * Runs `work` on a fresh node, with the host's / mounted below it, and takes everything away
   * after it; fails when it left something.
   */
  static async use(work: (test: TestNode) => Promise<void>): Promise<void> {
    const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pso-node-" }));
    const test = new TestNode(folder);
    try {
      for (
        const name of [
          "root",
          "state",
          `plane/${ARRAY}/images`,
          `plane/${ARRAY}/hosts/${NODE_NAME}`,
        ]
      ) {
        await Deno.mkdir(`${folder}/${name}`, { recursive: true });
      }
      await testRun("mount", ["--bind", "/", test.host.root]);
      await testRun("mount", ["--make-rslave", test.host.root]);
      for (const name of ["proc", "sys", "dev"]) {
        await testRun("mount", ["--bind", `/${name}`, `${test.host.root}/${name}`]);
      }
      await work(test);
      assert.deepEqual(await test.leftovers(), [], "left behind");
    } finally {
      await releaseBelow([folder]);
      await removeFolder(folder);
    }
  }

  /** Options of this node's plugin. */
  options(run: Run = testRun): NodePluginOptions {
    return {
      name: NODE_NAME,
      host: { ...this.host, run },
      stateDir: `${this.folder}/state`,
      localPlane: this.plane,
      dataAddresses: ["127.0.0.11"],
      flasharray: FLASHARRAY,
      maxVolumesPerNode: 0,
      log: this.log,
    };
  }

  /** A node plugin as after a restart of its process. */
  restart(run: Run = testRun, { flasharray, ...changes }: NodeChanges = {}): NodePlugin {
    this.node = new NodePlugin({
      ...this.options(run),
      flasharray: { ...FLASHARRAY, ...flasharray },
      ...changes,
    });
    return this.node;
  }

  /** Makes a blank volume and connects it to this node. */
  async volume(sizeBytes = VOLUME_BYTES): Promise<TestVolume> {
    const lun = ++this.#luns;
    const image = `${this.plane}/${ARRAY}/images/${lun}`;
    (await Deno.create(image)).close();
    await Deno.truncate(image, sizeBytes);
    const link = `${this.plane}/${ARRAY}/hosts/${NODE_NAME}/${lun}`;
    await Deno.symlink(`../../images/${lun}`, link);
    return {
      volumeId: `0badcafe/k8s-pvc-${lun}`,
      attachment: {
        protocol: "local",
        type: "block",
        array: ARRAY,
        host: NODE_NAME,
        lun,
        serial: "",
        sizeBytes,
        everWritten: false,
      },
      image,
      link,
      // a blank in the path: mountinfo writes it as \040
      stagingPath: `${this.folder}/stage ${lun}`,
      targetPath: `${this.folder}/pods/${lun}/mount`,
    };
  }

  stageRequest(volume: TestVolume, changes: Partial<StageRequest> = {}): StageRequest {
    const { volumeId, stagingPath, attachment } = volume;
    return {
      volumeId,
      stagingPath,
      attachment,
      capability: mountCapability(),
      volumeContext: {},
      ...changes,
    };
  }

  publishRequest(volume: TestVolume, changes: Partial<PublishRequest> = {}): PublishRequest {
    const { volumeId, stagingPath, targetPath } = volume;
    return {
      volumeId,
      stagingPath,
      targetPath,
      capability: mountCapability(),
      readOnly: false,
      ...changes,
    };
  }

  async takeAway(volume: TestVolume): Promise<void> {
    await this.node.unpublish(volume);
    await this.node.unstage(volume);
  }

  /** Mounts, loop devices and records that exist for this test, its host root apart. */
  async leftovers(): Promise<string[]> {
    const direct: Host = { ...this.host, root: "/" };
    const mounts = (await readMounts(direct)).map((mount) => mount.target).filter((target) =>
      target.startsWith(`${this.folder}/`)
    );
    // From sysfs: a test that asks losetup at each step takes twice as long.
    const loops = (await loopDevices()).filter(({ file }) => file.startsWith(`${this.folder}/`))
      .map(({ device }) => device.slice("/dev/".length));
    const records: string[] = [];
    try {
      for await (const { name } of Deno.readDir(`${this.folder}/state/volumes`)) records.push(name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return [...mounts.filter((target) => !target.startsWith(this.host.root)), ...loops, ...records];
  }
}

/** A CRC of a file's bytes, which any change changes; twenty times as fast as a hash. */
export async function checksumOf(path: string): Promise<string> {
  return (await testRun("cksum", [path])).stdout;
}

/** The PsoError that `work` ends with. */
export async function failureOf(work: Promise<unknown>): Promise<PsoError> {
  try {
    await work;
  } catch (error) {
    if (isPsoError(error)) return error;
    throw error;
  }
  throw new Error("it succeeded");
}
