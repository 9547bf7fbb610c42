/** Endpoints and clients as processes of their own, for the tests of the wire. */
import { until } from "../../src/async/wait.ts";

const CHILD_TIMEOUT_MS = 20_000;
/** What the compiled program has. */
const PERMISSIONS = [
  "--allow-read",
  "--allow-write",
  "--allow-run",
  "--allow-net",
  "--allow-env",
  "--allow-sys",
];

export interface EndpointProcess {
  path: string;
  pid: number;
  /** Undefined while it runs. */
  ended: Deno.CommandStatus | undefined;
  stderr: string;
  /** Waits until it printed `word` `times` times. */
  said(word: string, times?: number): Promise<void>;
  /** Waits for its end. */
  end(): Promise<Deno.CommandStatus>;
  kill(signal: Deno.Signal): void;
  /** Kills it if it runs still, and waits. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface EndpointProcessOptions {
  args?: string[];
  env?: Record<string, string>;
  /** How many files and connections it may have open. */
  descriptors?: number;
}

function program(name: string): string {
  return new URL(name, import.meta.url).pathname;
}

/** Starts `plain_endpoint.ts` or `repaired_endpoint.ts` on `path` and returns at once. */
function spawnEndpoint(
  kind: "plain" | "repaired",
  path: string,
  options: EndpointProcessOptions = {},
): EndpointProcess {
  const limit = options.descriptors === undefined ? ":" : `ulimit -n ${options.descriptors}`;
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      `${limit}; exec "$@"`,
      "sh",
      Deno.execPath(),
      "run",
      ...PERMISSIONS,
      "--no-check",
      "--cached-only",
      program(`${kind}_endpoint.ts`),
      path,
      ...options.args ?? [],
    ],
    env: options.env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let out = "";
  const collect = async (stream: ReadableStream<Uint8Array>, add: (text: string) => void) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) add(text);
  };
  const done = Promise.all([
    child.status.then((status) => self.ended = status),
    collect(child.stdout, (text) => out += text),
    collect(child.stderr, (text) => self.stderr += text),
  ]);
  const end = async () => {
    await until(`the end of ${kind}_endpoint.ts`, () => self.ended !== undefined, {
      timeoutMs: CHILD_TIMEOUT_MS,
    });
    await done;
    return await child.status;
  };
  const self: EndpointProcess = {
    path,
    pid: child.pid,
    ended: undefined,
    stderr: "",
    end,
    kill: (signal) => child.kill(signal),
    said: async (word, times = 1) => {
      const heard = () => out.split("\n").filter((line) => line === word).length >= times;
      await until(`"${word}" of ${kind}_endpoint.ts`, () => heard() || self.ended !== undefined, {
        timeoutMs: CHILD_TIMEOUT_MS,
      });
      if (!heard()) {
        throw new Error(`${kind}_endpoint.ts ended before it said "${word}": ${self.stderr}`);
      }
    },
    [Symbol.asyncDispose]: async () => {
      if (self.ended === undefined) child.kill("SIGKILL");
      await end();
    },
  };
  return self;
}

/** Starts an endpoint that serves when this returns. */
export async function startEndpointProcess(
  kind: "plain" | "repaired",
  path: string,
  options: EndpointProcessOptions = {},
): Promise<EndpointProcess> {
  const endpoint = spawnEndpoint(kind, path, options);
  try {
    await endpoint.said("ready");
  } catch (error) {
    await endpoint[Symbol.asyncDispose]();
    throw error;
  }
  return endpoint;
}

export interface Load {
  /** On each connection. */
  calls: number;
  connections: number;
}

/** Runs a client to its end; true when all its calls were answered. */
export async function runClient(
  command: string,
  args: string[],
): Promise<{ success: boolean; stderr: string }> {
  const child = new Deno.Command(command, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(CHILD_TIMEOUT_MS),
  });
  const { success, stderr } = await child.output();
  return { success, stderr: new TextDecoder().decode(stderr) };
}

/** A grpc-js client on Deno. */
export function runDenoClient(
  path: string,
  { calls, connections }: Load,
): Promise<{ success: boolean; stderr: string }> {
  const args = [
    "run",
    "-A",
    "--no-check",
    "--cached-only",
    program("client.mjs"),
    "@grpc/grpc-js",
    path,
    `${calls}`,
    `${connections}`,
  ];
  return runClient(Deno.execPath(), args);
}

/**
 * A folder for sockets that goes at the end of its scope. Short, because a socket's path may have
 * 107 bytes.
 */
export function socketFolder(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ dir: "/tmp", prefix: "wire-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
