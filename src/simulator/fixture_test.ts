import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { until } from "../async/wait.ts";
import { PsoError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { Run } from "../run.ts";
import type { FleetEntry } from "./control.ts";
import {
  type ServedFleet,
  serveFleet,
  type SimulateOptions,
  type SimulateTools,
} from "./simulate.ts";

// What the tests of the simulator share; holds no test of its own.

/** Runs real tools. */
export const testRun: Run = async (tool, args, options = {}) => {
  const output = await new Deno.Command(tool, {
    args,
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C" },
  }).output();
  const text = new TextDecoder();
  const result = {
    code: output.code,
    stdout: text.decode(output.stdout),
    stderr: text.decode(output.stderr),
    ...options.binary ? { bytes: output.stdout } : {},
  };
  if (!(options.okCodes ?? [0]).includes(result.code)) {
    throw new PsoError("unavailable", `${tool} ${args.join(" ")}: ${result.code} ${result.stderr}`);
  }
  return result;
};

export interface Reply {
  status: number;
  headers: Headers;
  // deno-lint-ignore no-explicit-any -- answers of a wire whose shapes are what the tests are about
  body: any;
}

/** Sends until the array takes the call: it refuses those above its limit of calls at once. */
async function untilTaken(send: () => Promise<Reply>): Promise<Reply> {
  return await until("the array takes the call", async () => {
    const reply = await send();
    return reply.status === 429 ? undefined : reply;
  }, { timeoutMs: 20_000 });
}

/** A plain client of one array: sends what it is told, keeps nothing to itself. */
export class TestClient {
  token = "";
  readonly #entry: { address: string; token: string; ca?: string };
  readonly #agent: HttpAgent | HttpsAgent;
  version = "2.26";
  constructor(entry: { address: string; token: string; ca?: string }) {
    this.#entry = entry;
    // One connection per call: on a kept one, Deno's node:http repeats a request by itself when it
    // is closed without an answer.
    this.#agent = entry.ca === undefined
      ? new HttpAgent({ keepAlive: false })
      : new HttpsAgent({ keepAlive: false, ca: Deno.readTextFileSync(entry.ca) });
  }

  async login(path = `/api/${this.version}/login`): Promise<void> {
    const headers = { "api-token": this.#entry.token };
    const reply = await untilTaken(() => this.raw("POST", path, { headers }));
    this.token = reply.headers.get("x-auth-token") ?? "";
  }

  /**
   * A call of a resource, as `GET /volumes?names=a`; only `%`, `&` and the like must be encoded
   * already.
   */
  send(call: string, body?: unknown): Promise<Reply> {
    const [method, path] = parts(call);
    return this.raw(method, `/api/${this.version}${encodeURI(path).replaceAll("%25", "%")}`, {
      headers: { "x-auth-token": this.token },
      body,
    });
  }

  /** As send(), and comes again while the array takes no more calls at once, as a client must. */
  heard(call: string, body?: unknown): Promise<Reply> {
    return untilTaken(() => this.send(call, body));
  }

  /** As heard(), and throws the array's error as `status message (context)`. */
  // deno-lint-ignore no-explicit-any -- see Reply.body
  async ok(call: string, body?: unknown): Promise<any> {
    const reply = await this.heard(call, body);
    if (reply.status !== 200) throw new Error(failure(reply));
    return reply.body;
  }

  /** The error text of a call that must be refused: `400 Volume does not exist. (v1)`. */
  async refused(call: string, body?: unknown): Promise<string> {
    const reply = await this.send(call, body);
    return reply.status === 200 ? `200 ${JSON.stringify(reply.body)}` : failure(reply);
  }

  raw(
    method: string,
    target: string,
    options: { headers?: Record<string, string>; body?: unknown } = {},
  ): Promise<Reply> {
    const [hostname = "", port = ""] = this.#entry.address.split(":");
    const text = options.body === undefined ? "" : JSON.stringify(options.body);
    const headers = {
      ...options.headers,
      "content-type": "application/json",
      "content-length": String(new TextEncoder().encode(text).length),
    };
    const send = this.#entry.ca === undefined ? httpRequest : httpsRequest;
    return new Promise((resolve, reject) => {
      const request = send(
        { hostname, port: Number(port), method, path: target, headers, agent: this.#agent },
        (response: IncomingMessage) => {
          let received = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => received += part);
          response.on("error", reject);
          response.on("end", () => {
            const names = Object.entries(response.headers).map((
              [name, value],
            ): [string, string] => [name, String(value)]);
            resolve({
              status: response.statusCode ?? 0,
              headers: new Headers(names),
              body: received === "" ? undefined : JSON.parse(received),
            });
          });
        },
      );
      request.on("error", reject);
      request.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Method and path of a call. */
function parts(call: string): [method: string, path: string] {
  const space = call.indexOf(" ");
  return [call.slice(0, space), call.slice(space + 1)];
}

function failure({ status, body }: Reply): string {
  const error = body?.errors?.[0];
  return error === undefined
    ? `${status} ${body?.message}`
    : `${status} ${error.message}${error.context ? ` (${error.context})` : ""}`;
}

const DEFAULTS: SimulateOptions = {
  flasharrays: 1,
  flashblades: 0,
  listen: { hostname: "127.0.0.1", port: 0 },
  http: true,
  concurrency: 16,
  latencyMs: 0,
  dataPlane: "local",
};

/** A fleet in this process, by default one FlashArray in plain HTTP, with state in memory. */
export function testFleet(
  options: Partial<SimulateOptions> = {},
  tools: Partial<SimulateTools> = {},
): Promise<ServedFleet> {
  return serveFleet({ ...DEFAULTS, ...options }, {
    run: testRun,
    log: silentLogger,
    signal: new AbortController().signal,
    ...tools,
  });
}

/** What a test gets: the fleet, a logged-in client of its first array, and the control endpoint. */
export interface Bench {
  fleet: ServedFleet;
  array: TestClient;
  control: (call: string, body?: unknown) => Promise<Reply>;
  /** Where the local plane keeps the first array. */
  root: string;
}

/** Runs `test` against a fleet of its own and takes all of it away. */
export async function withFleet(
  options: Partial<SimulateOptions>,
  test: (bench: Bench) => Promise<void>,
): Promise<void> {
  const fleet = await testFleet(options);
  const [entry] = fleet.arrays;
  if (entry === undefined) throw new Error("no array");
  const array = new TestClient(entry);
  const controlClient = new TestClient({
    address: fleet.control.slice("http://".length),
    token: "",
  });
  try {
    await array.login(entry.kind === "flashblade" ? "/api/login" : undefined);
    await test({
      fleet,
      array,
      root: `${fleet.plane}/${entry.name}`,
      control: (call, body) => {
        const [method, path] = parts(call);
        return controlClient.raw(method, path, { body });
      },
    });
  } finally {
    array.close();
    controlClient.close();
    await fleet.stop();
  }
}

/** The first array of a fleet, or an error. */
export function firstOf(fleet: { arrays: FleetEntry[] }): FleetEntry {
  const [entry] = fleet.arrays;
  if (entry === undefined) throw new Error("no array");
  return entry;
}

/** The first of `count` ports in a row that nobody has at this moment. */
export function freePorts(count: number): number {
  const first = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = first.addr;
  first.close();
  try {
    for (let at = 0; at < count; at++) {
      Deno.listen({ hostname: "127.0.0.1", port: port + at }).close();
    }
    return port;
  } catch {
    return freePorts(count);
  }
}
