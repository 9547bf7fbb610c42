// A volume's life against the compiled program, each call made twice, and what must be refused.
import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import {
  attachClaim,
  blockCapability,
  type CapabilityInit,
  type Claim,
  claimNameOf,
  createClaim,
  detachClaim,
  Mode,
  mountCapability,
  type NodeHandle,
  type Paths,
} from "../../scripts/claim.ts";
import { exists } from "../../scripts/paths.ts";
import { runTool } from "../../scripts/shell.ts";
import { GiB, MiB } from "../../src/size.ts";
import { skip } from "../skips.ts";
import { failureOf, Flow, whyNoFlow } from "./flow.ts";

/** Every call is safe to repeat: what the second answers is compared where an answer is given. */
async function twice<T>(call: () => Promise<T>): Promise<T> {
  const first = await call();
  deepEqual(await call(), first);
  return first;
}

/**
 * Attach twice: the context differs, because the array has seen the format in between
 * (everWritten).
 */
async function attachTwice(...args: Parameters<typeof attachClaim>): Promise<void> {
  await attachClaim(...args);
  await attachClaim(...args);
}

/**
 * EXT4_IOC_RESIZE_FS wants CAP_SYS_RESOURCE (bit 24, capabilities(7)), which many containers lack;
 * a node plugin on a real host has it.
 */
async function whyNoOnlineExt4(): Promise<string | undefined> {
  const effective =
    /CapEff:\s+([0-9a-f]+)/.exec(await Deno.readTextFile("/proc/self/status"))?.[1] ?? "0";
  return (BigInt(`0x${effective}`) >> 24n) % 2n === 1n
    ? undefined
    : "the kernel wants CAP_SYS_RESOURCE for it, and this machine does not give it";
}

/** Grows a published volume to 2 GiB: while it is mounted, or before it is staged again. */
async function grow(
  flow: Flow,
  at: { claim: Claim; paths: Paths; node: NodeHandle; online: boolean },
): Promise<void> {
  const { claim, paths, node, online } = at;
  const { controller } = flow.controller;
  if (!online) await detachClaim(flow.controller, node, claim, paths);
  const grown = await twice(() =>
    controller.controllerExpandVolume({
      volumeId: claim.volumeId,
      capacityRange: { requiredBytes: BigInt(2 * GiB) },
    })
  );
  equal(Number(grown.capacityBytes), 2 * GiB);
  if (!online) return await attachTwice(flow.controller, node, claim, paths);
  if (!grown.nodeExpansionRequired) return;
  const capacityRange = { requiredBytes: grown.capacityBytes };
  await twice(() =>
    node.csi.node.nodeExpandVolume({
      volumeId: claim.volumeId,
      volumePath: paths.target,
      capacityRange,
    })
  );
}

interface Life {
  capability: CapabilityInit;
  parameters: Record<string, string>;
  growth?: "online" | "offline";
}

async function wholeLife(
  flow: Flow,
  { capability, parameters, growth = "online" }: Life,
): Promise<void> {
  const { controller } = flow;
  const [first, second] = [flow.node(0), flow.node(1)];
  const name = `pvc-${crypto.randomUUID()}`;
  const claim = await twice(() =>
    createClaim(controller, name, { sizeBytes: GiB, capability, parameters })
  );
  const [here, there] = [flow.paths(first, name), flow.paths(second, name)];
  await attachTwice(controller, first, claim, here);
  await Deno.writeTextFile(`${here.target}/file`, name);
  await twice(() => detachClaim(controller, first, claim, here));
  ok(!await exists(here.target), "the target is gone");
  await attachTwice(controller, second, claim, there);
  equal(await Deno.readTextFile(`${there.target}/file`), name);

  await grow(flow, { claim, paths: there, node: second, online: growth === "online" });
  const { usage } = await second.csi.node.nodeGetVolumeStats({
    volumeId: claim.volumeId,
    volumePath: there.target,
  });
  ok(Number(usage[0]?.total) > 1.7 * GiB, `the file system has ${usage[0]?.total} bytes`);

  const snapshotName = `snapshot-${crypto.randomUUID()}`;
  const { snapshot } = await twice(() =>
    controller.controller.createSnapshot({ sourceVolumeId: claim.volumeId, name: snapshotName })
  );
  const snapshotId = snapshot?.snapshotId ?? "";
  await Deno.writeTextFile(`${there.target}/file`, "changed after the snapshot");
  const restored = await twice(() =>
    createClaim(controller, `${name}-r`, {
      sizeBytes: 2 * GiB,
      capability,
      parameters,
      source: { case: "snapshot", value: { snapshotId } },
    })
  );
  const beside = flow.paths(second, `${name}-r`);
  await attachClaim(controller, second, restored, beside);
  equal(
    await Deno.readTextFile(`${beside.target}/file`),
    name,
    "the restored volume is as it was at the snapshot",
  );
  await twice(() => detachClaim(controller, second, restored, beside));
  await twice(() => detachClaim(controller, second, claim, there));

  const held = await failureOf(controller.controller.deleteVolume({ volumeId: claim.volumeId }));
  equal(held.code, status.FAILED_PRECONDITION, held.message);
  match(held.message, /snapshot/);
  await twice(() => controller.controller.deleteSnapshot({ snapshotId }));
  for (const { volumeId } of [claim, restored]) {
    await twice(() => controller.controller.deleteVolume({ volumeId }));
  }
}

