/**
 * A node plugin on the guest's own root with its real tools, and what a test looks at beside it.
 */
import assert from "node:assert/strict";
import type { Attachment } from "../../src/handoff.ts";
import { createLogger } from "../../src/log.ts";
import { NodePlugin } from "../../src/node/node_plugin.ts";
import type { PublishRequest, StageRequest } from "../../src/node/requests.ts";
import { FLASHARRAY, type NodeChanges } from "../support/test_settings.ts";
import { failureOf, mountCapability, testRun } from "../support/test_node.ts";
import type { CommandResult, Run } from "../../src/run.ts";

const STATE = "/var/lib/pso-test";
/** Under emulation a tool takes its time. */
export const SLOW_MS = 180_000;

/** A volume as the CO knows it. */
export interface LabVolume {
  volumeId: string;
  attachment: Attachment;
  stagingPath: string;
  targetPath: string;
}

/** What a node has of a host's storage: what must be the same after as it was before. */
export interface HostState {
  mounts: string[];
  disks: string[];
  maps: string[];
  sessions: string[];
  controllers: string[];
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The storage of this host now, by sysfs and mountinfo. */
export function hostState(): HostState {
  const blocks = namesIn("/sys/block").filter((name) => !/^(loop|ram|vd|fd|sr)/.test(name));
  const maps = blocks.filter((name) => name.startsWith("dm-"));
  const mounts = Deno.readTextFileSync("/proc/self/mountinfo").trimEnd().split("\n").map((line) =>
    line.split(" ")[4] ?? ""
  );
  return {
    mounts: mounts.sort(),
    disks: blocks.filter((name) => !maps.includes(name)),
    maps: maps.map((name) => Deno.readTextFileSync(`/sys/block/${name}/dm/name`).trim()).sort(),
    sessions: namesIn("/sys/class/iscsi_session"),
    controllers: namesIn("/sys/class/nvme").filter((name) => /^nvme\d+$/.test(name)),
  };
}

/** The WWID by which multipath knows a volume. */
export function wwidOf(attachment: Attachment): string {
  if (!("serial" in attachment)) throw new Error("no block volume");
  return `3624a9370${attachment.serial.toLowerCase()}`;
}

/** The link by which udev names a volume's map, whatever multipathd calls it. */
export function mapPath(attachment: Attachment): string {
  return `/dev/disk/by-id/dm-uuid-mpath-${wwidOf(attachment)}`;
}

/** What multipathd calls the map of a volume: its WWID or, with friendly names, `mpatha`. */
export function mapName(attachment: Attachment): string {
  const uuid = `mpath-${wwidOf(attachment)}`;
  const dm = (block: string, fact: string) =>
    Deno.readTextFileSync(`/sys/block/${block}/dm/${fact}`).trim();
  const block = namesIn("/sys/block").find((name) =>
    name.startsWith("dm-") && dm(name, "uuid") === uuid
  );
  if (block === undefined) throw new Error(`there is no map ${uuid}`);
  return dm(block, "name");
}

/** A shell line of the test's own; gives back what it printed. */
export async function sh(line: string): Promise<string> {
  const { stdout } = await testRun("bash", ["-c", line], { timeoutMs: SLOW_MS });
  return stdout.trim();
}

/** The code and the text with which `work` fails. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  const { code, message } = await failureOf(work);
  return `${code}: ${message}`;
}

/** The real tools but for what `instead` answers: `undefined` means the real one. */
export function runWith(instead: (tool: string, args: string[]) => CommandResult | undefined): Run {
  return async (tool, args, options) => instead(tool, args) ?? await testRun(tool, args, options);
}

/** What a tool says that did nothing and claims success. */
export const LIE: CommandResult = { code: 0, stdout: "ok\n", stderr: "" };

let volumes = 0;

export class LabNode {
  readonly logLines: string[] = [];
  node: NodePlugin;

  constructor() {
    this.node = this.restart();
  }

  /**
   * A node plugin as after a restart of its process; with `run` in place of the real tools, or with
   * other options.
   */
  restart(run: Run = testRun, { flasharray, ...changes }: NodeChanges = {}): NodePlugin {
    this.node = new NodePlugin({
      name: "lab",
      host: { run, root: "/", namespaces: "direct" },
      stateDir: STATE,
      dataAddresses: ["127.0.0.1"],
      flasharray: { ...FLASHARRAY, iscsiLoginTimeoutSeconds: 60, ...flasharray },
      maxVolumesPerNode: 0,
      log: createLogger({ level: "debug", write: (line) => this.logLines.push(line) }),
      ...changes,
    });
    return this.node;
  }

  /** The paths that a CO would use for a new volume of this attachment. */
  volume(attachment: Attachment): LabVolume {
    const id = ++volumes;
    return {
      volumeId: `0badcafe/k8s-pvc-${id}`,
      attachment,
      stagingPath: `/var/lib/kubelet/plugins/stage-${id}`,
      targetPath: `/var/lib/kubelet/pods/${id}/mount`,
    };
  }

  async stage(volume: LabVolume, changes: Partial<StageRequest> = {}): Promise<void> {
    const { volumeId, stagingPath, attachment } = volume;
    await this.node.stage({
      volumeId,
      stagingPath,
      attachment,
      capability: mountCapability(),
      volumeContext: {},
      ...changes,
    });
  }

  async publish(volume: LabVolume, changes: Partial<PublishRequest> = {}): Promise<void> {
    const { volumeId, stagingPath, targetPath } = volume;
    await this.node.publish({
      volumeId,
      stagingPath,
      targetPath,
      capability: mountCapability(),
      readOnly: false,
      ...changes,
    });
  }

  async takeAway(volume: LabVolume): Promise<void> {
    await this.node.unpublish(volume);
    await this.node.unstage(volume);
  }

  /**
   * Runs `work`; then the host must have just the mounts, disks, maps, sessions and records that it
   * had before.
   */
  static async leavesNothing(work: (lab: LabNode) => Promise<void>): Promise<void> {
    const lab = new LabNode();
    const before = hostState();
    try {
      await work(lab);
    } catch (error) {
      Deno.stderr.writeSync(new TextEncoder().encode(lab.logLines.join("\n") + "\n"));
      throw error;
    }
    assert.deepEqual(hostState(), before);
    assert.deepEqual(namesIn(`${STATE}/volumes`), []);
  }
}
