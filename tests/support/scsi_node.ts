/** A node with volumes by iSCSI, for tests of paths and maps. */
import { FakeHost } from "./fake_host.ts";
import { ProtocolNode } from "./protocol_node.ts";
import { withTestClock } from "./test_clock.ts";

/** A node to which the array shows volume 7 by iSCSI. */
export function withNode(
  work: (node: ProtocolNode, fake: FakeHost) => Promise<void>,
): Promise<void> {
  return withTestClock(() =>
    FakeHost.use((fake) => {
      const node = new ProtocolNode("iscsi", fake);
      node.bed.publish(7);
      return work(node, fake);
    })
  );
}

/** A host without multipathd, whose node plugin was told so. */
export function useOnePath(node: ProtocolNode, fake: FakeHost): void {
  node.context = fake.context({ flasharray: { multipath: false } });
  fake.scsi.multipathdRuns = false;
}

/** Writes to sysfs that take a while at one address, and are refused where `refuses` says so. */
export function slowSysfs(fake: FakeHost, hctl: string, refuses = (_path: string) => false) {
  const writes = { begun: 0, ended: 0 };
  fake.onTool.set("tee", async ([path = ""]) => {
    if (refuses(path)) return { code: 1, stderr: "tee: refused" };
    if (!path.includes(hctl)) return undefined;
    writes.begun++;
    await new Promise((resolve) => setTimeout(resolve, 400));
    writes.ended++;
    return undefined;
  });
  return writes;
}

export const sizeOf = (fake: FakeHost, name: string) =>
  Number(fake.read(`/sys/class/block/${name}/size`)) * 512;
