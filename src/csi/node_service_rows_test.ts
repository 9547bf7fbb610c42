import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { PsoError } from "../errors.ts";
import { encodeAttachment } from "../handoff.ts";
import { readMounts } from "../host/mountinfo.ts";
import { MiB } from "../size.ts";
import { BLOCK, type RowError, RpcRows, WRITER } from "../../tests/support/rpc_rows.ts";
import { TestNode, type TestVolume, VOLUME_BYTES } from "../../tests/support/test_node.ts";
import {
  Node,
  NodeServiceCapability_RPC_Type as Type,
  VolumeCapability_AccessMode_Mode as Mode,
  VolumeUsage_Unit as Unit,
} from "./generated/csi_pb.ts";
import { nodeRows } from "../../tests/support/node_rows.ts";

const rpc = Node.method;

/** One volume that is connected to a node of the local plane, and the rows of that node. */
function withVolume(
  work: (rows: RpcRows, volume: TestVolume, test: TestNode) => Promise<void>,
): () => Promise<void> {
  return () =>
    TestNode.use(async (test) => {
      const volume = await test.volume();
      await work(new RpcRows(nodeRows(test.node)), volume, test);
      await test.takeAway(volume);
    });
}

function stageRequest({ volumeId, stagingPath, attachment }: TestVolume) {
  return {
    volumeId,
    stagingTargetPath: stagingPath,
    publishContext: encodeAttachment(attachment),
    volumeCapability: WRITER,
  };
}

function publishRequest({ volumeId, stagingPath, targetPath }: TestVolume) {
  return { volumeId, stagingTargetPath: stagingPath, targetPath, volumeCapability: WRITER };
}

/** The options of what is mounted at `path`, undefined when nothing is. */
async function mountOptions(test: TestNode, path: string): Promise<string[] | undefined> {
  const mounts = await readMounts({ ...test.host, root: "/" });
  return mounts.find(({ target }) => target === path)?.options;
}

const READER = { ...WRITER, accessMode: { mode: Mode.SINGLE_NODE_READER_ONLY } };

const WAYS: { name: string; change: Record<string, unknown>; isReadOnly: boolean }[] = [
  { name: "a writer", change: {}, isReadOnly: false },
  { name: "a pod that asks to read only", change: { readonly: true }, isReadOnly: true },
  { name: "a mode for readers", change: { volumeCapability: READER }, isReadOnly: true },
];

for (const { name, change, isReadOnly } of WAYS) {
  Deno.test(
    `NodePublishVolume mounts ${
      isReadOnly ? "read-only" : "writable"
    } for ${name}; each row undoes its own step`,
    withVolume(async (rows, volume, test) => {
      const { volumeId, stagingPath, targetPath } = volume;
      await rows.call(rpc.nodeStageVolume, stageRequest(volume));
      await rows.call(rpc.nodePublishVolume, { ...publishRequest(volume), ...change });
      const options = await mountOptions(test, targetPath);
      equal(options?.includes(isReadOnly ? "ro" : "rw"), true, String(options));
      await rows.call(rpc.nodeUnpublishVolume, { volumeId, targetPath });
      equal(await mountOptions(test, targetPath), undefined);
      ok(await mountOptions(test, stagingPath), "still staged");
      await rows.call(rpc.nodeUnstageVolume, { volumeId, stagingTargetPath: stagingPath });
      equal(await mountOptions(test, stagingPath), undefined);
    }),
  );
}

Deno.test(
  "NodePublishVolume without a staging path is refused: every volume is staged first",
  withVolume(async (rows, volume, test) => {
    await rows.call(rpc.nodeStageVolume, stageRequest(volume));
    await rejects(
      rows.call(rpc.nodePublishVolume, { ...publishRequest(volume), stagingTargetPath: "" }),
      { code: status.FAILED_PRECONDITION, message: /staging_target_path is missing/ },
    );
    equal(await mountOptions(test, volume.targetPath), undefined);
  }),
);

