import assert from "node:assert/strict";
import { isPsoError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { nfsFile } from "./connection.ts";
import { mountNfs, nfsOptions, nfsSource } from "./mount.ts";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { DEBIANS, Transcripts } from "../../../tests/support/test_host.ts";
import { failureOf } from "../../../tests/support/test_node.ts";

/** A host on which `mount` fails with the errors given, one for each call, and then succeeds. */
function withHost(
  errors: string[],
  work: (host: Host, commands: string[]) => Promise<void>,
): Promise<void> {
  return FakeHost.use(async (fake) => {
    const left = [...errors];
    fake.onTool.set("mount", () => {
      const said = left.shift();
      return said === undefined ? undefined : { code: 32, stderr: said };
    });
    await work(fake.host, fake.commands);
  });
}

const PLACE = { source: "10.0.0.9:/k8s-pvc-1", target: "/stage/1", flags: ["hard"] };

Deno.test("mountNfs() asks for v4.1 first", () =>
  withHost([], async (host, commands) => {
    await mountNfs(host, PLACE);
    assert.deepEqual(commands, ["mount -t nfs -o vers=4.1,hard 10.0.0.9:/k8s-pvc-1 /stage/1"]);
  }));

const NOT_THERE =
  "mount.nfs: mounting 10.0.0.9:/k8s-pvc-1 failed, reason given by server: No such file or directory";

for (
  const [lacks, said] of [["the server", "mount.nfs: Protocol not supported"], [
    "the file system",
    NOT_THERE,
  ]] as const
) {
  Deno.test(`mountNfs() falls back to v3 when ${lacks} has no v4.1`, () =>
    withHost([said], async (host, commands) => {
      await mountNfs(host, PLACE);
      assert.deepEqual(commands.map((command) => command.split(" ")[4]), [
        "vers=4.1,hard",
        "vers=3,hard",
      ]);
    }));
}

Deno.test("mountNfs() says not_found of a file system that the server has by no version that may be tried", () =>
  withHost([NOT_THERE], async (host) => {
    await assert.rejects(
      mountNfs(host, { ...PLACE, flags: ["vers=4.1"] }),
      (error) => isPsoError(error, "not_found"),
    );
  }));

for (
  const { said, code } of [
    {
      said: "mount.nfs: access denied by server while mounting 10.0.0.9:/k8s-pvc-1",
      code: "denied",
    },
    { said: "mount.nfs: Connection timed out", code: "unavailable" },
  ]
) {
  Deno.test(`mountNfs() does not try an older version after: ${said}`, () =>
    withHost([said], async (host, commands) => {
      await assert.rejects(
        mountNfs(host, PLACE),
        (error) => isPsoError(error) && error.code === code,
      );
      assert.equal(commands.length, 1);
    }));
}

Deno.test("nfsOptions() keeps the version that the class names, and never nolock", () => {
  for (const flag of ["vers=3", "nfsvers=4.2", "v4.1", "minorversion=2"]) {
    assert.deepEqual(nfsOptions([flag, "nolock"]), [[flag]]);
  }
});

Deno.test("a class's nolock is not used, and that is said once with the reason", () =>
  FakeHost.use(async (fake) => {
    const context = fake.context();
    const attachment = { protocol: "nfs", type: "file", address: "10.0.0.9" } as const;
    for (const at of [1, 2]) {
      const wanted = { attachment: { ...attachment, path: `/k8s-pvc-${at}` }, options: ["nolock"] };
      await nfsFile.mount(context, { ...wanted, target: `/stage/${at}` });
    }
    assert.deepEqual(fake.ran("nolock"), []);
    assert.equal(fake.said("mount option nolock of the class is not used").length, 1);
    assert.match(fake.log.join(), /would hold the same lock/);
  }));

Deno.test("mountNfs() hands mount.nfs's advice to use nolock to nobody", () =>
  withHost([
    "mount.nfs: rpc.statd is not running but is required for remote locking.\n" +
    "mount.nfs: Either use '-o nolock' to keep locks local, or start statd.",
  ], async (host) => {
    const { code, message } = await failureOf(mountNfs(host, { ...PLACE, flags: ["vers=3"] }));
    assert.equal(code, "unavailable");
    assert.match(message, /rpc\.statd does not run on this node: start it/);
    assert.doesNotMatch(message, /nolock/);
  }));

Deno.test("nfsSource() puts IPv6 addresses in brackets", () => {
  assert.equal(nfsSource({ address: "10.0.0.9", path: "/a" }), "10.0.0.9:/a");
  assert.equal(nfsSource({ address: "fd00::9", path: "/a" }), "[fd00::9]:/a");
});

Deno.test("an NFS mount is known by its type and source", () =>
  FakeHost.use(async (fake) => {
    const context = fake.context();
    const mount = {
      id: 1,
      majorMinor: "0:77",
      root: "/",
      target: "/stage/1",
      options: ["rw"],
      superOptions: ["rw"],
      type: "nfs4",
    };
    const attachment = { protocol: "nfs", address: "10.0.0.9", path: "/a" } as const;
    const isMountOf = (source: string, type = "nfs4") =>
      nfsFile.isMountOf(context, { attachment, mount: { ...mount, source, type } });
    assert.equal(await isMountOf("10.0.0.9:/a/"), true);
    assert.equal(await isMountOf("10.0.0.9:/b"), false);
    assert.equal(await isMountOf("10.0.0.9:/a", "tmpfs"), false);
  }));

for (const debian of DEBIANS) {
  const transcripts = await Transcripts.of(debian);

  for (
    const { name, source, flags = [], tries, ends } of [
      { name: "has the export", tries: ["mount of NFS"] },
      {
        name: "exports nothing of that name",
        source: "127.0.0.1:/none",
        tries: [
          "mount of NFS that is not exported, v4.1",
          "mount of NFS that is not exported, v3",
        ],
        ends: "denied",
      },
      {
        name: "exports nothing of that name by v4.1, which the class asks for",
        source: "127.0.0.1:/none",
        flags: ["vers=4.1"],
        tries: ["mount of NFS that is not exported, v4.1"],
        ends: "not_found",
      },
      {
        name: "exports to another host",
        tries: ["mount of NFS that names another host, v4.1"],
        ends: "denied",
      },
      {
        name: "lacks v4.1, and exports to another host by v3",
        tries: ["mount of NFS that lacks v4.1", "mount of NFS that names another host, v3"],
        ends: "denied",
      },
      {
        name: "refuses connections",
        source: "127.0.0.9:/pvc-1",
        flags: ["retry=0"],
        tries: ["mount of NFS from a server that refuses"],
        ends: "unavailable",
      },
    ]
  ) {
    Deno.test(`${debian}: mountNfs() from a server that ${name} ${ends ? `is ${ends}` : "mounts"}`, () =>
      FakeHost.use(async (fake) => {
        const left = [...tries];
        const run: Host["run"] = async (...call) => {
          const result = await transcripts.run(left.shift() ?? "nothing more")(...call);
          fake.mount("/mnt/a", { number: "0:77", type: "nfs4", source: "127.0.0.1:/pvc-1" });
          return result;
        };
        const place = { source: source ?? "127.0.0.1:/pvc-1", target: "/mnt/a", flags };
        const mounting = mountNfs({ ...fake.host, run }, place);
        if (ends === undefined) await mounting;
        else assert.equal((await failureOf(mounting)).code, ends);
        assert.deepEqual(left, []);
      }));
  }
}
