/**
 * CHAP against a real target with real open-iscsi: what is proven, what is refused, and that no
 * password is left anywhere.
 */
import assert from "node:assert/strict";
import { type ChapCredentials, chapOf } from "../../src/chap.ts";
import { createRun } from "../../src/host/tools/command.ts";
import { createLogger } from "../../src/log.ts";
import { MiB } from "../../src/size.ts";
import { array, iscsiVolume, NODE_IQN } from "./array.ts";
import { hostState, LabNode, refusal, sh } from "./bed.ts";

await array("start", "iscsi");

const SIZE = 384 * MiB;
const NODE = ["node-user", "node-secret-0001"] as const;
const TARGET = ["array-user", "array-secret-001"] as const;

function credentials(
  node: readonly [string, string],
  target?: readonly [string, string],
): ChapCredentials {
  const keys = ["username", "password", "username_in", "password_in"];
  const values = [...node, ...target ?? []];
  const chap = chapOf(
    Object.fromEntries(values.map((value, index) => [`node.session.auth.${keys[index]}`, value])),
  );
  assert.ok(chap);
  return chap;
}

/** A node plugin in a new life, with the tools' command lines in its log. */
function restart(lab: LabNode): void {
  const log = createLogger({ level: "debug", write: (line) => lab.logLines.push(line) });
  lab.restart(createRun({ namespaces: "direct", hostRoot: "/", log, path: Deno.env.get("PATH") }));
}

/** Stage with these credentials must be refused, leave nothing, and show no password. */
async function assertDenied(
  lab: LabNode,
  name: string,
  { chap, why }: { chap?: ChapCredentials; why: RegExp },
): Promise<void> {
  restart(lab); // what an earlier stage was given is forgotten
  const volume = lab.volume(await iscsiVolume(name, { lun: 1, sizeBytes: SIZE }));
  const said = await refusal(lab.stage(volume, { chap }));
  assert.match(said, /^denied: /);
  assert.match(said, why);
  assert.doesNotMatch(said, /secret-0/);
  assert.deepEqual(hostState().sessions, []);
  assert.equal(
    await sh("find /etc/iscsi/nodes /var/lib/iscsi/nodes -type f 2>/dev/null || true"),
    "",
    "no record of a login that failed",
  );
  await array("delete", name);
}

function assertNoPassword(lab: LabNode): void {
  const log = lab.logLines.join("\n");
  assert.match(log, /node\.session\.auth\.password -v \[redacted\]/);
  assert.doesNotMatch(log, /secret-0/);
}

Deno.test("CHAP one-way: the right password stages, a wrong one, a wrong name and none are denied, and nothing is left", () =>
  LabNode.leavesNothing(async (lab) => {
    restart(lab);
    await array("host", NODE_IQN, ...NODE);
    const attachment = await iscsiVolume("one-way", { lun: 2, sizeBytes: SIZE });
    const volume = lab.volume(attachment);
    await lab.stage(volume, { chap: credentials(NODE) });
    await sh(`echo data >${volume.stagingPath}/file`);
    assert.equal(
      await sh("grep -rl secret-0 /var/lib/pso-test /run/lab 2>/dev/null || true"),
      "",
      "no file of ours holds a password",
    );
    assert.equal(
      await sh(
        "find /etc/iscsi/nodes /var/lib/iscsi/nodes -type f -perm /077 2>/dev/null || true",
      ),
      "",
      "the host's record is root's alone",
    );
    const second = lab.volume(await iscsiVolume("no-secret", { lun: 3, sizeBytes: SIZE }));
    await lab.stage(second); // its class names no secret: the session that is there is used
    await lab.takeAway(second);
    await lab.takeAway(volume);
    // what the target was given before still holds
    await lab.stage({ ...volume, attachment: { ...attachment, everWritten: true } });
    await lab.takeAway(volume);
    await assertDenied(lab, "wrong-password", {
      chap: credentials([NODE[0], "node-secret-0002"]),
      why: /CHAP name or password is not the one/,
    });
    await assertDenied(lab, "wrong-name", {
      chap: credentials(["other-user", NODE[1]]),
      why: /CHAP name or password is not the one/,
    });
    await assertDenied(lab, "no-chap", { why: /wants CHAP and the class names no secret/ });
    assertNoPassword(lab);
    for (const name of ["one-way", "no-secret"]) await array("delete", name);
  }));

Deno.test("CHAP mutual: a target that proves itself is used, one that does not is refused by this node", () =>
  LabNode.leavesNothing(async (lab) => {
    restart(lab);
    await array("host", NODE_IQN, ...NODE, ...TARGET);
    const volume = lab.volume(await iscsiVolume("mutual", { lun: 2, sizeBytes: SIZE }));
    await lab.stage(volume, { chap: credentials(NODE, TARGET) });
    assert.equal(hostState().sessions.length, 2);
    await lab.takeAway(volume);
    const chap = credentials(NODE, [TARGET[0], "array-secret-002"]);
    await assertDenied(lab, "unproven", {
      chap,
      why: /did not prove itself by the CHAP name and password/,
    });
    assertNoPassword(lab);
    await array("delete", "mutual");
  }));
