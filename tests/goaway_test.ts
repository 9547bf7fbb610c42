/**
 * A client's GOAWAY must not kill the driver (reference: src/csi/goaway_repair.ts). Each test first
 * shows that the same load kills an endpoint without the repair: when it no longer does, the
 * runtime is fixed and the repair can go.
 */
import { equal, notEqual, ok } from "node:assert/strict";
import { pause } from "../src/async/wait.ts";
import {
  type EndpointProcess,
  type Load,
  runClient,
  runDenoClient,
  socketFolder,
  startEndpointProcess,
} from "./goaway/processes.ts";
import { sendGoaway } from "./goaway/raw_frames.ts";
import { skip } from "./skips.ts";

const ROOT = new URL("..", import.meta.url).pathname;
/** Enough calls on one connection to make the damage deadly; 500 are about the least. */
const KILLING: Load = { calls: 3_000, connections: 1 };
const RECONNECTING: Load = { calls: 2, connections: 200 };
/** glibc checks every block when it is freed, and fills freed memory: damage shows at once. */
const MALLOC_DEBUG = {
  LD_PRELOAD: "libc_malloc_debug.so.0",
  MALLOC_CHECK_: "3",
  MALLOC_PERTURB_: "85",
};
const NOTHING_PROVEN =
  "the endpoint without the repair lived on, so this test proves nothing: is " +
  "denoland/deno#36788 fixed in this runtime?";

