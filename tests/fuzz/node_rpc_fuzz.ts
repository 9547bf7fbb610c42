/**
 * A fuzzer for the messages of the CSI node service, over a host of files: every call ends with a
 * code of its own, no mount is touched that is not the volume of the call, and when the CO has taken
 * all back nothing is left. Open-ended, until it is stopped or finds a fault:
 *
 *     ./scripts/deno run -A tests/fuzz/node_rpc_fuzz.ts --seed 1 [--seconds 600]
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Node } from "../../src/csi/generated/csi_pb.ts";
import { nodeRows } from "../support/node_rows.ts";
import { encodeAttachment } from "../../src/handoff.ts";
import { type Mount, parseMountinfo } from "../../src/host/mountinfo.ts";
import type { NodePlugin } from "../../src/node/node_plugin.ts";
import { FakeHost } from "../support/fake_host.ts";
import { BLOCK_BEDS, FILE_BEDS } from "../support/protocol_beds.ts";
import { BLOCK, WRITER } from "../support/rpc_rows.ts";
import { type FuzzOptions, runFuzzer } from "./fuzz_main.ts";
import { Random } from "./random.ts";
import { openFiles, RpcCaller } from "./rpc_caller.ts";
import { CANARY, RpcMessages } from "./rpc_messages.ts";

const CALLS_PER_ROUND = 60;
const DEADLINE_MS = 1_500;
const KUBELET = "/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi";
const NOTED_TARGETS = [`${KUBELET}/pvc-1/mount`, `${KUBELET}/pvc-2/mount`];
const TARGETS = ["/pods/1/mount", "/pods/2/mount", ...NOTED_TARGETS];
// As kubelet names those of raw volumes.
const STAGINGS = ["1", "2", "3"].map((name) =>
  `/var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices/staging/pvc-${name}`
);
/** Mounts that are nobody's volume, and one link. */
const FOREIGN = ["/pods/foreign", "/data"];
const LINK = "/pods/link";
const IDS = ["0badcafe/fs-4", "0badcafe/k8s-pvc-1", "k8s-pvc-1", "k8s/pvc-2"];
const CHAP = {
  "node.session.auth.username": "us",
  "node.session.auth.password": CANARY,
};

/** Which volumes this CO has put where, by path. */
interface Held {
  staged: Map<string, Set<string>>;
  published: Map<string, string>;
}

/** One node, and what the CO knows of it. */
class Round {
  readonly held: Held = { staged: new Map(), published: new Map() };
  readonly #fake: FakeHost;
  readonly #random: Random;
  readonly #caller: RpcCaller;
  readonly #messages: RpcMessages;
  #node: NodePlugin;
  /** The calls and how they ended, for the report of a fault. */
  readonly #said: string[] = [];
  readonly #losesRecords: boolean;
  /** By path, the stage that put a volume there last. */
  readonly #staged = new Map<string, Record<string, unknown>>();
  /** A device whose record was lost is only counted. */
  #haveLost = false;