async function noStageUnpublished(flow: Flow): Promise<void> {
  const node = flow.node(0);
  const claim = await createClaim(flow.controller, `pvc-${crypto.randomUUID()}`, {
    sizeBytes: GiB,
  });
  const paths = flow.paths(node, "unpublished");
  const { publishContext } = await flow.controller.controller.controllerPublishVolume({
    volumeId: claim.volumeId,
    nodeId: node.nodeId,
    volumeCapability: claim.capability,
  });
  await Deno.mkdir(paths.staging, { recursive: true });
  const stage = () =>
    node.csi.node.nodeStageVolume({
      volumeId: claim.volumeId,
      publishContext,
      stagingTargetPath: paths.staging,
      volumeCapability: claim.capability,
      volumeContext: claim.context,
    });
  const unpublish = () =>
    flow.controller.controller.controllerUnpublishVolume({
      volumeId: claim.volumeId,
      nodeId: node.nodeId,
    });
  await unpublish();
  notEqual((await failureOf(stage())).code, status.INTERNAL, "a clear error");
  await flow.controller.controller.controllerPublishVolume({
    volumeId: claim.volumeId,
    nodeId: node.nodeId,
    volumeCapability: claim.capability,
  });
  await stage();
  await node.csi.node.nodeUnstageVolume({
    volumeId: claim.volumeId,
    stagingTargetPath: paths.staging,
  });
  await unpublish();
  await failureOf(stage());
  deepEqual(await flow.nodeLeftovers(), []);
  await flow.controller.controller.deleteVolume({ volumeId: claim.volumeId });
}

/** Requests that must be refused, with the code and the message that a user can act on. */
const REFUSED: {
  name: string;
  request: (claim: Claim) => Parameters<Flow["controller"]["controller"]["createVolume"]>[0];
  code: number;
  message: RegExp;
}[] = [
  {
    name: "an unknown class parameter names the nearest known one",
    request: () => ({
      name: "p",
      volumeCapabilities: [mountCapability()],
      parameters: { backnd: "block" },
    }),
    code: status.INVALID_ARGUMENT,
    message: /backnd.*backend/,
  },
  {
    name: "a backend that does not exist",
    request: () => ({
      name: "p",
      volumeCapabilities: [mountCapability()],
      parameters: { backend: "tape" },
    }),
    code: status.INVALID_ARGUMENT,
    message: /tape.*block.*file/,
  },
  {
    name: "xfs below its minimum",
    request: () => ({
      name: "p",
      volumeCapabilities: [mountCapability(Mode.SINGLE_NODE_WRITER, "xfs")],
      parameters: { backend: "block" },
      capacityRange: { requiredBytes: BigInt(10 * MiB), limitBytes: BigInt(20 * MiB) },
    }),
    code: status.OUT_OF_RANGE,
    message: /300 MiB/,
  },
  {
    name: "more than 4 PiB",
    request: () => ({
      name: "p",
      volumeCapabilities: [mountCapability()],
      capacityRange: { requiredBytes: 2n ** 53n },
    }),
    code: status.OUT_OF_RANGE,
    message: /4 PiB/,
  },
  {
    name: "a limit below what is required",
    request: () => ({
      name: "p",
      volumeCapabilities: [mountCapability()],
      capacityRange: { requiredBytes: BigInt(2 * GiB), limitBytes: BigInt(GiB) },
    }),
    code: status.OUT_OF_RANGE,
    message: /2147483648|2 GiB/,
  },
  {
    name: "a name of more than 128 bytes",
    request: () => ({ name: "n".repeat(129), volumeCapabilities: [mountCapability()] }),
    code: status.INVALID_ARGUMENT,
    message: /name has 129 bytes, at most 128/,
  },
  {
    name: "no name",
    request: () => ({ name: "", volumeCapabilities: [mountCapability()] }),
    code: status.INVALID_ARGUMENT,
    message: /name is missing/,
  },
  {
    name: "an RWX file system on a FlashArray",
    request: () => ({
      name: "p",
      volumeCapabilities: [mountCapability(Mode.MULTI_NODE_MULTI_WRITER)],
      parameters: { backend: "block" },
    }),
    code: status.INVALID_ARGUMENT,
    message: /backend.*file|volumeMode/,
  },
  {
    name: "raw block on a FlashBlade",
    request: () => ({
      name: "p",
      volumeCapabilities: [blockCapability()],
      parameters: { backend: "file" },
    }),
    code: status.INVALID_ARGUMENT,
    message: /block/,
  },
  {
    name: "an unknown access mode",
    request: () => ({
      name: "p",
      volumeCapabilities: [{
        accessType: { case: "mount", value: {} },
        accessMode: { mode: 99 as Mode },
      }],
    }),
    code: status.INVALID_ARGUMENT,
    message: /access_mode is 99/,
  },
  {
    name: "the same name with another size",
    request: ({ volumeId }) => ({
      name: volumeId.replace(/^.*\/[^-]*-/, ""),
      volumeCapabilities: [mountCapability()],
      capacityRange: { requiredBytes: BigInt(5 * GiB) },
      parameters: { backend: "block" },
    }),
    code: status.ALREADY_EXISTS,
    message: /1 GiB.*5 GiB|5 GiB.*1 GiB/,
  },
  {
    name: "a snapshot that does not exist",
    request: () => ({
      name: "p",
      volumeCapabilities: [mountCapability()],
      volumeContentSource: {
        type: { case: "snapshot", value: { snapshotId: "k8s-none.snapshot-none" } },
      },
    }),
    code: status.NOT_FOUND,
    message: /snapshot/,
  },
  {
    name: "an array selector that no array matches",
    request: () => ({
      name: "p",
      volumeCapabilities: [mountCapability()],
      parameters: { array_selector: "env=moon" },
    }),
    code: status.RESOURCE_EXHAUSTED,
    message: /fa-1.*fb-1.*\nIt waits until an array takes it/,
  },
];

