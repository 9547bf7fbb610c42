// The node plugin is killed with SIGKILL at each tool call of stage, publish, unpublish and
// unstage: before the tool does its work and after it. A new node plugin gets the same request
// again, as kubelet repeats it.
import { deepEqual, equal, ok } from "node:assert/strict";
import {
  attachClaim,
  blockCapability,
  type CapabilityInit,
  type Claim,
  createClaim,
  detachClaim,
  mountCapability,
  type Paths,
} from "../../scripts/claim.ts";
import { exists } from "../../scripts/paths.ts";
import { GiB, MiB } from "../../src/size.ts";
import { skip } from "../skips.ts";
import { Flow, whyNoFlow } from "./flow.ts";

/**
 * Every tool that the node may call on the local plane; the shim for each counts its calls in one
 * file.
 */
const TOOLS = [
  "losetup",
  "mkfs.xfs",
  "mkfs.ext4",
  "mount",
  "umount",
  "xfs_growfs",
  "resize2fs",
  "e2fsck",
  "blockdev",
  "stat",
  "ip",
  "xfs_admin",
  "xfs_info",
  "dumpe2fs",
  "sync",
  "blkid",
  "udevadm",
  "fsfreeze",
  "xfs_repair",
  "tune2fs",
];

/**
 * The script that stands before one tool: the real one is the next of that name in the search path.
 */
function shimText(folder: string, tool: string): string {
  return `#!/bin/sh
PATH=$(echo "$PATH" | tr ':' '\\n' | grep -vxF "${folder}" | paste -sd:)
[ -f "${folder}/plan" ] || exec ${tool} "$@"
hit=$(
  flock 9
  count=$(($(cat "${folder}/count" 2>/dev/null || echo 0) + 1))
  echo $count >"${folder}/count"
  read number when pid <"${folder}/plan"
  [ "$count" != "$number" ] || { echo "${tool} $*" >"${folder}/hit"; echo "$when $pid"; }
) 9>>"${folder}/lock"
case "$hit" in before*) kill -KILL "\${hit#* }"; exit 1 ;; esac
${tool} "$@"
code=$?
case "$hit" in after*) kill -KILL "\${hit#* }" ;; esac
exit $code
`;
}

/**
 * Puts a script before each real tool: at call number `$at/number` it kills process `$at/pid`,
 * before or after the tool's work.
 */
async function makeShims(folder: string): Promise<void> {
  await Deno.mkdir(folder);
  for (const tool of TOOLS) {
    await Deno.writeTextFile(
      `${folder}/${tool}`,
      shimText(folder, tool),
      { mode: 0o755 },
    );
  }
}

interface Kill {
  when: "before" | "after";
  number: number;
}

class ShimmedNode {
  constructor(readonly flow: Flow, readonly shims: string) {}

  async restart(): Promise<void> {
    await this.flow.restart("node-1", { PATH: `${this.shims}:${Deno.env.get("PATH") ?? ""}` });
  }

  /**
   * Runs `work` with a kill planted at a tool call; repeats it on a new process if it was killed.
   * Answers the tool call that was hit, or undefined when there were not so many.
   */
  async killedAt(kill: Kill, work: () => Promise<unknown>): Promise<string | undefined> {
    const pid = this.flow.stand.pid("node-1");
    ok(pid, "node-1 runs");
    await Deno.remove(`${this.shims}/count`).catch(() => {}); // none yet
    await Deno.writeTextFile(`${this.shims}/plan`, `${kill.number} ${kill.when} ${pid}\n`);
    const ended = this.flow.stand.expectEnd("node-1");
    let fault: unknown;
    await work().catch((error) => fault = error);
    await Deno.remove(`${this.shims}/plan`);
    if (!await exists(`${this.shims}/hit`)) {
      if (fault !== undefined) throw fault;
      return undefined;
    }
    equal((await ended).signal, "SIGKILL", "the node ended by the planted kill and nothing else");
    const hit = (await Deno.readTextFile(`${this.shims}/hit`)).trim();
    await Deno.remove(`${this.shims}/hit`);
    await this.restart();
    try {
      await work();
    } catch (error) {
      throw new Error(
        `after a kill ${kill.when} \`${hit}\` the repeat failed: ${
          error instanceof Error ? error.message : error
        }`,
        {
          cause: error,
        },
      );
    }
    return hit;
  }
}

