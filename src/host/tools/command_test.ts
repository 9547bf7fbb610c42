import assert from "node:assert/strict";
import { isPsoError, PsoError } from "../../errors.ts";
import { createLogger, silentLogger } from "../../log.ts";
import { HostFiles } from "../../../tests/support/host_files.ts";
import { commandLine, createRun, hasTool, searchFolders } from "./command.ts";
import type { Host } from "../host.ts";

const HINT = "if it is there, name its folder with --tool-path";
const path = Deno.env.get("PATH");
const run = createRun({ namespaces: "direct", hostRoot: "/", log: silentLogger, path });

async function failure(work: Promise<unknown>): Promise<PsoError> {
  try {
    await work;
  } catch (error) {
    if (isPsoError(error)) return error;
    throw error;
  }
  throw new Error("it succeeded");
}

/** True while a process of the group that `sleep <seconds>` was started in is alive. */
async function isSleeping(seconds: string): Promise<boolean> {
  return (await run("pgrep", ["-f", `sleep ${seconds}$`], { okCodes: [0, 1] })).code === 0;
}

Deno.test("run() gives code, stdout and stderr, and passes arguments as they are", async () => {
  const result = await run(
    "sh",
    ["-c", 'printf %s "$1"; echo oops >&2; exit 3', "sh", "a b;$HOME"],
    { okCodes: [3] },
  );
  assert.deepEqual(result, { code: 3, stdout: "a b;$HOME", stderr: "oops\n" });
});

Deno.test("run() gives the bytes of an output that is no text, and names the command as it is told", async () => {
  const options = { binary: true, shownAs: "the bytes" };
  const result = await run("printf", ["\\377\\0\\200x"], options);
  assert.deepEqual(result.bytes, new Uint8Array([255, 0, 128, 120]));
  assert.equal(result.stdout, "");
  const error = await failure(run("sh", ["-c", "exit 4"], options));
  assert.equal(error.message, "the bytes ended with code 4: it printed nothing");
});

Deno.test("run() gives a tool LC_ALL and PATH and nothing else of our environment", async () => {
  const { stdout } = await run("env", []);
  assert.deepEqual(stdout.trim().split("\n").map((line) => line.split("=")[0]).sort(), [
    "LC_ALL",
    "PATH",
  ]);
});

Deno.test("run() writes stdin and survives a tool that does not read it", async () => {
  assert.equal((await run("cat", [], { stdin: "yes" })).stdout, "yes");
  assert.equal((await run("true", [], { stdin: "x".repeat(1_000_000) })).code, 0);
});

Deno.test("run() throws unavailable with code and stderr when the exit code is no answer", async () => {
  const error = await failure(run("sh", ["-c", "echo no such target >&2; exit 21"]));
  assert.equal(error.code, "unavailable");
  assert.equal(
    error.message,
    "sh -c echo no such target >&2; exit 21 ended with code 21: no such target",
  );
});

Deno.test("run() names the package of a missing tool", async () => {
  const nowhere = createRun({ namespaces: "chroot", hostRoot: "/", log: silentLogger });
  assert.equal(
    (await failure(run("no-such-tool", []))).message,
    `tool no-such-tool is missing: install it on this node; ${HINT}`,
  );
  // The chroot form of the same fact: chroot(1) itself is there and answers 127.
  const error = await failure(nowhere("nvme", ["list"]));
  assert.equal(
    error.message,
    `tool nvme is missing: install the package nvme-cli on this node; ${HINT}`,
  );
});

Deno.test("run() kills the whole process group when the time is over", async () => {
  const started = performance.now();
  const error = await failure(run("sh", ["-c", "sleep 7301 & sleep 7301"], { timeoutMs: 100 }));
  assert.equal(error.code, "timeout");
  assert.match(error.message, /did not end within 100 ms/);
  assert.ok(performance.now() - started < 10_000, "a grandchild kept it waiting");
  assert.equal(await isSleeping("7301"), false);
});

Deno.test("run() kills the whole process group when the caller goes away", async () => {
  const caller = new AbortController();
  const failed = failure(run("sh", ["-c", "sleep 7302 & sleep 7302"], { signal: caller.signal }));
  caller.abort(new PsoError("timeout", "the caller's deadline passed"));
  assert.equal((await failed).message, "the caller's deadline passed");
  assert.equal(await isSleeping("7302"), false);
  assert.equal((await failure(run("true", [], { signal: caller.signal }))).code, "timeout");
});

Deno.test("run() does not wait for a daemon that a tool leaves behind with its pipes", async () => {
  const { stdout } = await run("sh", ["-c", "sleep 3 & echo done"]);
  assert.equal(stdout, "done\n");
});

