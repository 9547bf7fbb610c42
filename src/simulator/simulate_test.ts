import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { parse } from "@std/yaml";
import { isPsoError, PsoError } from "../errors.ts";
import { HttpsClient } from "../net/https.ts";
import { silentLogger } from "../log.ts";
import type { Run } from "../run.ts";
import { until } from "../async/wait.ts";
import { firstOf, TestClient, testFleet, testRun } from "./fixture_test.ts";
import { simulate } from "./simulate.ts";

async function withFolder(test: (stateDir: string) => Promise<void>): Promise<void> {
  const stateDir = await Deno.makeTempDir();
  try {
    await test(stateDir);
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
}

/** A client that is logged in to the first array. */
async function clientOf(
  fleet: {
    arrays: {
      address: string;
      token: string;
      ca?: string;
      kind: "flasharray" | "flashblade";
      name: string;
    }[];
  },
) {
  const client = new TestClient(firstOf(fleet));
  await client.login();
  return client;
}

Deno.test("a second start with the same state folder serves the same arrays, ports, tokens, certificates and volumes", async () => {
  await withFolder(async (stateDir) => {
    const first = await testFleet({ stateDir, flasharrays: 2, http: false });
    const before = await clientOf(first);
    await before.ok("POST /volumes?names=v1", { provisioned: 1048576 });
    const [id, serial] = [
      (await before.ok("GET /arrays")).items[0].id,
      (await before.ok("GET /volumes")).items[0].serial,
    ];
    const pem = await Deno.readTextFile(firstOf(first).ca ?? "");
    before.close();
    await first.stop();
    const second = await testFleet({ stateDir, flasharrays: 2, http: false });
    assert.deepEqual([second.arrays, second.control], [first.arrays, first.control]);
    assert.equal(await Deno.readTextFile(firstOf(second).ca ?? ""), pem);
    const after = await clientOf(second);
    assert.equal((await after.ok("GET /arrays")).items[0].id, id);
    assert.equal((await after.ok("GET /volumes")).items[0].serial, serial);
    await after.ok("POST /volumes?names=v2", { provisioned: 1048576 });
    assert.notEqual((await after.ok("GET /volumes?names=v2")).items[0].serial, serial);
    after.close();
    await second.stop();
  });
});

Deno.test("what was answered before a SIGKILL is there after the next start, and nothing is there half", async () => {
  await withFolder(async (stateDir) => {
    const [module, fixture] = ["./simulate.ts", "./fixture_test.ts"].map((path) =>
      import.meta.resolve(path)
    );
    const log = import.meta.resolve("../log.ts");
    const options = {
      flasharrays: 1,
      flashblades: 0,
      stateDir,
      listen: { hostname: "127.0.0.1", port: 0 },
      http: true,
      concurrency: 64,
      latencyMs: 0,
    };
    const program =
      `import { simulate } from "${module}"; import { testRun } from "${fixture}"; import { silentLogger } from "${log}";
      await simulate(${
        JSON.stringify({ ...options, dataPlane: "local" })
      }, { run: testRun, log: silentLogger, signal: new AbortController().signal });`;
    const config = import.meta.resolve("../../deno.json").slice("file://".length);
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--config",
        config,
        "--no-lock",
        `data:application/typescript,${encodeURIComponent(program)}`,
      ],
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    const arrays = await until(
      "arrays.json",
      () => Deno.readTextFile(`${stateDir}/arrays.json`).then(JSON.parse, () => undefined),
      {
        timeoutMs: 30_000,
      },
    );
    const before = await clientOf(arrays);
    const answered: string[] = [];
    const calls = Array.from(
      { length: 300 },
      (_, at) =>
        before.ok(`POST /volumes?names=v${at}`).then(() => answered.push(`v${at}`), () => {}),
    );
    await until("some answers", () => answered.length >= 50, { timeoutMs: 20_000, intervalMs: 1 });
    child.kill("SIGKILL");
    await Promise.all([...calls, child.status]);
    before.close();
    const second = await testFleet({ stateDir });
    const after = await clientOf(second);
    const found: string[] = (await after.ok("GET /volumes")).items.map((
      { name }: { name: string },
    ) => name);
    assert.deepEqual(answered.filter((name) => !found.includes(name)), []);
    assert.equal([...Deno.readDirSync(`${second.plane}/fa-1/images`)].length, found.length);
    assert.equal(
      new Set(
        (await after.ok("GET /volumes")).items.map(({ serial }: { serial: string }) => serial),
      ).size,
      found.length,
    );
    after.close();
    await second.stop();
  });
});

Deno.test("the clock stays moved over a restart", async () => {
  await withFolder(async (stateDir) => {
    const first = await testFleet({ stateDir });
    const control = new TestClient({ address: first.control.slice("http://".length), token: "" });
    await control.raw("POST", "/clock", { body: { advance: 100_000 } });
    await first.stop();
    const second = await testFleet({ stateDir });
    assert.equal((await control.raw("GET", "/clock")).body.offsetMs, 100_000_000);
    control.close();
    await second.stop();
  });
});

Deno.test("two simulators cannot use one state folder at once", async () => {
  await withFolder(async (stateDir) => {
    const first = await testFleet({ stateDir });
    await assert.rejects(
      testFleet({ stateDir }),
      (error) =>
        isPsoError(error, "in_use") && error.message.includes("is used by another simulator"),
    );
    await first.stop();
  });
});

