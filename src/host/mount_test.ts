import { deepEqual, rejects } from "node:assert/strict";
import type { Host } from "./host.ts";
import { mountFileSystem } from "./mount.ts";

for (const option of ["loop", "remount", "X-mount.subdir=etc", "addr=192.0.2.66", 'x="a,loop"']) {
  Deno.test(`mountFileSystem() runs nothing for ${option}, wherever it came from`, async () => {
    const tools: string[] = [];
    const host: Host = {
      root: "/",
      namespaces: "direct",
      run: (tool) => {
        tools.push(tool);
        return Promise.resolve({ code: 0, stdout: "", stderr: "" });
      },
    };
    const mount = { source: "/dev/sda", target: "/stage", type: "xfs", options: ["ro", option] };
    await rejects(mountFileSystem(host, mount), {
      code: "invalid",
      message: /^\/dev\/sda is not mounted: mount option .* is refused: .*; take it out of /,
    });
    deepEqual(tools, []);
  });
}
