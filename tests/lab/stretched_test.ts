/**
 * A volume of a pod that is stretched over two simulated arrays, over real iSCSI: one map with the
 * paths of both, which goes on by one array while the other one is away.
 */
import assert from "node:assert/strict";
import { until } from "../../src/async/wait.ts";
import { decodeAttachment, encodeNodeId } from "../../src/handoff.ts";
import { hostNameFor } from "../../src/names.ts";
import { MiB } from "../../src/size.ts";
import { bringBack, IN_P1, takeDown, withStretched } from "../flow/stretched_bed.ts";
import { PORTALS } from "./array.ts";
import { hostState, LabNode, type LabVolume, mapName, sh, SLOW_MS } from "./bed.ts";

const DATA_PLANE = { portals: PORTALS, hostRoot: "/" };
/** What multipathd's `prio alua` gives paths that are optimized, and those that are not. */
const OPTIMIZED = 50, OTHERS = 10;

/** The target that a path leads to. */
async function targetOf(disk: string): Promise<string> {
  const session = `$(readlink -f /sys/block/${disk}/device | grep -o 'session[0-9]*')`;
  return await sh(`cat /sys/class/iscsi_session/${session}/targetname`);
}

/** The paths of the volume's map that carry data, by their group: `50 TARGET`. */
async function pathsOf({ attachment }: LabVolume): Promise<string[]> {
  const found: string[] = [];
  let priority = "";
  for (const line of (await sh(`multipath -ll ${mapName(attachment)}`)).split("\n")) {
    priority = /prio=(\d+)/.exec(line)?.[1] ?? priority;
    const [, disk] = / (sd[a-z]+) +\d+:\d+ +active +ready +running/.exec(line) ?? [];
    if (disk !== undefined) found.push(`${priority} ${await targetOf(disk)}`);
  }
  return found;
}

Deno.test("15.11: over iSCSI a volume of two arrays outlives either", () =>
  LabNode.leavesNothing((lab) =>
    withStretched({ dataPlane: DATA_PLANE, patience: 60 }, async (bed) => {
      const node = await lab.node.identity();
      const capacityRange = { requiredBytes: 384 * MiB, limitBytes: 0 };
      const id = await bed.create("pvc-1", { ...IN_P1, capacityRange });
      const home = bed.fleet.memberByHint(id.slice(0, 8))?.array.label;
      const preferred = home === "fa-1" ? "fa-2" : "fa-1";
      await bed.publish(id, node);
      for (const array of ["fa-1", "fa-2"]) {
        const query = { names: hostNameFor(node.name) };
        const body = { preferred_arrays: [{ name: preferred }] };
        await bed.admin(array, { method: "PATCH", path: "hosts", query, body });
      }
      const attachment = decodeAttachment(await bed.publish(id, node));
      assert.ok(attachment.protocol === "iscsi");
      const [near, far, ...more] = new Set(attachment.targets.map(({ iqn }) => iqn));
      assert.deepEqual(more, []);
      const all = [near, near].map((iqn) => `${OPTIMIZED} ${iqn}`)
        .concat([far, far].map((iqn) => `${OTHERS} ${iqn}`));
      const volume = lab.volume(attachment);
      const allAreBack = async () => {
        const paths = await pathsOf(volume);
        return paths.length === all.length && paths.every((path, at) => path === all[at]);
      };
      await lab.stage(volume);
      await lab.publish(volume);
      assert.equal(hostState().maps.length, 1);
      assert.deepEqual(await pathsOf(volume), all);
      const write = (name: string) =>
        sh(
          `dd if=/dev/urandom of=${volume.targetPath}/${name} bs=1M count=4 conv=fsync status=none`,
        );
      const sums = () => sh(`cd ${volume.targetPath} && sha256sum before while`);
      await write("before");
      await takeDown(bed, preferred);
      await write("while");
      const written = await sums();
      assert.deepEqual(new Set(await pathsOf(volume)), new Set([`${OTHERS} ${far}`]));
      await bringBack(bed);
      await until("all paths are back", allAreBack, { timeoutMs: SLOW_MS });
      await sh("sync; echo 3 >/proc/sys/vm/drop_caches");
      assert.equal(await sums(), written);
      await lab.takeAway(volume);
      await bed.provisioner.unpublishVolume(
        { volumeId: id, nodeId: encodeNodeId(node) },
        bed.signal,
      );
      await bed.provisioner.deleteVolume(id, bed.signal);
    })
  ));
