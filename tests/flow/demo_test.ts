// The demo itself, as a person starts it: it proves what it says, and takes everything away, also
// when it is interrupted.
import { deepEqual, equal, match } from "node:assert/strict";
import { loopDevices, mounts } from "../../scripts/mounts.ts";
import { ROOT } from "../../scripts/program.ts";
import { until } from "../../src/async/wait.ts";
import { skip } from "../skips.ts";
import { whyNoFlow } from "./flow.ts";

const reason = whyNoFlow();
const ignore = reason !== undefined && skip("scripts/demo", reason);

interface Ended {
  code: number;
  said: string;
}

/**
 * Runs the demo with a temporary folder of its own, sends SIGINT once `interruptAt` was said, and
 * checks that nothing is left there.
 */
async function runDemo(interruptAt?: RegExp): Promise<Ended> {
  const tmp = await Deno.realPath(await Deno.makeTempDir({ prefix: "pso-d-" }));
  const interpreted = Deno.env.has("PSO_INTERPRETED") ? ["--interpreted"] : [];
  const demo = new Deno.Command(`${ROOT}/scripts/demo`, {
    args: ["--check", ...interpreted],
    env: { TMPDIR: tmp },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let said = "";
  const decoder = new TextDecoder();
  const reading = Promise.all([demo.stdout, demo.stderr].map(async (stream) => {
    for await (const bytes of stream) said += decoder.decode(bytes);
  }));
  if (interruptAt !== undefined) {
    let hasEnded = false;
    void demo.status.then(() => hasEnded = true);
    await until(`the demo says ${interruptAt} or ends`, () => hasEnded || interruptAt.test(said), {
      timeoutMs: 120_000,
    });
    if (hasEnded) await reading;
    match(said, interruptAt);
    demo.kill("SIGINT");
  }
  const { code } = await demo.status;
  await reading;
  deepEqual(
    (await mounts()).filter(({ path }) => path.startsWith(tmp)).map(({ path }) => path),
    [],
  );
  deepEqual((await loopDevices()).filter(({ file }) => file.startsWith(tmp)), []);
  deepEqual([...Deno.readDirSync(tmp)].map(({ name }) => name), [], "what is left of the demo");
  await Deno.remove(tmp);
  return { code, said };
}

Deno.test({
  name: "demo --check ends well, shows every step and the admin addresses, and cleans up",
  ignore,
  fn: async () => {
    const { code, said } = await runDemo();
    equal(code, 0, said);
    for (
      const step of [
        "formatted and mounted",
        "moved to node-2",
        "grown online",
        "snapshot taken",
        "restored",
        "cloned",
        "deleted",
      ]
    ) {
      match(said, new RegExp(`\\d+\\. .*${step}.* \\d+ ms`), step);
    }
    match(said, /controller +http:\/\/127\.0\.0\.1:\d+\/readyz/);
    match(said, /Stopped and cleaned up/);
  },
});

for (
  const [when, line] of [["while it starts", /Starting a simulated fleet/], [
    "with volumes mounted",
    /moved to node-2/,
  ]] as const
) {
  Deno.test({
    name: `demo interrupted ${when} says so with code 1, and cleans up`,
    ignore,
    fn: async () => {
      const { code, said } = await runDemo(line);
      equal(code, 1, said);
      match(said, /demo: interrupted by SIGINT/);
      match(said, /Stopped and cleaned up/);
    },
  });
}
