import { deepEqual } from "node:assert/strict";
import { HostFiles } from "../../tests/support/host_files.ts";
import { silentLogger } from "../log.ts";
import { removeEmptyFolders } from "./empty_folder.ts";

const VOLUMES = "/var/lib/pso/volumes";
const FOLDERS = [VOLUMES, "/var/lib/pso", "/var/lib/kubelet/plugins/pure-csi"];

/** What is left of FOLDERS when the process ends on a host that `prepare` made. */
async function leftAfter(prepare: (files: HostFiles) => void): Promise<string[]> {
  const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "pso-empty-" }));
  const files = new HostFiles(root);
  try {
    files.folder("/var/lib/kubelet/plugins");
    prepare(files);
    const run = () => Promise.reject(new Error("no tool is needed"));
    await removeEmptyFolders({ run, root, namespaces: "nsenter" }, {
      folders: FOLDERS,
      log: silentLogger,
    });
    return FOLDERS.filter((path) => files.has(path));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("removeEmptyFolders() removes empty folders of the host, the inner one first", async () => {
  deepEqual(await leftAfter((files) => FOLDERS.forEach((path) => files.folder(path))), []);
});

Deno.test("removeEmptyFolders() keeps a folder with a record, those around it, and a socket of another", async () => {
  const left = await leftAfter((files) => {
    files.write(`${VOLUMES}/1.json`, "{}");
    files.write(`${FOLDERS[2]}/csi.sock`, "");
  });
  deepEqual(left, FOLDERS);
});

Deno.test("removeEmptyFolders() is content with folders that are not there", async () => {
  deepEqual(await leftAfter(() => {}), []);
});

Deno.test("removeEmptyFolders() follows a link in the way, and keeps a folder that is a link itself", async () => {
  const left = await leftAfter((files) => {
    files.folder("/data/pso/volumes");
    files.folder("/data/plugin");
    files.link("/var/lib/pso", "/data/pso");
    files.link("/var/lib/kubelet/plugins/pure-csi", "/data/plugin");
  });
  deepEqual(left, ["/var/lib/pso", "/var/lib/kubelet/plugins/pure-csi"]);
});

Deno.test("removeEmptyFolders() keeps a file that has the name of a folder", async () => {
  deepEqual(await leftAfter((files) => files.write("/var/lib/pso", "")), ["/var/lib/pso"]);
});

Deno.test("removeEmptyFolders() goes on after a path that cannot be followed", async () => {
  const left = await leftAfter((files) => {
    files.link("/var/lib/pso", "/nowhere");
    files.folder(FOLDERS[2] ?? "");
  });
  deepEqual(left, ["/var/lib/pso"]);
});