Deno.test(
  "NodePublishVolume of a volume that a pod describes itself is UNIMPLEMENTED without Kubernetes, with the reason",
  withVolume(async (rows, volume, test) => {
    const inline = {
      ...publishRequest(volume),
      stagingTargetPath: "",
      publishContext: {},
      volumeContext: {
        "csi.storage.k8s.io/ephemeral": "true",
        "csi.storage.k8s.io/pod.name": "web",
        size: "2Gi",
      },
    };
    await rejects(rows.call(rpc.nodePublishVolume, inline), {
      code: status.UNIMPLEMENTED,
      message: /is not made here: there is no Kubernetes here/,
    });
    equal(await mountOptions(test, volume.targetPath), undefined);
    const { volumeId, targetPath } = volume;
    await rows.call(rpc.nodeUnpublishVolume, { volumeId, targetPath });
  }),
);

Deno.test(
  "NodeStageVolume of a raw volume mounts no file system, and NodeGetVolumeStats gives its bytes alone",
  withVolume(async (rows, volume) => {
    await rows.call(rpc.nodeStageVolume, { ...stageRequest(volume), volumeCapability: BLOCK });
    await rows.call(rpc.nodePublishVolume, { ...publishRequest(volume), volumeCapability: BLOCK });
    equal((await Deno.stat(volume.targetPath)).isBlockDevice, true);
    const { usage } = await rows.call(rpc.nodeGetVolumeStats, {
      volumeId: volume.volumeId,
      volumePath: volume.targetPath,
    });
    deepEqual(usage.map(({ unit, total }) => [unit, total]), [[Unit.BYTES, BigInt(VOLUME_BYTES)]]);
  }),
);

Deno.test(
  "NodeGetVolumeStats gives bytes and inodes, and NodeExpandVolume grows to what the array made",
  withVolume(async (rows, volume) => {
    const { volumeId, stagingPath, targetPath, image } = volume;
    await rows.call(rpc.nodeStageVolume, stageRequest(volume));
    await rows.call(rpc.nodePublishVolume, publishRequest(volume));
    const stats = { volumeId, volumePath: targetPath, stagingTargetPath: stagingPath };
    const { usage } = await rows.call(rpc.nodeGetVolumeStats, stats);
    deepEqual(usage.map(({ unit }) => unit), [Unit.BYTES, Unit.INODES]);
    for (const { total, used, available } of usage) {
      ok(total > 0n && used > 0n && available > 0n && used + available <= total);
    }

    const wanted = VOLUME_BYTES + 64 * MiB;
    const request = {
      volumeId,
      volumePath: targetPath,
      stagingTargetPath: stagingPath,
      capacityRange: { requiredBytes: BigInt(wanted) },
      volumeCapability: WRITER,
    };
    const unclear = { ...request, volumeCapability: { accessMode: WRITER.accessMode } };
    await rejects(rows.call(rpc.nodeExpandVolume, unclear), { code: status.INVALID_ARGUMENT });
    await rejects(rows.call(rpc.nodeExpandVolume, request), { code: status.UNAVAILABLE });
    await Deno.truncate(image, wanted);
    const { capacityBytes } = await rows.call(rpc.nodeExpandVolume, request);
    equal(capacityBytes, BigInt(wanted));
    const after = await rows.call(rpc.nodeGetVolumeStats, stats);
    ok((after.usage[0]?.total ?? 0n) > (usage[0]?.total ?? 0n), "the file system grew");
  }),
);

Deno.test(
  "NodeGetInfo and NodeGetCapabilities say what this node can do",
  withVolume(async (rows) => {
    const info = await rows.call(rpc.nodeGetInfo, {});
    equal(info.maxVolumesPerNode, 0n);
    equal(info.accessibleTopology, undefined, "node labels are not read yet");
    const { capabilities } = await rows.call(rpc.nodeGetCapabilities, {});
    deepEqual(
      capabilities.map(({ type }) => type.case === "rpc" ? Type[type.value.type] : type.case),
      [
        "STAGE_UNSTAGE_VOLUME",
        "GET_VOLUME_STATS",
        "EXPAND_VOLUME",
        "SINGLE_NODE_MULTI_WRITER",
        "GET_VOLUME_HEALTH",
        "GET_STORAGE_HEALTH",
      ],
    );
  }),
);

