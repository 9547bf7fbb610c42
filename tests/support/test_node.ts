/**
 * A node plugin over real loop devices in a folder of its own, for the tests beside. Needs root;
 * runs with -A.
 */
import assert from "node:assert/strict";
import { releaseBelow, removeFolder } from "../../scripts/mounts.ts";
import type { Capability } from "../../src/capability.ts";
import { isPsoError, type PsoError } from "../../src/errors.ts";
import { createRun } from "../../src/host/command.ts";
import type { Host } from "../../src/host/host.ts";
import { listLoopDevices } from "../../src/host/loop.ts";
import { readMounts } from "../../src/host/mountinfo.ts";
import { createLogger, type Logger } from "../../src/log.ts";
import type { Run } from "../../src/run.ts";
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

/** Tools for the test's own looking and cleaning. */
export const testRun: Run = createRun({
  namespaces: "direct",
  hostRoot: "/",
  log: createLogger({ write: () => {} }),
  path: Deno.env.get("PATH"),
});

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
    const folder = await Deno.makeTempDir({ prefix: "pso-node-" });
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
    const loops = (await listLoopDevices(direct)).filter((loop) =>
      loop.backingFile.startsWith(`${this.folder}/`)
    ).map((loop) => loop.name);
    const records: string[] = [];
    try {
      for await (const { name } of Deno.readDir(`${this.folder}/state/volumes`)) records.push(name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return [...mounts.filter((target) => !target.startsWith(this.host.root)), ...loops, ...records];
  }
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
