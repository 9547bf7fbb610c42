/**
 * Volumes that pods describe themselves, on a real node over loop devices: the test is the leader,
 * and kubelet.
 */
import assert from "node:assert/strict";
import { nodeService } from "../../src/csi/node_service.ts";
import { Node } from "../../src/csi/generated/csi_pb.ts";
import { InlineVolumes } from "../../src/ephemeral/inline_volumes.ts";
import { encodeAttachment } from "../../src/handoff.ts";
import { readMounts } from "../../src/host/mountinfo.ts";
import { silentLogger } from "../../src/log.ts";
import { EphemeralBed, ID, NODE, POD } from "../support/ephemeral_bed.ts";
import { RpcRows, WRITER } from "../support/rpc_rows.ts";
import { TestNode, type TestVolume } from "../support/test_node.ts";

const rpc = Node.method;

interface NodeBed {
  test: TestNode;
  volume: TestVolume;
  bed: EphemeralBed;
  targetPath: string;
  /** The rows of a node plugin as after a start of its process, and its look for what was left. */
  start: () => { rows: RpcRows; inline: InlineVolumes };
}

function withNode(work: (node: NodeBed) => Promise<void>): () => Promise<void> {
  return () =>
    TestNode.use(async (test) => {
      const volume = await test.volume();
      const bed = new EphemeralBed();
      bed.pod({ fsType: "xfs", volumeAttributes: { size: "1Gi", backend: "block" } });
      bed.maker.publishVolume = () => Promise.resolve(encodeAttachment(volume.attachment));
      const start = () => {
        const node = test.restart();
        const inline = new InlineVolumes({
          node,
          nodeName: NODE,
          objects: bed.objects,
          chap: () => Promise.resolve(undefined),
          log: silentLogger,
          wait: () => bed.step(),
        });
        return { rows: new RpcRows(nodeService(node, inline)), inline };
      };
      const folder = `${test.folder}/kubelet/pods/${POD.uid}/volumes/kubernetes.io~csi/scratch`;
      await Deno.mkdir(folder, { recursive: true });
      await work({ test, volume, bed, targetPath: `${folder}/mount`, start });
      assert.deepEqual(await filesBelow(`${test.folder}/kubelet/plugins`), []);
    });
}

async function filesBelow(folder: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("find", {
    args: [folder, "-path", "*/pure-csi/*"],
    stderr: "null",
  }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

/** As kubelet sends it: without a stage and without a publish_context. */
function publishOf({ targetPath }: NodeBed) {
  return {
    volumeId: ID,
    targetPath,
    volumeCapability: WRITER,
    volumeContext: {
      "csi.storage.k8s.io/ephemeral": "true",
      "csi.storage.k8s.io/pod.name": POD.name,
      "csi.storage.k8s.io/pod.namespace": POD.namespace,
      "csi.storage.k8s.io/pod.uid": POD.uid,
      size: "1Gi",
      backend: "block",
    },
  };
}

Deno.test(
  "15.11: a volume of a pod is formatted, mounted, kept over a restart of the node plugin, and gone with the pod",
  withNode(async (node) => {
    const { bed, targetPath, start, test } = node;
    const { rows } = start();
    for (let times = 0; times < 2; times++) {
      await rows.call(rpc.nodePublishVolume, publishOf(node));
    }
    await Deno.writeTextFile(`${targetPath}/file`, "scratch");
    const mounts = await readMounts({ ...test.host, root: "/" });
    assert.equal(mounts.find(({ target }) => target === targetPath)?.type, "xfs");
    const again = start();
    await again.rows.call(rpc.nodePublishVolume, publishOf(node));
    assert.equal(await Deno.readTextFile(`${targetPath}/file`), "scratch");
    await again.rows.call(rpc.nodeGetVolumeStats, { volumeId: ID, volumePath: targetPath });
    for (let times = 0; times < 2; times++) {
      await again.rows.call(rpc.nodeUnpublishVolume, { volumeId: ID, targetPath });
    }
    await bed.step();
    assert.deepEqual([bed.all(), bed.maker.volumes.size], [[], 0]);
  }),
);

Deno.test(
  "a node that lost its records still knows what it has of a pod, and gives it back",
  withNode(async (node) => {
    const { bed, targetPath, start, test } = node;
    await start().rows.call(rpc.nodePublishVolume, publishOf(node));
    await Deno.remove(`${test.folder}/state/volumes`, { recursive: true });
    bed.endPod();
    await bed.step();
    const { rows, inline } = start();
    const stop = new AbortController();
    const running = inline.run(stop.signal);
    await inline.look();
    assert.equal(bed.all()[0]?.finalizers.length, 2, "the pod has it mounted still");
    stop.abort();
    await running;
    await rows.call(rpc.nodeUnpublishVolume, { volumeId: ID, targetPath });
    await bed.step();
    assert.deepEqual([bed.all(), bed.maker.volumes.size], [[], 0]);
  }),
);

Deno.test(
  "what was staged for a pod that never ran is unstaged when its object is to end",
  withNode(async (node) => {
    const { bed, start, targetPath, volume } = node;
    const { rows, inline } = start();
    // Something lies where kubelet wants the mount: the publish fails for good, the stage is done.
    await Deno.mkdir(targetPath);
    await Deno.remove(targetPath);
    await Deno.writeTextFile(targetPath, "a file");
    await assert.rejects(rows.call(rpc.nodePublishVolume, publishOf(node)));
    await Deno.remove(targetPath);
    bed.endPod();
    await bed.step();
    await inline.look();
    await bed.step();
    assert.deepEqual([bed.all(), bed.maker.volumes.size], [[], 0]);
    assert.ok(volume.link);
  }),
);
