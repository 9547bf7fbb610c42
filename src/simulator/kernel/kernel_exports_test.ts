import assert from "node:assert/strict";
import { isPsoError } from "../../errors.ts";
import type { Run } from "../../run.ts";
import { Images } from "../images.ts";
import { exportOptions, KernelExports } from "./kernel_exports.ts";
import { parseRules } from "../nfs_rules.ts";

const FSID = "sync,no_subtree_check,fsid=id-1";
for (
  const [rule, wanted] of [
    ["*(rw,no_root_squash)", `rw,no_root_squash,insecure,${FSID}`],
    ["10.0.0.1", `ro,insecure,root_squash,${FSID}`],
    [
      "10.0.0.1(ro,all_squash,anonuid=7,secure,sec=krb5)",
      `ro,all_squash,anonuid=7,secure,sec=krb5,${FSID}`,
    ],
    ["10.0.0.1(rw,fileid_32bit,noatime)", `rw,insecure,root_squash,${FSID}`],
  ] as const
) {
  Deno.test(`exportOptions() of ${rule}`, () => {
    const [parsed] = parseRules(rule);
    assert.equal(parsed && exportOptions(parsed, "id-1"), wanted);
  });
}

/**
 * An exportfs that keeps a table, and mounts for which /proc stands: another device than that of
 * the folder.
 */
async function withExports(
  test: (
    bed: { exports: () => KernelExports; table: Map<string, string>; root: string },
  ) => Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir();
  const table = new Map<string, string>();
  const run: Run = (tool, args) => {
    if (tool === "exportfs" && args[0] === "-o") table.set(args[3] ?? "", args[1] ?? "");
    if (tool === "exportfs" && args[0] === "-u") table.delete(args[2] ?? "");
    if (tool === "mount") {
      // A bind mount shows the other device at once.
      Deno.removeSync(args[2] ?? "");
      Deno.symlinkSync(args[1] ?? "", args[2] ?? "");
    }
    const rows = [...table].map(([name, options]) => {
      const at = name.lastIndexOf(":");
      return `${name.slice(at + 1)}  ${name.slice(0, at).replace(/[[\]]/g, "")}(${options})`;
    });
    return Promise.resolve({ code: 0, stdout: rows.join("\n"), stderr: "" });
  };
  const images = new Images(`${root}/plane`, run);
  await Deno.mkdir(`${root}/srv`);
  const exports = () =>
    new KernelExports({
      images,
      mountPath: (id) => id === "lost" ? `${root}/lost` : "/proc",
      run,
      root: `${root}/srv`,
    });
  try {
    await test({ exports, table, root });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const fileSystem = (id: string, name: string, rules: string) => ({
  id,
  name,
  rules: parseRules(rules),
});
const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("KernelExports follows rules and names: only the clients of the rules are exported to, and the last rule takes the path away", async () => {
  await withExports(async ({ exports, table, root }) => {
    const one = exports();
    await one.show(fileSystem("a", "fs1", "10.0.0.1(rw,no_root_squash) fd00::1(ro)"));
    assert.deepEqual([...table.keys()], [`10.0.0.1:${root}/srv/fs1`, `[fd00::1]:${root}/srv/fs1`]);
    await one.show(fileSystem("a", "fs1", "10.0.0.1(ro,no_root_squash) 10.0.0.0/8(ro)"));
    assert.deepEqual([...table].map(([name, options]) => [name, options.slice(0, 2)]), [
      [`10.0.0.1:${root}/srv/fs1`, "ro"],
      [`10.0.0.0/8:${root}/srv/fs1`, "ro"],
    ]);
    await one.show(fileSystem("a", "fs2", "10.0.0.1(rw)"));
    assert.deepEqual([[...table.keys()], names(`${root}/srv`)], [[`10.0.0.1:${root}/srv/fs2`], [
      "fs2",
    ]]);
    await one.show(fileSystem("a", "fs2", ""));
    assert.deepEqual([[...table.keys()], names(`${root}/srv`), names(`${root}/plane/exports`)], [
      [],
      [],
      [],
    ]);
  });
});

Deno.test("KernelExports refuses a path that is there already, and leaves exports of others alone", async () => {
  await withExports(async ({ exports, table, root }) => {
    table.set("10.0.0.9:/home", "rw");
    await Deno.mkdir(`${root}/srv/home`);
    await assert.rejects(
      exports().show(fileSystem("a", "home", "*(rw)")),
      (error) => isPsoError(error, "in_use"),
    );
    await exports().stop();
    assert.deepEqual([[...table.keys()], names(`${root}/srv`)], [["10.0.0.9:/home"], ["home"]]);
  });
});

Deno.test("KernelExports after a start serves what is stored and takes away what an earlier life left", async () => {
  await withExports(async ({ exports, table, root }) => {
    const earlier = exports();
    await earlier.show(fileSystem("a", "kept", "10.0.0.1(rw) 10.0.0.2(rw)"));
    await earlier.show(fileSystem("b", "gone", "10.0.0.1(rw)"));
    const next = exports();
    await next.reconcile([fileSystem("a", "kept", "10.0.0.1(rw)")]);
    assert.deepEqual([[...table.keys()], names(`${root}/srv`)], [[`10.0.0.1:${root}/srv/kept`], [
      "kept",
    ]]);
    await next.stop();
    assert.deepEqual([[...table.keys()], names(`${root}/srv`)], [[], []]);
  });
});

Deno.test("KernelExports exports no folder of the host in the place of a file system that is not mounted", async () => {
  await withExports(async ({ exports, table, root }) => {
    await Deno.mkdir(`${root}/lost`);
    await assert.rejects(exports().show(fileSystem("lost", "fs1", "*(rw)")), /is not mounted/);
    assert.deepEqual([...table.keys()], []);
  });
});