interface Case {
  name: string;
  capability: CapabilityInit;
  sizeBytes: number;
  /** Writes into the published volume, and answers what `read` must give back. */
  write(paths: Paths): Promise<string>;
  read(paths: Paths): Promise<string>;
}

const BLOCK_BYTES = 4096;

function fileCase(name: string, capability: CapabilityInit): Case {
  return {
    name,
    capability,
    sizeBytes: GiB,
    write: async ({ target }) => {
      const text = crypto.randomUUID();
      await Deno.writeTextFile(`${target}/file`, text);
      return text;
    },
    read: ({ target }) => Deno.readTextFile(`${target}/file`),
  };
}

const CASES: Case[] = [
  fileCase("xfs", mountCapability(undefined, "xfs")),
  fileCase("ext4", mountCapability(undefined, "ext4")),
  {
    name: "raw block",
    capability: blockCapability(),
    sizeBytes: 16 * MiB,
    write: async ({ target }) => {
      const text = "x".repeat(BLOCK_BYTES);
      using file = await Deno.open(target, { write: true });
      await file.write(new TextEncoder().encode(text));
      await file.syncData();
      return text;
    },
    read: async ({ target }) => {
      using file = await Deno.open(target);
      const bytes = new Uint8Array(BLOCK_BYTES);
      await file.read(bytes);
      return new TextDecoder().decode(bytes);
    },
  },
];

/**
 * One life of a volume with one kill in its way there or its way back. Answers whether the kill was
 * hit.
 */
async function life(
  node: ShimmedNode,
  one: Case,
  kill: Kill & { during: "attach" | "detach" },
): Promise<boolean> {
  const { flow } = node;
  const name = `pvc-${crypto.randomUUID()}`;
  const claim: Claim = await createClaim(flow.controller, name, {
    sizeBytes: one.sizeBytes,
    capability: one.capability,
  });
  const handle = flow.node(0);
  const paths = flow.paths(handle, name);
  const attach = () => attachClaim(flow.controller, handle, claim, paths);
  const detach = () => detachClaim(flow.controller, handle, claim, paths);
  let hit: string | undefined;
  if (kill.during === "attach") hit = await node.killedAt(kill, attach);
  else await attach();
  const written = await one.write(paths);
  if (kill.during === "detach") hit = await node.killedAt(kill, detach);
  else await detach();
  deepEqual(await flow.nodeLeftovers(), [], "nothing is left on the node");
  await attach();
  equal(await one.read(paths), written, `the data is there after a kill ${kill.when} \`${hit}\``);
  await detach();
  await flow.controller.controller.deleteVolume({ volumeId: claim.volumeId });
  return hit !== undefined;
}

const reason = whyNoFlow();
Deno.test({
  name: "node: killed at each tool call of attach and detach and repeated, no data is lost " +
    "and nothing is left",
  ignore: reason !== undefined && skip("node killed at each tool call", reason),
  fn: (test) =>
    Flow.run({ flasharrays: 1, flashblades: 0, nodes: 1 }, async (flow) => {
      const node = new ShimmedNode(flow, `${flow.stand.dir}/shims`);
      await makeShims(node.shims);
      await flow.stand.kill("node-1", "SIGTERM");
      await node.restart();
      for (const one of CASES) {
        for (const during of ["attach", "detach"] as const) {
          await test.step(`${one.name}, ${during}`, async () => {
            let kills = 0;
            for (const when of ["before", "after"] as const) {
              for (let number = 1; await life(node, one, { during, when, number }); number++) {
                kills++;
              }
            }
            ok(kills >= 2, `${kills} kills were hit`);
          });
        }
      }
    }),
});
