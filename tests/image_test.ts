// The image, built by scripts/image_build on this machine, and run: not in a cluster, but from the
// very archive that a cluster gets.
import assert from "node:assert/strict";
import { Ajv } from "ajv";
import { Child } from "../scripts/child.ts";
import { removeFolder } from "../scripts/mounts.ts";
import { DENO_VERSION, ENVIRONMENT, ROOT } from "../scripts/program.ts";
import { runTool, say, tryTool } from "../scripts/shell.ts";
import { freePorts, TestClient } from "../src/simulator/fixture_test.ts";
import { VERSION } from "../src/version.ts";
import { skip } from "./skips.ts";
import { ImageRoot } from "./support/image_root.ts";

const GIB = 1024 ** 3;
const ARCHIVE = `${ROOT}/dist/image.tar`;

/** Why no image can be built here, or undefined. On CI a reason is a failure, not a skip. */
async function whyNoImage(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "chroots and mounts need root";
  const tools = ["buildah", "debootstrap"];
  const missing = [];
  for (const tool of tools) {
    if ((await tryTool(tool, ["--version"])).code === 127) missing.push(tool);
  }
  if (missing.length === 0 || (await tryTool("apt-get", ["--version"])).code === 0) {
    return undefined;
  }
  return `${missing.join(", ")} cannot be installed: there is no apt-get`;
}

const unable = Deno.env.get("CI") === "true" ? undefined : await whyNoImage();
const ignore = unable !== undefined && skip("the image, built and run", unable);

let image: ImageRoot;

Deno.test.beforeAll(async () => {
  if (ignore) return;
  say((await runTool(`${ROOT}/scripts/image_build`, ["--if-needed", "--out", ARCHIVE], {
    timeoutMs: 25 * 60_000,
  })).trimEnd());
  image = await ImageRoot.unpack(ARCHIVE);
});

Deno.test.afterAll(async () => {
  if (!ignore) await image?.remove();
});

/** A test of the image, which is unpacked once for all. */
function ofImage(name: string, work: () => Promise<void>): void {
  Deno.test({ name, ignore, fn: work });
}

ofImage(
  "the image runs the program as a user without rights, with the settings that tests use",
  async () => {
    assert.deepEqual(image.tags, [`docker.io/purestorage/pso-bin:v${VERSION}`]);
    const { User, Env, Entrypoint } = image.config;
    assert.deepEqual([User, Entrypoint], ["65532:65532", ["/usr/local/bin/pso-bin"]]);
    const settings = Object.entries({ ...ENVIRONMENT, HOME: "/dev/null" });
    for (const [name, value] of settings) assert.ok(Env.includes(`${name}=${value}`), name);
    assert.deepEqual(await image.run({ args: ["--version"] }), {
      code: 0,
      stdout: `pso-bin ${VERSION}\n`,
      stderr: "",
    });
  },
);

ofImage("every tool of the image finds its libraries", async () => {
  const version: Record<string, string> = {
    ...Object.fromEntries(
      ["mkfs.xfs", "xfs_growfs", "xfs_io", "xfs_db", "xfs_repair", "mkfs.ext4", "e2fsck"].map((
        tool,
      ) => [tool, "-V"]),
    ),
    ...Object.fromEntries(
      ["mount", "umount", "losetup", "blockdev", "wipefs", "findmnt", "fsfreeze", "nsenter"].map((
        tool,
      ) => [tool, "-V"]),
    ),
    ...Object.fromEntries(
      ["cp", "stat", "sync", "timeout", "chroot"].map((tool) => [tool, "--version"]),
    ),
    openssl: "version",
  };
  for (const [tool, flag] of Object.entries(version)) {
    const { code, stderr } = await tryTool("chroot", [image.root, tool, flag]);
    assert.equal(code, 0, `${tool}: ${stderr}`);
  }
  const packages = (await tryTool("chroot", [image.root, "dpkg-query", "--show"])).stdout;
  assert.doesNotMatch(packages, /^(python3|libicu|npm|nodejs|perl\t)/m, "what nothing here needs");
});

ofImage("the image checks a values file", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pso-image-values-" });
  try {
    await Deno.chmod(folder, 0o755);
    const entry = "{MgmtEndPoint: 192.0.2.1, APIToken: 6a1b2c3d-0000-4000-8000-000000000001}";
    await Deno.writeTextFile(`${folder}/right.yaml`, `arrays: {FlashArrays: [${entry}]}\n`);
    await Deno.writeTextFile(`${folder}/wrong.yaml`, "arrays: {FlashArrays: [{APIToken: x}]}\n");
    const check = (name: string) =>
      image.run({
        args: ["admin", "check", "--offline", "-f", `${folder}/${name}.yaml`],
        folders: [folder],
      });
    const right = await check("right");
    assert.equal(right.code, 0, right.stderr);
    const wrong = await check("wrong");
    assert.equal(wrong.code, 2, wrong.stdout);
    assert.match(wrong.stdout, /MgmtEndPoint/);
  } finally {
    await removeFolder(folder);
  }
});