Deno.test("a port that is taken is a clear error when it was asked for", async () => {
  const holder = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = holder.addr;
  await assert.rejects(
    testFleet({ listen: { hostname: "127.0.0.1", port } }),
    (error) =>
      isPsoError(error, "unavailable") &&
      error.message.startsWith(`cannot listen on 127.0.0.1:${port}: `),
  );
  holder.close();
});

Deno.test("the first array takes the port of --listen, the others any port near it", async () => {
  const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = probe.addr;
  probe.close();
  const fleet = await testFleet({ flasharrays: 2, listen: { hostname: "127.0.0.1", port } });
  assert.equal(firstOf(fleet).address, `127.0.0.1:${port}`);
  assert.equal(new Set(fleet.arrays.map(({ address }) => address)).size, 2);
  await fleet.stop();
});

Deno.test("the kernel data plane says which modules it cannot load, which configfs it lacks, and that no NFS server runs", async () => {
  const root = await Deno.makeTempDir();
  const dataPlane = { portals: ["127.0.0.1"], hostRoot: root };
  const failing = (tool: string): Run => (name, args) =>
    name === tool
      ? Promise.reject(new PsoError("unavailable", "Module nvmet not found"))
      : Promise.resolve({ code: 0, stdout: args.join(" "), stderr: "" });
  const refusal = async (kinds: { flasharrays: number; flashblades: number }, run: Run) => {
    try {
      await (await testFleet({ ...kinds, dataPlane }, { run })).stop();
      return "";
    } catch (error) {
      return isPsoError(error) ? `${error.code}: ${error.message}` : String(error);
    }
  };
  const block = { flasharrays: 1, flashblades: 0 };
  assert.match(
    await refusal(block, failing("modprobe")),
    /^unsupported: .*nvmet_tcp, which cannot be loaded: Module nvmet not found; use a host/,
  );
  assert.match(
    await refusal(block, failing("none")),
    /^unsupported: .*needs configfs at .*\/sys\/kernel\/config\/target: mount it/,
  );
  await Deno.mkdir(`${root}/proc/fs/nfsd`, { recursive: true });
  await Deno.writeTextFile(`${root}/proc/fs/nfsd/threads`, "0\n");
  assert.match(
    await refusal({ flasharrays: 0, flashblades: 1 }, failing("none")),
    /^unavailable: .*NFS server, which does not run .*: start it/,
  );
  await Deno.remove(root, { recursive: true });
});

Deno.test("simulate() writes Helm values and arrays.json, prints the path and ready, and removes a folder of its own at the end", async () => {
  const lines: string[] = [];
  const stop = new AbortController();
  const options = {
    flasharrays: 2,
    flashblades: 0,
    listen: { hostname: "127.0.0.1", port: 0 },
    concurrency: 16,
    latencyMs: 0,
  };
  const served = simulate({ ...options, http: false, dataPlane: "local" }, {
    run: testRun,
    log: silentLogger,
    signal: stop.signal,
    print: (line) => lines.push(line),
  });
  await until("ready", () => lines.length === 2, { timeoutMs: 10_000 });
  const [values = "", ready] = lines;
  assert.equal(ready, "ready");
  const folder = values.slice(0, values.lastIndexOf("/"));
  const { control, plane, arrays } = JSON.parse(await Deno.readTextFile(`${folder}/arrays.json`));
  assert.deepEqual([values, plane], [`${folder}/values.yaml`, `${folder}/plane`]);
  assert.match(control, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.deepEqual(arrays.map(({ name, kind }: { name: string; kind: string }) => [name, kind]), [[
    "fa-1",
    "flasharray",
  ], [
    "fa-2",
    "flasharray",
  ]]);
  assert.deepEqual(parse(await Deno.readTextFile(values)), {
    arrays: {
      FlashArrays: arrays.map(({ name, address, token, ca }: Record<string, string>) => ({
        MgmtEndPoint: address,
        APIToken: token,
        CACert: ca,
        Labels: { array: name },
      })),
      FlashBlades: [],
    },
  });
  stop.abort();
  await served;
  await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
});

Deno.test("each array of a fleet shows its own certificate, also to a client that comes from another array", async () => {
  const fleet = await testFleet({ flasharrays: 2, flashblades: 1, http: false });
  try {
    for (const [round, { address, ca = "" }] of [...fleet.arrays, ...fleet.arrays].entries()) {
      const { fingerprint256 } = new X509Certificate(Deno.readTextFileSync(ca));
      const pinned = new HttpsClient({
        address,
        tls: { verify: true, fingerprint: fingerprint256 },
      });
      assert.equal(await pinned.presentedFingerprint(), fingerprint256, `round ${round}`);
      assert.equal((await pinned.fetch({ method: "GET", path: "/api/api_version" })).status, 200);
      pinned.close();
    }
  } finally {
    await fleet.stop();
  }
});

Deno.test("GET / of the control endpoint names the arrays without tokens, and what is not modelled", async () => {
  const fleet = await testFleet();
  const control = new TestClient({ address: fleet.control.slice("http://".length), token: "" });
  const { body } = await control.raw("GET", "/");
  assert.equal(body.arrays[0].name, "fa-1");
  assert.equal(JSON.stringify(body).includes(firstOf(fleet).token), false);
  assert.ok(body.limits.length > 5);
  control.close();
  await fleet.stop();
});