  constructor(fake: FakeHost, { random, caller }: { random: Random; caller: RpcCaller }) {
    this.#fake = fake;
    this.#random = random;
    this.#caller = caller;
    this.#node = fake.plugin();
    this.#losesRecords = random.oneIn(2);
    const block = random.pick(["iscsi", "fc", "nvme-tcp"] as const);
    const [bed, files] = [BLOCK_BEDS[block](fake), FILE_BEDS.nfs(fake)];
    const mountExport = fake.onTool.get("mount");
    fake.onTool.set("mount", (args) => args.includes("nfs") ? mountExport?.(args) : undefined);
    if (block === "nvme-tcp") prepareNvme(fake);
    for (const number of [1, 2]) bed.publish(number);
    files.publish(4);
    const contexts = [bed.attachment(1), bed.attachment(2), bed.attachment(9)];
    const published = [...contexts, files.attachment(4), files.attachment(5)];
    // Without records nothing but kubelet's notes tells two ids of one volume apart.
    const targets = this.#losesRecords ? NOTED_TARGETS : TARGETS;
    const paths = [...targets, ...STAGINGS, ...FOREIGN, LINK, `${targets[0]}/.`];
    this.#messages = new RpcMessages(random, {
      texts: {
        volume_id: IDS,
        staging_target_path: [...STAGINGS, ...STAGINGS, ...STAGINGS, ...STAGINGS, ...paths],
        target_path: [...targets, ...targets, ...targets, ...paths],
        volume_path: paths,
        volume_publish_path: paths,
        fs_type: ["xfs", "ext4", ""],
        mount_flags: ["ro", "noatime", "vers=4.1"],
      },
      maps: {
        publish_context: published.map((one) => encodeAttachment(one)),
        volume_context: [{}, { createoptions: "-q" }, { backend: "block" }],
        secrets: [CHAP, {}],
      },
      messages: {
        "csi.v1.VolumeCapability": [BLOCK, BLOCK, WRITER, {
          ...BLOCK,
          accessMode: { mode: 5 },
        }],
      },
    });
    fake.mount(FOREIGN[0] ?? "", { number: "0:90", type: "tmpfs", source: "stranger" });
    fake.write("/sys/dev/block/8:200/uevent", "DEVNAME=sdz1");
    fake.mount(FOREIGN[1] ?? "", { number: "8:200", type: "ext4", source: "/dev/sdz1" });
    fake.folder("/elsewhere");
    fake.link(LINK, "/elsewhere");
  }

  /** Throws at the first fault, with all calls that led to it. */
  async run(): Promise<void> {
    try {
      await this.#run();
    } catch (error) {
      const said = this.#said.map((line) => line.replaceAll(KUBELET, "…").slice(0, 300));
      throw new Error(`${(error as Error).message}\n${said.join("\n")}`, { cause: error });
    }
  }

  async #run(): Promise<void> {
    const rows = nodeRows(this.#node);
    for (let left = CALLS_PER_ROUND; left > 0; left--) {
      const moving = rows.filter(({ name }) =>
        /(Stage|Publish|Unpublish|Unstage)Volume$/.test(name)
      );
      const row = this.#random.pick(this.#random.oneIn(4) ? rows : moving);
      const desc = Object.values(Node.method).find(({ name }) => name === row.name)?.input;
      ok(desc);
      const bytes = this.#fitting(row.name, { desc, bytes: this.#messages.bytes(desc) });
      const deadlineMs = this.#random.oneIn(6) ? this.#random.below(30) : DEADLINE_MS;
      await this.#watched(row.name, { desc, bytes, deadlineMs });
      if (this.#losesRecords && this.#random.oneIn(25)) await this.#loseRecords();
      if (this.#random.oneIn(25)) this.#node = this.#fake.plugin();
    }
    await this.#takeBack();
  }

  /** One call, and whether what it did to the mounts is what it was asked for. */
  async #watched(
    name: string,
    { desc, bytes, deadlineMs }: { desc: DescMessage; bytes: Uint8Array; deadlineMs: number },
  ): Promise<number> {
    const asked = requestOf(desc, bytes);
    const target = placeOf(asked.targetPath), staging = placeOf(asked.stagingTargetPath);
    if (name === "NodePublishVolume") this.#noteAsKubelet(target, asked.volumeId);
    const said = `${name} of ${asked.volumeId}`;
    const before = this.#mounts();
    const records = await this.#fake.records.list();
    const row = nodeRows(this.#node).find((one) => one.name === name);
    ok(row);
    const { code, message } = await this.#caller.call(row, bytes, deadlineMs);
    this.#said.push(`${said}, ${staging}, ${target}: ${code} ${message}`);
    const after = this.#mounts();
    const gone = without(before, after);
    const own = [staging, `${staging}/device`];
    for (const mount of without(after, before)) {
      const isOwn = name === "NodeStageVolume" && own.includes(mount.target) ||
        name === "NodePublishVolume" && mount.target === target;
      ok(isOwn, `${said} mounted ${mount.target}`);
      if (name === "NodeStageVolume") {
        this.held.staged.set(staging, new Set([...this.#stagedAt(staging), asked.volumeId]));
      } else this.held.published.set(target, asked.volumeId);
    }
    for (const mount of gone) {
      const isUnstage = name === "NodeUnstageVolume" && own.includes(mount.target);
      const isUnpublish = name === "NodeUnpublishVolume" && mount.target === target;
      ok(isUnstage || isUnpublish, `${said} took ${mount.target} away`);
      ok(!FOREIGN.includes(mount.target), `${said} took what is foreign`);
      const isTold = isUnpublish && target.startsWith(KUBELET);
      const holders = isUnstage ? this.#stagedAt(staging) : this.#publishedAt(target);
      for (const holder of holders.includes(asked.volumeId) ? [] : holders) {
        // What lost its record, and what nothing else names, is as good as anybody's.
        const isKnown = records.some((record) =>
          record.volumeId === holder &&
          (isUnstage
            ? record.stagingPath === staging
            : record.published.some(({ targetPath }) => targetPath === target))
        );
        ok(!isKnown && !isTold, `${said} took ${mount.target} of ${holder} away`);
      }
    }
    if (code === 0 && name === "NodeStageVolume") {
      const { volumeId, stagingTargetPath, publishContext, volumeCapability } = asked;
      this.#staged.set(staging, { volumeId, stagingTargetPath, publishContext, volumeCapability });
    }
    const isThere = (path: string) => after.some((mount) => mount.target === path);
    if (code === 0 && name === "NodePublishVolume") {
      const staged = after.findLast((mount) => own.includes(mount.target));
      const shown = after.findLast((mount) => mount.target === target);
      equal(
        shown && thingOf(shown),
        staged && thingOf(staged),
        `${said} shows ${shown && thingOf(shown)}, and ${staged && thingOf(staged)} is staged`,
      );
      equal(this.held.published.get(target), asked.volumeId, said);
    }
    if (code === 0 && name === "NodeUnpublishVolume") {
      ok(!isThere(target), `${said}: ${target} is still there`);
      this.held.published.delete(target);
    }
    if (code === 0 && name === "NodeUnstageVolume") {
      ok(!own.some(isThere), `${said}: ${staging} is still there`);
      this.held.staged.delete(staging);
      this.#staged.delete(staging);
    }
    return code;
  }

  /** Every other message is of a volume that is there, so that not all of them are refused. */
  #fitting(name: string, { desc, bytes }: { desc: DescMessage; bytes: Uint8Array }): Uint8Array {
    if (this.#random.oneIn(2)) return bytes;
    const published = [...this.held.published];
    const staged = [...this.#staged.values()];
    let fields: Record<string, unknown> = {};
    if (name === "NodeUnpublishVolume" && published.length > 0) {
      const [targetPath, volumeId] = this.#random.pick(published);
      fields = { volumeId, targetPath };
    } else if (/NodePublishVolume|NodeUnstageVolume/.test(name) && staged.length > 0) {
      fields = this.#random.pick(staged);
    } else return bytes;
    try {
      const known = new Set(desc.fields.map(({ localName }) => localName));
      const own = Object.entries(fields).filter(([field]) => known.has(field));
      return toBinary(desc, Object.assign(fromBinary(desc, bytes), Object.fromEntries(own)));
    } catch {
      return bytes; // broken on purpose
    }
  }

  #stagedAt(path: string): string[] {
    return [...this.held.staged.get(path) ?? []];
  }

  #publishedAt(path: string): string[] {
    const holder = this.held.published.get(path);
    return holder === undefined ? [] : [holder];
  }

  #mounts(): Mount[] {
    return parseMountinfo(this.#fake.read("/proc/1/mountinfo"));
  }

  /** What kubelet writes before a publish to a target of its own that nothing holds. */
  #noteAsKubelet(target: string, volumeHandle: string): void {
    if (!target.startsWith(KUBELET) || this.held.published.has(target)) return;
    const note = JSON.stringify({ driverName: "pure-csi", volumeHandle });
    this.#fake.write(target.replace(/\/mount$/, "/vol_data.json"), note);
  }

  async #loseRecords(): Promise<void> {
    this.#haveLost = true;
    for (const { volumeId } of await this.#fake.records.list()) {
      if (this.#random.oneIn(2)) await this.#fake.records.remove(volumeId);
    }
  }

  /** The CO takes all back that it has put somewhere; then this host is as it was. */
  async #takeBack(): Promise<void> {
    const { nodeUnpublishVolume, nodeUnstageVolume } = Node.method;
    const send = async (
      method: { name: string; input: DescMessage },
      fields: Record<string, unknown>,
    ) => {
      const bytes = toBinary(method.input, create(method.input, fields));
      await this.#watched(method.name, { desc: method.input, bytes, deadlineMs: 5_000 });
    };
    for (let times = 0; times < 4; times++) {
      for (const [targetPath, volumeId] of this.held.published) {
        await send(nodeUnpublishVolume, { volumeId, targetPath });
      }
      for (const [stagingTargetPath, ids] of this.held.staged) {
        for (const volumeId of ids) await send(nodeUnstageVolume, { volumeId, stagingTargetPath });
      }
      // A stage that was cut may have left a record and no mount: the CO unstages those, too.
      for (const { volumeId, stagingPath } of await this.#fake.records.list()) {
        await send(nodeUnstageVolume, { volumeId, stagingTargetPath: stagingPath });
      }
    }
    deepEqual(this.#mounts().map(({ target }) => target), FOREIGN, "mounts are left");
    deepEqual(await this.#fake.records.list(), [], "records are left");
    equal(this.#node.locksHeld, 0);
    if (!this.#haveLost) deepEqual(this.#fake.scsi.devices, [], "SCSI devices are left");
    ok(this.#fake.has(LINK) && !this.#fake.has("/elsewhere/device"));
  }
}

function prepareNvme(fake: FakeHost): void {
  fake.write("/usr/sbin/nvme", "");
  fake.write("/etc/nvme/hostnqn", "nqn.2014-08.org.nvmexpress:uuid:1");
  fake.write("/etc/nvme/hostid", "1");
  fake.write("/sys/module/nvme_tcp/refcnt", "1");
  fake.write("/sys/module/nvme_core/parameters/multipath", "Y");
}

/** What a message asks for, as far as it can be read. */
function requestOf(desc: DescMessage, bytes: Uint8Array) {
  let fields: Record<string, unknown> = {};
  try {
    fields = { ...fromBinary(desc, bytes) };
  } catch {
    // The service says so, too.
  }
  const text = (name: string) => typeof fields[name] === "string" ? fields[name] : "";
  return {
    volumeId: text("volumeId"),
    targetPath: text("targetPath"),
    stagingTargetPath: text("stagingTargetPath"),
    publishContext: fields.publishContext,
    volumeCapability: fields.volumeCapability,
  };
}

function placeOf(path: string): string {
  return `/${path.split("/").filter((part) => part !== "" && part !== ".").join("/")}`;
}

function thingOf({ majorMinor, root }: Mount): string {
  return `${majorMinor} ${root}`;
}

function without(mounts: Mount[], others: Mount[]): Mount[] {
  const left = others.map((mount) => `${mount.target} ${thingOf(mount)}`);
  return mounts.filter((mount) => {
    const at = left.indexOf(`${mount.target} ${thingOf(mount)}`);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Runs until the time is over; throws at the first fault, which names the seed and the round. */
export async function fuzzNodeRpc(
  { seed, seconds }: FuzzOptions,
): Promise<Record<string, number>> {
  const caller = new RpcCaller();
  const end = seconds === undefined ? Infinity : performance.now() + seconds * 1000;
  let files: number | undefined;
  for (let round = 0; performance.now() < end; round++) {
    const random = new Random(seed + round);
    try {
      await FakeHost.use((fake) => new Round(fake, { random, caller }).run());
      const now = openFiles();
      ok(now <= (files ??= now) + 2, `${now} files are open, and ${files} were`);
    } catch (error) {
      throw new Error(`seed ${seed + round}: ${(error as Error).message}`, { cause: error });
    }
  }
  return Object.fromEntries(caller.counts);
}

if (import.meta.main) await runFuzzer(fuzzNodeRpc);
