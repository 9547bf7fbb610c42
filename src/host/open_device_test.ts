import assert from "node:assert/strict";
import { silentLogger } from "../log.ts";
import { withTestClock } from "../../tests/support/test_clock.ts";
import { failureOf } from "../../tests/support/test_node.ts";
import { createRun } from "./command.ts";
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
    const refuse = () => refuseOpenDevice({ host, log: silentLogger }, name);
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