const reason = whyNoFlow();
const noOnlineExt4 = await whyNoOnlineExt4();
Deno.test({
  name: "flow: a volume's life, each call twice, and what is refused",
  ignore: reason !== undefined && skip("a volume's life", reason),
  fn: (test) =>
    Flow.run({ flasharrays: 2, flashblades: 1, nodes: 2 }, async (flow) => {
      await test.step("block, xfs", () =>
        wholeLife(flow, { capability: mountCapability(), parameters: { backend: "block" } }));
      const ext4 = {
        capability: mountCapability(Mode.SINGLE_NODE_WRITER, "ext4"),
        parameters: { backend: "block" },
      };
      await test.step("block, ext4, grown before it is staged again", () =>
        wholeLife(flow, { ...ext4, growth: "offline" }));
      await test.step({
        name: "block, ext4",
        ignore: noOnlineExt4 !== undefined && skip("ext4 grown while it is mounted", noOnlineExt4),
        fn: () => wholeLife(flow, ext4),
      });
      await test.step("file", () =>
        wholeLife(flow, {
          capability: mountCapability(Mode.MULTI_NODE_MULTI_WRITER),
          parameters: { backend: "file" },
        }));
      await test.step("stage before publish and after unpublish fails", () =>
        noStageUnpublished(flow));
      const known = await createClaim(flow.controller, claimNameOf("known"), {
        sizeBytes: GiB,
        parameters: { backend: "block" },
      });
      for (const { name, request, code, message } of REFUSED) {
        await test.step(`refused: ${name}`, async () => {
          const fault = await failureOf(flow.controller.controller.createVolume(request(known)));
          match(fault.message, message);
          equal(fault.code, code, fault.message);
        });
      }
      await test.step("an ENOSPC is the file system's own", async () => {
        const node = flow.node(0);
        const claim = await createClaim(flow.controller, claimNameOf("full"), {
          sizeBytes: 64 * MiB,
          parameters: { backend: "file" },
        });
        const paths = flow.paths(node, "full");
        await attachClaim(flow.controller, node, claim, paths);
        const fault = await runTool("dd", [
          "if=/dev/zero",
          `of=${paths.target}/full`,
          "bs=1M",
          "count=100",
        ]).then(() => "", (error) => String(error));
        match(fault, /No space left on device/);
        await detachClaim(flow.controller, node, claim, paths);
        await flow.controller.controller.deleteVolume({ volumeId: claim.volumeId });
      });
      await flow.controller.controller.deleteVolume({ volumeId: known.volumeId });
      deepEqual(await flow.volumeIds(), [], "no volume is left");
      deepEqual(await flow.nodeLeftovers(), [], "nothing is left on the nodes");
    }),
});
