import assert from "node:assert/strict";
import { LioTarget } from "./lio_target.ts";
import { NvmetSubsystem } from "./nvmet_subsystem.ts";
import type { AccessState, PlaneHost } from "../plane.ts";

// What is written into a folder that stands for configfs: names and values are the contract with
// the kernel. How objects end shows in tests/lab/kernel_plane_test.ts, as a plain folder does not
// end with its attributes.

const SERIAL = "0123456789ABCDEF00011001";
const NO_CHAP = { hostUser: null, hostPassword: null, targetUser: null, targetPassword: null };
const volume = { id: "vol-1", serial: SERIAL, sizeBytes: 1_048_576 };
const imagePath = (id: string) => `/images/${id}`;

async function withConfigfs(
  test: (configfs: string, read: (path: string) => string) => void,
): Promise<void> {
  const configfs = await Deno.makeTempDir();
  try {
    test(configfs, (path) => Deno.readTextFileSync(`${configfs}/${path}`));
  } finally {
    await Deno.remove(configfs, { recursive: true });
  }
}

/** The kernel makes these folders together with the object. */
function withDefaults(configfs: string, folders: string[]): void {
  for (const folder of folders) Deno.mkdirSync(`${configfs}/${folder}`, { recursive: true });
}

Deno.test("LioTarget.show() gives a host its volumes at its LUNs, with Pure's identity and the host's CHAP", async () => {
  await withConfigfs((configfs, read) => {
    const [group, hba] = ["target/iscsi/iqn.target/tpgt_1", "target/core/fileio_287454020"];
    withDefaults(configfs, [
      `${hba}/vol-1/wwn`,
      `${hba}/vol-1/attrib`,
      `${group}/attrib`,
      `${group}/acls/iqn.host/auth`,
      `${group}/acls/iqn.host/attrib`,
    ]);
    // An object of the right name but without `enable` is what a crash leaves: rmdir of it is
    // refused here only, by the plain folder.
    Deno.writeTextFileSync(`${configfs}/${hba}/vol-1/enable`, "1\n");
    Deno.writeTextFileSync(
      `${configfs}/${hba}/vol-1/info`,
      "Status: ACTIVATED\n        TCM FILEIO ID: 0        File: /images/vol-1  Size: " +
        "524288  Mode: Buffered-WCE Async: 0\n",
    );
    const target = new LioTarget({
      configfs,
      arrayId: "1223344-0",
      iqn: "iqn.target",
      portals: ["10.0.0.1", "fd00::1"],
      imagePath,
    });
    const chap = {
      hostUser: "user",
      hostPassword: "secret-secret",
      targetUser: null,
      targetPassword: null,
    };
    const host: PlaneHost = {
      name: "h",
      iqns: ["iqn.host"],
      nqns: [],
      chap,
      connections: [{ lun: 7, volume }],
    };
    target.show([host]);
    assert.deepEqual(
      [...Deno.readDirSync(`${configfs}/${group}/np`)].map(({ name }) => name).sort(),
      ["10.0.0.1:3260", "[fd00::1]:3260"],
    );
    assert.equal(
      Deno.readLinkSync(`${configfs}/${group}/acls/iqn.host/lun_7/backstore`),
      `${configfs}/${group}/lun/lun_69633`,
    );
    assert.equal(
      Deno.readLinkSync(`${configfs}/${group}/lun/lun_69633/backstore`),
      `${configfs}/${hba}/vol-1`,
    );
    assert.equal(read(`${hba}/vol-1/control`), "fd_dev_size=1048576");
    assert.deepEqual(
      ["userid", "password"].map((name) => read(`${group}/acls/iqn.host/auth/${name}`)),
      ["user", "secret-secret"],
    );
    assert.deepEqual([
      read(`${group}/acls/iqn.host/attrib/authentication`),
      read(`${group}/attrib/generate_node_acls`),
      read(`${group}/enable`),
    ], ["1", "0", "1"]);
    target.show([{ ...host, chap: NO_CHAP }]);
    assert.deepEqual([
      read(`${group}/acls/iqn.host/auth/userid`),
      read(`${group}/acls/iqn.host/attrib/authentication`),
    ], ["NULL", "0"]);
  });
});