async function has(command: string, args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Gives an endpoint that was hit up to a second to die. */
async function diesSoon(endpoint: EndpointProcess): Promise<boolean> {
  for (let i = 0; i < 20 && endpoint.ended === undefined; i++) await pause(50);
  return endpoint.ended !== undefined;
}

/**
 * Hits an endpoint without the repair until it dies, at most five times; under malloc debugging,
 * else it dies only in every second run.
 */
async function killsPlain(hit: (path: string) => Promise<unknown>): Promise<void> {
  using folder = socketFolder();
  await using endpoint = await startEndpointProcess("plain", `${folder.path}/plain.sock`, {
    env: MALLOC_DEBUG,
  });
  let dead = false;
  for (let i = 0; i < 5 && !dead; i++) {
    await hit(endpoint.path);
    dead = await diesSoon(endpoint);
  }
  ok(dead, NOTHING_PROVEN);
  notEqual((await endpoint.end()).signal ?? endpoint.ended?.code, 0);
}

/**
 * Runs the load against our endpoint; it must serve a call afterwards, stop orderly and take its
 * socket along.
 */
async function oursLives(
  load: (path: string) => Promise<void>,
  env?: Record<string, string>,
): Promise<void> {
  using folder = socketFolder();
  await using endpoint = await startEndpointProcess("repaired", `${folder.path}/ours.sock`, {
    env,
  });
  await load(endpoint.path);
  const last = await runDenoClient(endpoint.path, { calls: 1, connections: 1 });
  equal(last.success, true, `the endpoint no longer answers: ${last.stderr}${endpoint.stderr}`);
  endpoint.kill("SIGTERM");
  const { code, signal } = await endpoint.end();
  equal(code, 0, `ended by ${signal ?? code}: ${endpoint.stderr}`);
  equal([...Deno.readDirSync(folder.path)].length, 0);
}

async function allAnswered(client: Promise<{ success: boolean; stderr: string }>): Promise<void> {
  const { success, stderr } = await client;
  equal(success, true, stderr);
}

Deno.test("a Deno client that closes after 3,000 calls kills an unrepaired endpoint and not ours", async () => {
  await killsPlain((path) => allAnswered(runDenoClient(path, KILLING)));
  await oursLives((path) => allAnswered(runDenoClient(path, KILLING)), MALLOC_DEBUG);
  await oursLives(async (path) => {
    await allAnswered(runDenoClient(path, { ...KILLING, connections: 3 }));
    await allAnswered(runDenoClient(path, RECONNECTING));
  });
});

Deno.test("a raw GOAWAY with last-stream-id 0 kills an unrepaired endpoint under malloc debugging and not ours", async () => {
  // Ids 2 and 200 are as bad as 0; 1 and 2^31-1 never were.
  await killsPlain((path) => sendGoaway(path, 0, 3));
  await oursLives(async (path) => {
    for (const lastStreamId of [0, 2, 200, 1, 0x7fffffff]) await sendGoaway(path, lastStreamId, 3);
    for (let i = 0; i < 50; i++) await sendGoaway(path, 0, 1);
    await sendGoaway(path, 0, 0);
  }, MALLOC_DEBUG);
});

Deno.test("a raw GOAWAY with last-stream-id 0 does not harm ours without malloc debugging either", async () => {
  await oursLives(async (path) => {
    for (let i = 0; i < 20; i++) await sendGoaway(path, 0, 50);
  });
});

const node = await has("node", ["--version"]) && await has("npm", ["--version"]);
const ignoreNode = !node &&
  skip("a Node client against our endpoint", "node and npm are not on PATH");

Deno.test("a Node client with many calls and reconnects leaves our endpoint alive", {
  ignore: ignoreNode,
}, async () => {
  const folder = `${ROOT}.tools/goaway`;
  const module = `${folder}/node_modules/@grpc/grpc-js/build/src/index.js`;
  if (!await has("test", ["-e", module])) {
    const args = [
      "install",
      "--prefix",
      folder,
      "--no-save",
      "--no-audit",
      "--no-fund",
      "--loglevel=error",
      "@grpc/grpc-js@1.14.7",
    ];
    await allAnswered(runClient("npm", args));
  }
  const client = (
    path: string,
    load: Load,
  ) => [`${ROOT}tests/goaway/client.mjs`, module, path, `${load.calls}`, `${load.connections}`];
  await oursLives(async (path) => {
    await allAnswered(runClient("node", client(path, { ...KILLING, connections: 3 })));
    await allAnswered(runClient("node", client(path, RECONNECTING)));
  });
});

const go = await has("go", ["version"]);
const ignoreGo = !go && skip("a Go client against our endpoint", "go is not on PATH");

Deno.test("a Go client with many calls and reconnects leaves our endpoint alive", {
  ignore: ignoreGo,
}, async () => {
  using folder = socketFolder();
  const program = `${folder.path}/client_go`;
  const built = await new Deno.Command("go", {
    args: ["build", "-o", program, "."],
    cwd: `${ROOT}tests/goaway/client_go`,
    stderr: "piped",
  })
    .output();
  equal(built.success, true, new TextDecoder().decode(built.stderr));
  await oursLives(async (path) => {
    await allAnswered(runClient(program, [path, "3000", "3"]));
    await allAnswered(runClient(program, [path, "2", "500"]));
  });
});

Deno.test("SIGTERM finishes a running call, then exits 0 without a socket", async () => {
  using folder = socketFolder();
  await using endpoint = await startEndpointProcess("repaired", `${folder.path}/ours.sock`);
  const call = callOnce(endpoint.path, "/csi.v1.Node/NodeGetInfo");
  await endpoint.said("called");
  endpoint.kill("SIGTERM");
  equal(await call, "answered");
  equal((await endpoint.end()).code, 0, endpoint.stderr);
  equal([...Deno.readDirSync(folder.path)].length, 0);
});

Deno.test("SIGTERM aborts a call that does not finish in time, which is told to repeat", async () => {
  using folder = socketFolder();
  await using endpoint = await startEndpointProcess("repaired", `${folder.path}/ours.sock`, {
    args: ["200"],
  });
  const call = callOnce(endpoint.path, "/csi.v1.Node/NodeGetCapabilities");
  await endpoint.said("called");
  endpoint.kill("SIGTERM");
  equal(await call, "14 UNAVAILABLE: the driver is stopping; the call must be repeated");
  equal((await endpoint.end()).code, 0, endpoint.stderr);
});

Deno.test("a socket left by SIGKILL is replaced; a living instance is not, and is named", async () => {
  using folder = socketFolder();
  const path = `${folder.path}/ours.sock`;
  {
    await using killed = await startEndpointProcess("repaired", path);
    killed.kill("SIGKILL");
    await killed.end();
  }
  ok(Deno.lstatSync(path).isSocket);
  await using endpoint = await startEndpointProcess("repaired", path);
  equal((Deno.lstatSync(path).mode ?? 0) & 0o777, 0o600);
  let refused = "";
  await startEndpointProcess("repaired", path).catch((error: Error) => refused = error.message);
  ok(
    refused.includes(
      `cannot listen on ${path}: pure-csi 0.0.0-test, another running instance, serves it`,
    ),
    refused,
  );
  await allAnswered(runDenoClient(endpoint.path, { calls: 1, connections: 1 }));
});

/** Makes one call from a client of its own; "answered", or the error's text. */
async function callOnce(path: string, method: string): Promise<string> {
  const { Buffer } = await import("node:buffer");
  const { Client, credentials } = await import("@grpc/grpc-js");
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  const { promise, resolve } = Promise.withResolvers<string>();
  const bytes = (value: typeof Buffer.prototype) => value;
  client.makeUnaryRequest(
    method,
    bytes,
    bytes,
    Buffer.alloc(0),
    { deadline: Date.now() + 15_000 },
    (error) => {
      resolve(error ? error.message : "answered");
    },
  );
  const outcome = await promise;
  client.close();
  return outcome;
}