Deno.test(
  "NodeGetVolumeHealth and NodeGetStorageHealth find nothing wrong with a volume that is well, and are quiet",
  withVolume(async (rows, volume) => {
    const { volumeId, stagingPath, targetPath } = volume;
    await rows.call(rpc.nodeStageVolume, stageRequest(volume));
    equal(rows.lastLine().level, "info");
    const { volumeHealth } = await rows.call(rpc.nodeGetVolumeHealth, {
      volumeId,
      volumePublishPath: targetPath,
      stagingTargetPath: stagingPath,
    });
    deepEqual([volumeHealth?.volumeId, volumeHealth?.healthStatuses], [volumeId, []]);
    equal(rows.lastLine().level, "debug");
    const { backendHealth } = await rows.call(rpc.nodeGetStorageHealth, {});
    deepEqual(backendHealth, []);
    equal(rows.lastLine().level, "debug");
  }),
);

Deno.test(
  "NodeGetVolumeHealth of one volume's id with another's context and paths is answered, and never INTERNAL",
  withVolume(async (rows, volume, test) => {
    const other = await test.volume();
    await rows.call(rpc.nodeStageVolume, stageRequest(volume));
    await rows.call(rpc.nodeStageVolume, stageRequest(other));
    const contexts = [
      encodeAttachment(other.attachment),
      encodeAttachment({ protocol: "nfs", address: "127.0.0.1", path: "/k8s-pvc-1" }),
    ];
    for (const publishContext of contexts) {
      const stage = rows.call(rpc.nodeStageVolume, { ...stageRequest(volume), publishContext });
      await rejects(stage, ({ code }: RowError) => code !== status.INTERNAL);
    }
    const ids = [volume.volumeId, other.volumeId, "0badcafe/k8s-unknown", "x"];
    const paths = [volume.stagingPath, other.stagingPath, test.folder, "/", "/a\0b", "../b"];
    const codes = new Set<number>();
    for (const volumeId of ids) {
      for (const volumePublishPath of paths) {
        for (const stagingTargetPath of ["", ...paths]) {
          const request = { volumeId, volumePublishPath, stagingTargetPath };
          const code = await rows.call(rpc.nodeGetVolumeHealth, request).then(
            () => status.OK,
            ({ code }: RowError) => code,
          );
          const known = volumeId === volume.volumeId || volumeId === other.volumeId;
          const wanted = known ? [status.OK] : [status.NOT_FOUND, status.INVALID_ARGUMENT];
          ok(wanted.includes(code), JSON.stringify({ ...request, code }));
          codes.add(code);
        }
      }
    }
    ok(codes.has(status.OK) && codes.has(status.NOT_FOUND), [...codes].join());
    await test.takeAway(other);
  }),
);

Deno.test("NodeGetInfo says where the node is, says nothing without topology, and fails while that cannot be read", async () => {
  await TestNode.use(async (test) => {
    const info = async (segments?: () => Promise<Record<string, string>>) =>
      await new RpcRows(nodeRows(test.restart(undefined, { segments })))
        .call(rpc.nodeGetInfo, {});
    equal((await info()).accessibleTopology, undefined);
    const rack = { "topology.purestorage.com/rack": "r1" };
    deepEqual((await info(() => Promise.resolve(rack))).accessibleTopology?.segments, rack);
    deepEqual((await info(() => Promise.resolve({}))).accessibleTopology?.segments, {});
    const silent = () => Promise.reject(new PsoError("unavailable", "the labels cannot be read"));
    await rejects(info(silent), { code: status.UNAVAILABLE, message: /the labels cannot be read/ });
  });
});