Deno.test("15.11: LioTarget.show() tells by ALUA which of several arrays a volume is better by", async () => {
  await withConfigfs((configfs, read) => {
    const [group, backstore] = ["target/iscsi/iqn.target/tpgt_1", "target/core/fileio_268435459/v"];
    const alua = `${backstore}/alua/pod`;
    withDefaults(configfs, [
      ...[`${backstore}/wwn`, `${backstore}/attrib`, `${group}/attrib`],
      ...["one", "two"].flatMap((host) =>
        ["auth", "attrib"].map((folder) => `${group}/acls/iqn.${host}/${folder}`)
      ),
    ]);
    Deno.writeTextFileSync(`${configfs}/${backstore}/enable`, "1\n");
    const info = "File: /images/v  Size: 1048576  Mode: Buffered-WCE Async: 0\n";
    Deno.writeTextFileSync(`${configfs}/${backstore}/info`, info);
    const ids = { arrayId: "00000030-0", iqn: "iqn.target" };
    const target = new LioTarget({ configfs, ...ids, portals: [], imagePath });
    const host = (name: string, access?: AccessState): PlaneHost => ({
      ...{ name, iqns: [`iqn.${name}`], nqns: [], chap: NO_CHAP },
      connections: [{ lun: 1, volume: { ...volume, id: "v" }, ...(access ? { access } : {}) }],
    });
    target.show([host("one"), host("two")]);
    assert.throws(() => read(`${alua}/tg_pt_gp_id`), Deno.errors.NotFound);
    target.show([host("one", "non-optimized"), host("two", "non-optimized")]);
    assert.deepEqual(
      ["tg_pt_gp_id", "alua_access_type", "alua_access_state"].map((name) =>
        read(`${alua}/${name}`)
      ),
      ["4", "1", "1"],
    );
    assert.equal(read(`${group}/lun/lun_69633/alua_tg_pt_gp`), "pod");
    // LIO has one state for all hosts.
    target.show([host("one", "optimized"), host("two", "non-optimized")]);
    assert.equal(read(`${alua}/alua_access_state`), "0");
  });
});

Deno.test("NvmetSubsystem.show() gives namespaces by NGUID to connected NVMe hosts alone, and shares a port that is there", async () => {
  await withConfigfs((configfs, read) => {
    const subsystem = "nvmet/subsystems/nqn.target";
    withDefaults(configfs, [
      `${subsystem}/allowed_hosts`,
      "nvmet/ports/3/subsystems",
      "nvmet/ports/24937/subsystems",
    ]);
    for (const [name, value] of [["trtype", "tcp"], ["traddr", "10.0.0.1"], ["trsvcid", "4420"]]) {
      Deno.writeTextFileSync(`${configfs}/nvmet/ports/3/addr_${name}`, `${value}\n`);
    }
    const target = new NvmetSubsystem({
      configfs,
      nqn: "nqn.target",
      serial: "AB",
      portals: ["10.0.0.1", "10.0.0.2"],
      imagePath,
    });
    const host = (
      name: string,
      nqns: string[],
      connections: PlaneHost["connections"],
    ): PlaneHost => ({
      name,
      iqns: [],
      nqns,
      chap: NO_CHAP,
      connections,
    });
    target.show([host("a", ["nqn.a"], [{ lun: 1, volume }]), host("b", ["nqn.b"], []), {
      ...host("c", [], [{ lun: 1, volume }]),
      iqns: ["iqn.c"],
    }]);
    assert.deepEqual(
      [...Deno.readDirSync(`${configfs}/${subsystem}/allowed_hosts`)].map(({ name }) => name),
      ["nqn.a"],
    );
    assert.equal(
      read(`${subsystem}/namespaces/69633/device_nguid`),
      "000123456789abcd24a937ef00011001",
    );
    assert.equal(read(`${subsystem}/namespaces/69633/enable`), "1");
    // 24937 has no address: it is what a crash left, and is used.
    assert.deepEqual(
      ["3", "24937"].map((port) =>
        Deno.readLinkSync(`${configfs}/nvmet/ports/${port}/subsystems/nqn.target`)
      ),
      [
        `${configfs}/${subsystem}`,
        `${configfs}/${subsystem}`,
      ],
    );
    assert.equal(read("nvmet/ports/24937/addr_traddr"), "10.0.0.2");
  });
});
