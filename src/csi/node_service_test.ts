import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { encodeAttachment } from "../handoff.ts";
import { KeyedLock } from "../async/keyed_lock.ts";
import { createLogger } from "../log.ts";
import { Metrics } from "../metrics/metrics.ts";
import { NodePlugin } from "../node/node_plugin.ts";
import type { Run } from "../run.ts";
import {
  Node,
  NodeStageVolumeRequestSchema,
  VolumeCapability_AccessMode_Mode as Mode,
} from "./generated/csi_pb.ts";
import { attachment, FakeHost } from "../../tests/support/fake_host.ts";
import { RpcRows, WRITER } from "../../tests/support/rpc_rows.ts";
import { FLASHARRAY } from "../../tests/support/test_settings.ts";
import { nodeRows } from "../../tests/support/node_rows.ts";
import { callSamples } from "./call.ts";
import { answer } from "./unary.ts";

const PUBLISHED = encodeAttachment({
  protocol: "iscsi",
  lun: 1,
  targets: [{ iqn: "iqn.2010-06.com.purestorage:flasharray.1", portal: "192.0.2.1:3260" }],
  serial: "1234567890ABCDEF00011010",
  sizeBytes: 1 << 30,
  everWritten: false,
});
const SECRETS = {
  "node.session.auth.username": "node-user",
  "node.session.auth.password": "node-secret-1",
  "node.session.auth.username_in": "array-user",
  "node.session.auth.password_in": "array-secret-1",
};
/** What a host needs before it may log in. */
const PREPARED = {
  "/proc/self/mountinfo": "",
  "/etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1993-08.org.debian:01:n1\n",
  "/usr/sbin/iscsiadm": "",
  "/sys/module/iscsi_tcp/refcnt": "1\n",
  "/proc/self/net/unix":
    "0: 00000002 00000000 00010000 0001 01 1354 @ISCSIADM_ABSTRACT_NAMESPACE\n",
};
/** iscsiadm(8): the target refused the login. */
const REFUSED = 24;

/** NodeStageVolume with these secrets on a host whose target refuses every login. */
async function stage(secrets: Record<string, string>) {
  const folder = await Deno.makeTempDir({ prefix: "pso-node-service-" });
  const lines: string[] = [];
  const shownPasswords: string[] = [];
  const settings = new Map<string, string>();
  const run: Run = (_tool, args, options) => {
    args.forEach((word, index) =>
      word === "-n" && settings.set(args[index + 1] ?? "", args[index + 3] ?? "")
    );
    shownPasswords.push(
      ...args.filter((word) => /secret/.test(word) && !options?.secrets?.includes(word)),
    );
    return Promise.resolve({
      code: args.includes("--login") ? REFUSED : 0,
      stdout: "",
      stderr: "",
    });
  };
  try {
    for (const [path, text] of Object.entries(PREPARED)) {
      await Deno.mkdir(`${folder}${path}`.replace(/\/[^/]+$/, ""), { recursive: true });
      await Deno.writeTextFile(`${folder}${path}`, text, { mode: 0o755 });
    }
    const log = createLogger({ level: "debug", write: (line) => lines.push(line) });
    const host = { run, root: folder, namespaces: "chroot" } as const;
    const node = new NodePlugin({
      flasharray: { ...FLASHARRAY, multipath: false },
      maxVolumesPerNode: 0,
      name: "n1",
      host,
      stateDir: `${folder}/state`,
      dataAddresses: ["192.0.2.9"],
      log,
    });
    const row = nodeRows(node).find(({ name }) => name === "NodeStageVolume");
    ok(row);
    const request = create(NodeStageVolumeRequestSchema, {
      volumeId: "0badcafe/k8s-pvc-1",
      publishContext: PUBLISHED,
      stagingTargetPath: "/stage",
      volumeCapability: {
        accessType: { case: "mount", value: {} },
        accessMode: { mode: Mode.SINGLE_NODE_WRITER },
      },
      secrets,
    });
    const environment = {
      log,
      locks: new KeyedLock(),
      samples: callSamples(new Metrics()),
      driverName: "pure-csi",
    };
    const call = {
      bytes: toBinary(NodeStageVolumeRequestSchema, request),
      signal: new AbortController().signal,
    };
    const outcome = await answer(row, call, environment);
    ok("status" in outcome, "the stage must have failed");
    return { ...outcome.status, settings, shownPasswords, log: lines.join("\n") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("NodeStageVolume logs in with the CHAP credentials of its secrets, and shows no password", async () => {
  const { code, message, settings, shownPasswords, log } = await stage(SECRETS);
  equal(code, status.UNAVAILABLE);
  match(
    message,
    /refused the login at 192\.0\.2\.1:3260: the CHAP name or password is not the one/,
  );
  for (const [key, value] of Object.entries(SECRETS)) equal(settings.get(key), value);
  equal(settings.get("node.session.auth.authmethod"), "CHAP");
  deepEqual(shownPasswords, [], "each is named to Run as a secret");
  equal(/-secret-/.test(message + log), false);
});

Deno.test("NodeStageVolume without secrets leaves CHAP to the host's own defaults", async () => {
  const { message, settings } = await stage({ "somebody.elses/key": "value" });
  match(message, /wants CHAP and the class names no secret/);
  equal([...settings.keys()].some((key) => key.startsWith("node.session.auth")), false);
});

Deno.test("NodeStageVolume refuses CHAP credentials that no array takes", async () => {
  const { code, message } = await stage({
    ...SECRETS,
    "node.session.auth.password": "node-secret",
  });
  equal(code, status.INVALID_ARGUMENT);
  match(message, /node\.session\.auth\.password has 11 characters/);
});

Deno.test("a stage that NodePublishVolume repeats reads the volume_context as the first one did", () =>
  FakeHost.use(async (fake) => {
    fake.scsi.luns.set(7, 7);
    fake.folder("/stage/7");
    // A crash left the dead mount gone and a format begun: the options of mkfs count.
    await fake.records.write({
      volumeId: "v7",
      stagingPath: "/stage/7",
      attachment: attachment(7),
      format: { state: "started", type: "ext4", uuid: "0a1b2c3d-0000-4000-8000-000000000001" },
      remounting: true,
      published: [],
    });
    const publish = new RpcRows(nodeRows(fake.plugin())).call(Node.method.nodePublishVolume, {
      volumeId: "v7",
      stagingTargetPath: "/stage/7",
      targetPath: "/pods/1/mount",
      volumeCapability: { ...WRITER, accessType: { case: "mount", value: { fsType: "ext4" } } },
      volumeContext: { createoptions: "-L mine" },
    });
    await rejects(publish, /mkfs\.ext4 reported success, but \S+ holds no file system/);
    match(fake.ran("mkfs.ext4 ").join(), /^mkfs\.ext4 .*-L mine -- \/dev\/\S+$/);
  }));
