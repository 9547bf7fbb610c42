/**
 * A host of files: its sysfs, mountinfo and configuration in a folder, and tools that change them
 * as the real ones do.
 */
import { abortError } from "../../src/async/wait.ts";
import type { FlashArraySettings } from "../../src/config/model.ts";
import type { Attachment } from "../../src/handoff.ts";
import { toolFailure } from "../../src/host/tools/command.ts";
import type { Host } from "../../src/host/host.ts";
import { createLogger } from "../../src/log.ts";
import { PsoError } from "../../src/errors.ts";
import type { NodeContext } from "../../src/node/context.ts";
import { DeviceWork } from "../../src/node/device_work.ts";
import { NfsServers } from "../../src/node/nfs/servers.ts";
import { NodePlugin } from "../../src/node/node_plugin.ts";
import { type StageRecord, StageRecords } from "../../src/node/stage_record.ts";
import { TargetQueue } from "../../src/node/target_queue.ts";
import type { CommandResult, RunOptions } from "../../src/run.ts";
import { FakeLoop } from "./fake_loop.ts";
import { FakeNvme } from "./fake_nvme.ts";
import { FakeIscsi, PORTALS, TARGET } from "./fake_iscsi.ts";
import { type Answer, FakeScsi, serialOf, SIZE_BYTES } from "./fake_scsi.ts";
import { FakeReads } from "./fake_reads.ts";
import { HostFiles, makeHostFolder } from "./host_files.ts";
import { FLASHARRAY, type NodeChanges } from "./test_settings.ts";

/** What a host needs before it attaches a volume. */
const PREPARED = {
  "/usr/sbin/multipathd": "",
  "/usr/sbin/iscsiadm": "",
  "/usr/sbin/mount.nfs": "",
  "/sys/module/iscsi_tcp/refcnt": "1",
  "/sys/module/nfs/refcnt": "1",
  "/etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1993-08.org.debian:01:n1",
  "/proc/1/net/unix": "0: 00000002 00000000 00010000 0001 01 1354 @ISCSIADM_ABSTRACT_NAMESPACE",
  "/proc/sys/kernel/random/boot_id": "0a1b2c3d-0000-4000-8000-00000000000b",
};

/** No default options, so that the command lines of a test are short. */
const TERSE: FlashArraySettings = {
  ...FLASHARRAY,
  defaultMkfsOptions: [],
  defaultMountOptions: [],
  iscsiLoginTimeoutSeconds: 5,
};

type ContextChanges =
  & Omit<Partial<NodeContext>, "flasharray">
  & Pick<NodeChanges, "flasharray">;

/** What a tool does on this host; an answer takes the place of the fake host's own. */
type Tool = (args: string[], signal?: AbortSignal) => Answer | void | Promise<Answer | void>;

export class FakeHost extends HostFiles {
  readonly host: Host;
  readonly records: StageRecords;
  readonly scsi: FakeScsi;
  readonly iscsi: FakeIscsi;
  readonly nvme: FakeNvme;
  readonly loop: FakeLoop;
  readonly reads: FakeReads;
  readonly log: string[] = [];
  /** Command lines of the tools. */
  readonly commands: string[] = [];
  /** What stat(1) says of a mount in place of numbers. */
  readonly statFails = new Map<string, PsoError>();
  readonly onTool = new Map<string, Tool>();
  /** Called when a tool has done its work, before its caller hears of it. */
  afterTool: (count: number) => void = () => {};
  nowMs = 0;
  #mounts: string[] = [];