Deno.test("run() ends a tool that prints without end", async () => {
  const error = await failure(run("yes", []));
  assert.equal(error.code, "unavailable");
  assert.match(error.message, /printed more than 4194304 bytes/);
});

Deno.test("run() keeps secrets out of errors and of the debug log", async () => {
  const lines: string[] = [];
  const logged = createRun({
    namespaces: "direct",
    hostRoot: "/",
    log: createLogger({ level: "debug", write: (line) => lines.push(line) }),
    path,
  });
  const secrets = ["hunter2"];
  const error = await failure(
    logged("sh", ["-c", "echo bad password hunter2 >&2; exit 1", "hunter2"], { secrets }),
  );
  await logged("true", ["hunter2"], { secrets });
  assert.equal([error.message, ...lines].some((text) => text.includes("hunter2")), false);
  assert.match(error.message, /bad password \[redacted\]/);
  assert.equal(lines.length, 2);
});

Deno.test("commandLine() enters the host's namespaces as asked", () => {
  assert.deepEqual(commandLine("mount", ["-a"], { namespaces: "direct", hostRoot: "/host" }), [
    "mount",
    "-a",
  ]);
  assert.deepEqual(commandLine("mount", ["-a"], { namespaces: "chroot", hostRoot: "/host" }), [
    "chroot",
    "/host",
    "mount",
    "-a",
  ]);
  assert.deepEqual(commandLine("mount", ["-a"], { namespaces: "nsenter", hostRoot: "/host" }), [
    "nsenter",
    "--mount=/host/proc/1/ns/mnt",
    "--ipc=/host/proc/1/ns/ipc",
    "--net=/host/proc/1/ns/net",
    "--",
    "mount",
    "-a",
  ]);
});

Deno.test("searchFolders() begins with --tool-path, then our own PATH if tools run in our own namespaces", () => {
  const folders = (namespaces: "direct" | "nsenter") =>
    searchFolders({ namespaces, path: "/shim:/bin", toolFolders: ["/opt/storage/bin"] });
  assert.deepEqual(folders("direct").slice(0, 4), [
    "/opt/storage/bin",
    "/shim",
    "/bin",
    "/usr/local/sbin",
  ]);
  assert.deepEqual(folders("nsenter").slice(0, 2), ["/opt/storage/bin", "/usr/local/sbin"]);
});

for (
  const { name, links = {}, files, toolFolders, has } of [
    { name: "a file", files: ["/usr/sbin/iscsiadm"], has: true },
    {
      name: "an absolute link of the host",
      files: ["/opt/iscsi/iscsiadm"],
      links: { "/usr/sbin/iscsiadm": "/opt/iscsi/iscsiadm" },
      has: true,
    },
    {
      name: "a file in the only place where NixOS has tools",
      files: ["/nix/store/1-iscsi/bin/iscsiadm"],
      links: {
        "/run/current-system": "/nix/store/1-system",
        "/nix/store/1-system/sw/bin": "/nix/store/1-iscsi/bin",
      },
      has: true,
    },
    {
      name: "a file in a folder of --tool-path",
      files: ["/opt/iscsi/iscsiadm"],
      toolFolders: ["/opt/iscsi"],
      has: true,
    },
    { name: "a file elsewhere", files: ["/opt/iscsi/iscsiadm"], has: false },
    {
      name: "a link that leads nowhere on the host, and to a tool of this container",
      files: [],
      links: { "/usr/sbin/iscsiadm": "/bin/sh" },
      has: false,
    },
  ] as {
    name: string;
    links?: Record<string, string>;
    files: string[];
    toolFolders?: string[];
    has: boolean;
  }[]
) {
  Deno.test(`hasTool() is ${has} for ${name}`, async () => {
    const root = await Deno.makeTempDir({ prefix: "pso-tools-" });
    const hostFiles = new HostFiles(root);
    for (const file of files) hostFiles.write(file, "");
    for (const [path, to] of Object.entries(links)) hostFiles.link(path, to);
    const host: Host = { root, namespaces: "nsenter", run, toolFolders };
    assert.equal(await hasTool(host, "iscsiadm"), has);
    await Deno.remove(root, { recursive: true });
  });
}

Deno.test("run() finds a tool in our own PATH first, as a shim that tests put there", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pso-shim-" });
  await Deno.writeTextFile(`${folder}/losetup`, "#!/bin/sh\necho shim\n", { mode: 0o755 });
  const shimmed = createRun({
    namespaces: "direct",
    hostRoot: "/",
    log: silentLogger,
    path: `${folder}:${path}`,
  });
  assert.equal((await shimmed("losetup", [])).stdout, "shim\n");
  await Deno.remove(folder, { recursive: true });
});
