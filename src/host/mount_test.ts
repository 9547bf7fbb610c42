import { deepEqual, rejects } from "node:assert/strict";
import { HostFiles, makeHostFolder } from "../../tests/support/host_files.ts";
import type { Host } from "./host.ts";
import { bindMount, mountFileSystem } from "./mount.ts";

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

Deno.test("bindMount() unmounts what is writable and must not be, also when its caller's deadline has passed", async () => {
  const root = await makeHostFolder();
  const files = new HostFiles(root);
  const write = (text: string) => files.write("/proc/1/mountinfo", text);
  write("");
  const umounts: boolean[] = [];
  const caller = new AbortController();
  const host: Host = {
    root,
    namespaces: "nsenter",
    run: (tool, _args, options) => {
      write(tool === "mount" ? "9 1 8:1 / /target rw - xfs /dev/sda rw" : "");
      if (tool === "mount") caller.abort();
      else umounts.push(options?.signal?.aborted === true);
      return Promise.resolve({ code: 0, stdout: "", stderr: "" });
    },
  };
  const mount = { source: "/stage", target: "/target", options: ["ro"] };
  await rejects(bindMount(host, mount, caller.signal), {
    code: "unavailable",
    message: /\/target is writable although it was asked to be read-only, and was unmounted/,
  });
  deepEqual(umounts, [false], "the unmount has a time of its own");
  await Deno.remove(root, { recursive: true });
});
