import assert from "node:assert/strict";
import { silentLogger } from "../log.ts";
import { withTestClock } from "../../tests/support/test_clock.ts";
import { failureOf } from "../../tests/support/test_node.ts";
import { createRun } from "./tools/command.ts";
import { refuseOpenDevice } from "./open_device.ts";
import type { Host } from "./host.ts";

const path = Deno.env.get("PATH");
const run = createRun({ namespaces: "direct", hostRoot: "/", log: silentLogger, path });

/** Runs `work` with a host whose / is bound below a folder, and a loop device of it. */
async function withLoop(work: (host: Host, name: string, folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "pso-open-" });
  await Deno.mkdir(`${folder}/root`);
  await run("mount", ["--rbind", "/", `${folder}/root`]);
  await run("mount", ["--make-rslave", `${folder}/root`]);
  await run("truncate", ["-s", "1M", `${folder}/image`]);
  const { stdout } = await run("losetup", ["--find", "--show", `${folder}/image`]);
  const device = stdout.trim();
  try {
    await work({ root: `${folder}/root`, namespaces: "direct", run }, device.slice(5), folder);
  } finally {
    await run("losetup", ["--detach", device]);
    await run("umount", ["--recursive", "--lazy", `${folder}/root`]);
    await run("rm", ["-rf", "--one-file-system", folder]);
  }
}

Deno.test("refuseOpenDevice() finds a process by the device's number, also by a node of its own", () =>
  withLoop(async (host, name, folder) => {
    const refuse = () => refuseOpenDevice(host, name);
    await refuse();
    const { stdout } = await run("stat", ["--format=%t %T", `/dev/${name}`]);
    const [major = "", minor = ""] = stdout.trim().split(" ").map((hex) =>
      String(parseInt(hex, 16))
    );
    await run("mknod", [`${folder}/xvda`, "b", major, minor]);
    const child = new Deno.Command("sh", {
      args: ["-c", 'exec 3<"$1"; exec sleep 7303', "sh", `${folder}/xvda`],
    }).spawn();
    try {
      const { code, message } = await failureOf(withTestClock(refuse));
      assert.equal(code, "in_use");
      assert.ok(message.includes(`is still open in process ${child.pid} (sleep)`), message);
    } finally {
      child.kill("SIGKILL");
      await child.status;
    }
    await refuse();
  }));

Deno.test("refuseOpenDevice() finds a loop device by the device's number, and by its size when its node has gone", () =>
  withLoop(async (host, name, folder) => {
    const refuse = () => refuseOpenDevice(host, name);
    const { stdout } = await run("stat", ["--format=%Hr %Lr", `/dev/${name}`]);
    await run("mknod", [`${folder}/xvda`, "b", ...stdout.trim().split(" ")]);
    const offset = ["--offset", "4096", "--find", "--show", `${folder}/xvda`];
    const upper = (await run("losetup", offset)).stdout.trim();
    try {
      for (const step of ["present", "gone"]) {
        if (step === "gone") await run("rm", [`${folder}/xvda`]);
        const { code, message } = await failureOf(withTestClock(refuse));
        assert.equal(code, "in_use");
        const shown = `is still open in loop device ${upper.slice(5)} (${folder}/xvda`;
        assert.ok(message.includes(shown), message);
      }
    } finally {
      await run("losetup", ["--detach", upper]);
    }
    await refuse();
  }));

Deno.test("refuseOpenDevice() takes no scan for whole whose tools do not work", () =>
  withLoop(async (host, name, folder) => {
    for (const [tool, body] of [["stat", "exit 0"], ["stat", "exit 127"], ["grep", "exit 0"]]) {
      await run("sh", ["-c", `printf '#!/bin/sh\\n%s\\n' "$1" >"$2"; chmod +x "$2"`, "sh", ...[
        body ?? "",
        `${folder}/${tool}`,
      ]]);
      const broken = createRun({
        namespaces: "direct",
        hostRoot: "/",
        log: silentLogger,
        path,
        toolFolders: [folder],
      });
      const { code, message } = await failureOf(refuseOpenDevice({ ...host, run: broken }, name));
      assert.equal(code, "in_use");
      assert.match(message, /it is not known whether a process has device loop\d+ open/);
      await run("rm", [`${folder}/${tool}`]);
    }
  }));