ofImage(
  "the image serves simulated arrays by given credentials: volumes, file systems and their snapshots",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "pso-image-fleet-" });
    try {
      await makeCredentials(folder);
      const port = freePorts(2);
      const [command = "", ...args] = image.command({
        args: [
          ...["simulate", "--flasharrays=1", "--flashblades=1", `--listen=127.0.0.1:${port}`],
          ...[
            `--credentials=${folder}/credentials`,
            `--state=${folder}/state`,
            "--admin=127.0.0.1:0",
          ],
        ],
        user: "0:0",
        folders: [folder],
        devices: true,
      });
      const simulator = Child.start("simulator", { command, args }, {
        env: {},
        log: `${folder}/log`,
        mark: folder,
      });
      try {
        await simulator.becomes("ready", async () => (await simulator.output()).includes("ready"), {
          timeoutMs: 60_000,
        });
        await useArrays(folder, port);
      } finally {
        await simulator.stop(30_000);
      }
      const { stdout } = await tryTool("losetup", [
        "--list",
        "--noheadings",
        "--output",
        "BACK-FILE",
      ]);
      assert.ok(!stdout.includes(folder), `no loop device stays: ${stdout}`);
    } finally {
      await removeFolder(folder);
    }
  },
);

async function makeCredentials(folder: string): Promise<void> {
  const at = `${folder}/credentials`;
  await Deno.mkdir(at);
  await Deno.writeTextFile(`${at}/token`, "a-token-of-a-secret");
  await runTool("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=simulator"],
    ...[
      "-addext",
      "subjectAltName=IP:127.0.0.1",
      "-keyout",
      `${at}/tls.key`,
      "-out",
      `${at}/tls.crt`,
    ],
  ]);
}

/** Calls that make the simulator run each of its tools. */
async function useArrays(folder: string, port: number): Promise<void> {
  const facts = { token: "a-token-of-a-secret", ca: `${folder}/credentials/tls.crt` };
  const block = new TestClient({ ...facts, address: `127.0.0.1:${port}` });
  await block.login();
  await block.ok("POST /volumes?names=v1", { provisioned: GIB });
  await block.ok("POST /volumes?names=v2", { source: { name: "v1" } });
  assert.equal((await block.ok("GET /volumes")).items.length, 2);
  block.close();
  const files = new TestClient({ ...facts, address: `127.0.0.1:${port + 1}` });
  files.version = "2.12";
  await files.login("/api/login");
  await files.ok("POST /file-systems?names=f1", { provisioned: GIB });
  await files.ok("PATCH /file-systems?names=f1", { provisioned: 2 * GIB });
  await files.ok("POST /file-system-snapshots?source_names=f1", { suffix: "s1" });
  assert.equal((await files.ok("GET /file-system-snapshots")).items[0].name, "f1.s1");
  const restored = "POST /file-systems?names=f1&overwrite=true&discard_non_snapshotted_data=true";
  await files.ok(restored, { source: { name: "f1.s1" } });
  files.close();
}

ofImage("the SBOM in the image is the one beside it, and names what is in there", async () => {
  const beside = await Deno.readTextFile(`${ARCHIVE}.cdx.json`);
  assert.equal(await Deno.readTextFile(`${image.root}/usr/share/doc/pso/sbom.cdx.json`), beside);
  const { components } = JSON.parse(beside);
  const versions = new Map<string, string>(
    components.map(({ name, version }: { name: string; version: string }) => [name, version]),
  );
  assert.equal(versions.get("pso-bin"), VERSION);
  assert.equal(versions.get("deno"), DENO_VERSION);
  const { stdout } = await tryTool("chroot", [
    image.root,
    "dpkg-query",
    "--show",
    "--showformat=${db:Status-Status} ${Package} ${Version}\n",
  ]);
  const installed = stdout.trim().split("\n").map((line) => line.split(" "))
    .filter(([status]) => status === "installed");
  assert.ok(installed.length > 50, stdout);
  for (const [, name = "", version] of installed) assert.equal(versions.get(name), version, name);
});

/** Publishes the schemas of CycloneDX. */
const SCHEMAS = "@cyclonedx/cyclonedx-library@10.3.0";

ofImage("the SBOM is valid by the schema of CycloneDX 1.6", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pso-image-schemas-" });
  try {
    const archive = await runTool("npm", ["pack", "--silent", SCHEMAS], { cwd: folder });
    await runTool("tar", ["-xzf", archive.trim(), "package/res/schema"], { cwd: folder });
    const schema = async (name: string) =>
      JSON.parse(
        await Deno.readTextFile(`${folder}/package/res/schema/${name}.SNAPSHOT.schema.json`),
      );
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
    for (const name of ["spdx", "jsf-0.82"]) {
      const id = `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`;
      ajv.addSchema({ ...await schema(name), $id: id });
    }
    const isValid = ajv.compile(await schema("bom-1.6"));
    const text = await Deno.readTextFile(`${ARCHIVE}.cdx.json`);
    assert.ok(isValid(JSON.parse(text)), JSON.stringify(isValid.errors?.slice(0, 5)));
    const wrong = JSON.parse(text.replace('"type": "framework"', '"type": "frame"'));
    assert.equal(isValid(wrong), false, "the schema refuses what is wrong");
  } finally {
    await removeFolder(folder);
  }
});