  private constructor(root: string) {
    super(root);
    this.host = { root, namespaces: "nsenter", run: (...call) => this.#run(...call) };
    this.records = new StageRecords(`${root}/state`, { log: this.#logger() });
    this.scsi = new FakeScsi(this);
    this.iscsi = new FakeIscsi(this, this.scsi);
    this.nvme = new FakeNvme(this);
    this.loop = new FakeLoop(this);
    this.reads = new FakeReads(this);
  }

  static async use(work: (fake: FakeHost) => Promise<void>): Promise<void> {
    const root = await makeHostFolder();
    const fake = new FakeHost(root);
    try {
      fake.#writeMounts();
      for (const [path, text] of Object.entries(PREPARED)) fake.write(path, text);
      await work(fake);
    } catch (error) {
      const said = [...fake.log, ...fake.commands, ""].join("\n");
      Deno.stderr.writeSync(new TextEncoder().encode(said));
      throw error;
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  }

  #logger() {
    return createLogger({ write: (line) => this.log.push(line) });
  }

  plugin({ flasharray, ...changes }: NodeChanges = {}): NodePlugin {
    return new NodePlugin({
      name: "n1",
      host: this.host,
      stateDir: `${this.root}/state`,
      dataAddresses: ["192.0.2.9"],
      flasharray: { ...TERSE, ...flasharray },
      maxVolumesPerNode: 0,
      log: this.#logger(),
      now: () => this.nowMs,
      ...changes,
    });
  }

  /** What the parts of a node plugin stand on; each call is a plugin of its own. */
  context({ flasharray, ...changes }: ContextChanges = {}): NodeContext {
    const log = this.#logger();
    return {
      host: this.host,
      stateDir: `${this.root}/state`,
      records: this.records,
      localPlane: undefined,
      dataAddresses: () => Promise.resolve(["192.0.2.9"]),
      flasharray: { ...TERSE, ...flasharray },
      chap: new Map(),
      targets: new TargetQueue(),
      deviceWork: new DeviceWork(log),
      requirePrepared: () => Promise.resolve(),
      nfs: new NfsServers({ host: this.host, log, now: () => this.nowMs }),
      unknownMountOptions: new Set(),
      log,
      ...changes,
    };
  }

  /** Log lines with this event. */
  said(event: string): string[] {
    return this.log.filter((line) => line.includes(`"event":"${event}"`));
  }

  /** Command lines that hold these words. */
  ran(words: string): string[] {
    return this.commands.filter((line) => line.includes(words));
  }

  /** Mounts a device by its number, or an NFS export by its source. */
  mount(
    target: string,
    { number, type = "xfs", source = "dev", options = "rw", root = "/" }: MountFacts,
  ): void {
    const id = this.#mounts.length + 1;
    this.#mounts.push(`${id} 1 ${number} ${root} ${target} rw - ${type} ${source} ${options}`);
    this.#writeMounts();
  }

  /** Mounts a block device by its name. */
  mountDevice(name: string, target: string): void {
    this.mount(target, { number: this.read(`/sys/class/block/${name}/dev`) });
  }

  /** A partition of a device, as the kernel finds one; gives its name. */
  partition(device: string, number: number): string {
    const name = `${device}${/\d$/.test(device) ? "p" : ""}${number}`;
    const [major = "", minor = ""] = this.read(`/sys/class/block/${device}/dev`).split(":");
    this.write(`/sys/class/block/${device}/${name}/partition`, String(number));
    const facts = {
      number: `${major}:${Number(minor) + 1000 + number}`,
      sizeBytes: SIZE_BYTES / 2,
    };
    this.blockDevice(`/sys/class/block/${name}`, facts);
    return name;
  }

  /** Takes the uppermost mount at a place away; `false` when there is none. */
  unmount(target: string): boolean {
    const at = this.#mounts.findLastIndex((line) => line.split(" ")[4] === target);
    if (at >= 0) this.#mounts.splice(at, 1);
    this.#writeMounts();
    return at >= 0;
  }

  #writeMounts(): void {
    for (const process of ["1", "self"]) {
      this.write(`/proc/${process}/mountinfo`, this.#mounts.join("\n"));
    }
  }

  /** A record of a volume with a map, staged over both portals by sessions 1 and 2, and mounted. */
  async stagedVolume(number: number, changes: Partial<StageRecord> = {}): Promise<StageRecord> {
    const map = `dm-${number}`;
    this.scsi.luns.set(number, number);
    this.scsi.addMap(map, number);
    for (const session of [1, 2]) {
      this.scsi.join(this.scsi.addDisk({ session, lun: number, volume: number }), map);
    }
    const record = {
      volumeId: `v${number}`,
      stagingPath: `/stage/${number}`,
      attachment: attachment(number),
      device: map,
      published: [],
    };
    await this.records.write({ ...record, ...changes });
    this.mount(record.stagingPath, { number: `254:${number}` });
    return { ...record, ...changes };
  }

  async #run(tool: string, args: string[], options: RunOptions = {}): Promise<CommandResult> {
    if (options.signal?.aborted) throw abortError(options.signal);
    const shown = options.shownAs ?? [tool, ...args].join(" ");
    this.commands.push(shown);
    const scripted = await this.onTool.get(tool)?.(args, options.signal);
    const { hangs, ...answer } = scripted ??
      this.#answer(tool, args, options.stdin?.trim() ?? "");
    if (hangs) throw new PsoError("timeout", `${shown} did not end within its time`);
    this.afterTool(this.commands.length);
    if (options.signal?.aborted) throw abortError(options.signal);
    const result = { code: 0, stdout: "", stderr: "", ...answer };
    if ((options.okCodes ?? [0]).includes(result.code)) return result;
    const { namespaces } = this.host;
    throw toolFailure({ tool, shown, result, secrets: options.secrets ?? [], namespaces });
  }

  #answer(tool: string, args: string[], stdin: string): Answer {
    const path = args.at(-1) ?? "";
    switch (tool) {
      case "iscsiadm":
        return this.iscsi.iscsiadm(args);
      case "multipathd":
        return this.scsi.multipathd(args);
      case "multipath":
        return this.scsi.flush(path);
      case "dmsetup":
        return this.scsi.dmsetup(args);
      case "dd":
        return this.reads.dd(args);
      case "sh":
        return args.length === 2 ? this.reads.openers() : this.reads.areas(args);
      case "nvme":
        return this.nvme.tool(args);
      case "losetup":
        return this.loop.losetup(args);
      case "rm":
        if (this.has(path)) this.remove(path);
        return {};
      case "tee":
        return this.#tee(path, stdin);
      case "mount":
        return this.#mountTool(args);
      case "umount":
        return this.unmount(path) ? {} : { code: 32, stderr: `umount: ${path}: not mounted.\n` };
      case "stat":
        return this.#stat(path);
    }
    return {};
  }

  #tee(path: string, value: string): Answer {
    if (path.startsWith("/etc/")) {
      this.write(path, value);
      return {};
    }
    const controller = /^\/sys\/class\/nvme\/(nvme\d+)\/rescan_controller$/.exec(path)?.[1];
    if (controller !== undefined) this.nvme.rescan(controller);
    else this.scsi.tee(path, value);
    return {};
  }

