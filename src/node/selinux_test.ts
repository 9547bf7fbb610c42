import { deepEqual, equal } from "node:assert/strict";
import type { Capability } from "../capability.ts";
import type { Run } from "../run.ts";
import { nfsOptions } from "./nfs/mount.ts";
import { combineMountFlags } from "./calls/mount_flags.ts";
import { TestNode, testRun } from "../../tests/support/test_node.ts";

// With seLinuxMount kubelet gives a pod's label as a mount flag: `context=` and the label in
// quotes, since its categories hold a comma.

const LABEL = 'context="system_u:object_r:container_file_t:s0:c12,c34"';

Deno.test("a SELinux label stays one option, beside defaults and NFS versions", () => {
  const flags = combineMountFlags({
    fixed: ["nouuid"],
    defaults: ["discard"],
    wanted: [LABEL, "noatime"],
  });
  deepEqual(flags, ["nouuid", "discard", LABEL, "noatime"]);
  deepEqual(nfsOptions([LABEL]), [["vers=4.1", LABEL], ["vers=3", LABEL]]);
});

Deno.test("a SELinux label reaches mount(8) at stage, is the file system's own at publish, and does not stop a repeated stage", () =>
  TestNode.use(async (test) => {
    const volume = await test.volume();
    const options: string[] = [];
    const run: Run = (tool, args, runOptions) => {
      if (tool === "mount") options.push(args[args.indexOf("-o") + 1] ?? "");
      return testRun(tool, args, runOptions);
    };
    const capability: Capability = {
      access: { type: "mount", fsType: "xfs", mountFlags: [LABEL, "noatime"] },
      mode: "single-node-writer",
    };
    const node = test.restart(run);
    for (let time = 0; time < 2; time++) {
      await node.stage(test.stageRequest(volume, { capability }));
      await node.publish(test.publishRequest(volume, { capability }));
    }
    equal(options.length, 2, options.join(" "));
    equal(options[0], `nouuid,discard,${LABEL},noatime`);
    // A bind mount shows the labels of what was mounted at stage; mount(2) takes none of its own
    // for it.
    equal(options[1], "bind,noatime");
    await test.takeAway(volume);
  }));