  #stat(path: string): Answer {
    const failure = this.statFails.get(path);
    if (failure) throw failure;
    return { stdout: "4096 100 50 50 10 5" };
  }

  /** A file system of a device or an export, a device node that is bound, or a bound folder. */
  #mountTool(args: string[]): Answer {
    const [source = "", target = ""] = args.slice(-2);
    const options = (args[args.indexOf("-o") + 1] ?? "").split(",");
    const device = /^\/dev\/(.+)$/.exec(source)?.[1];
    const mode = options.includes("ro") ? "ro" : "rw";
    if (options.includes("remount")) {
      const at = this.#mounts.findLastIndex((line) => line.split(" ")[4] === target);
      if (at < 0) return { code: 32, stderr: `mount: ${target}: mount point not mounted.` };
      this.#mounts[at] = (this.#mounts[at] ?? "").replace(/ r[ow] - /, ` ${mode} - `);
      this.#writeMounts();
      return {};
    }
    if (options.includes("bind") && device !== undefined) {
      this.mount(target, { number: "0:5", type: "devtmpfs", source: "udev", root: `/${device}` });
      return {};
    }
    const type = args.includes("-t") ? args[args.indexOf("-t") + 1] ?? "" : "xfs";
    if (options.includes("bind")) {
      const below = this.#mounts.findLast((line) => line.split(" ")[4] === source);
      const words = below?.split(" ") ?? [];
      const [, , number = "0:1", root] = words;
      // A bind mount shows the source of the file system, as the kernel does.
      const facts = { type: words.at(-3) ?? type, source: words.at(-2) ?? source };
      const shown = { number, root, ...facts, options: mode };
      this.mount(target, shown);
      return {};
    }
    const number = device === undefined
      ? `0:${100 + this.#mounts.length}`
      : this.read(`/sys/class/block/${device}/dev`);
    this.mount(target, { number, type: type === "nfs" ? "nfs4" : type, source, options: mode });
    return {};
  }
}

interface MountFacts {
  /** `8:1` */
  number: string;
  type?: string;
  source?: string;
  options?: string;
  root?: string;
}

/** Volume 7 by iSCSI, at LUN 7 of both portals. */
export function attachment(number: number): Extract<Attachment, { protocol: "iscsi" }> {
  const targets = PORTALS.map((portal) => ({ iqn: TARGET, portal }));
  return {
    protocol: "iscsi",
    lun: number,
    targets,
    serial: serialOf(number),
    sizeBytes: SIZE_BYTES,
    everWritten: true,
  };
}
