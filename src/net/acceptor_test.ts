import { deepEqual, equal } from "node:assert/strict";
import { until } from "../async/wait.ts";
import { createLogger } from "../log.ts";
import { Acceptor, type ConnectionUse } from "./acceptor.ts";
import { ConnectionStream } from "./connection_stream.ts";

interface Bed extends AsyncDisposable {
  /** The system's accept fails so often; resolves when it has. */
  refuse(times: number): Promise<unknown>;
  uses: ConnectionUse[];
  lines: string[];
  acceptor: Acceptor;
  /** A client's connection, once the acceptor has taken it in. */
  open(): Promise<Deno.Conn>;
}

/** An acceptor; `refuse` makes the system's accept fail that often. */
function bed({ refuse = 0, most = 2 } = {}): Bed {
  const real = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listener: Deno.Listener = Object.assign(Object.create(null), {
    accept: () =>
      refuse-- > 0 ? Promise.reject(new Error("Too many open files (os error 24)")) : real.accept(),
    close: () => real.close(),
  });
  const uses: ConnectionUse[] = [];
  const lines: string[] = [];
  const clients: Deno.Conn[] = [];
  const acceptor = new Acceptor({
    listener,
    name: "test",
    most,
    log: createLogger({ write: (line) => lines.push(line) }),
    take: (accepted, use) => {
      uses.push(use);
      return new ConnectionStream(accepted);
    },
  });
  return {
    refuse: (times) => {
      refuse = times;
      return until("the refusals", () => refuse <= 0, { timeoutMs: 5_000 });
    },
    uses,
    lines,
    acceptor,
    open: async () => {
      const client = await Deno.connect({ hostname: "127.0.0.1", port: real.addr.port });
      clients.push(client);
      const { length } = clients;
      await until("the acceptor", () => uses.length === length, { timeoutMs: 5_000 });
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      await acceptor.stop();
      acceptor.closeAll();
      await acceptor.closed();
      for (const client of clients) client.close();
    },
  };
}

async function isClosed(client: Deno.Conn): Promise<boolean> {
  return await client.read(new Uint8Array(1)) === null;
}

Deno.test("one connection too many closes the one that has been idle longest", async () => {
  await using served = bed();
  const [first, second] = [await served.open(), await served.open()];
  served.uses[0]?.begin();
  served.uses[0]?.end(); // so that the second one has been idle for longer
  await served.open();
  equal(await isClosed(second), true);
  await served.open();
  equal(await isClosed(first), true);
});

Deno.test("a connection with a running request stays while another one is idle", async () => {
  await using served = bed();
  const first = await served.open();
  served.uses[0]?.begin();
  const second = await served.open();
  await served.open();
  equal(await isClosed(second), true);
  served.uses[2]?.begin();
  await served.open();
  equal(await isClosed(first), true); // none is idle: the one that has run longest
});

Deno.test("a system without file descriptors is waited for, told once, and room is made", async () => {
  await using served = bed({ refuse: 3 });
  await served.open();
  equal(served.lines.length, 1);
  deepEqual(JSON.parse(served.lines[0] ?? "").error, "Too many open files (os error 24)");
});

Deno.test("without file descriptors the fullest acceptor closes one, and not a client of one's own", async () => {
  await using full = bed({ most: 3 });
  await using own = bed();
  const mine = await own.open(); // idle for longer than the others
  let isMineClosed = false;
  const ended = isClosed(mine).then((closed) => isMineClosed = closed);
  const [first] = [await full.open(), await full.open(), await full.open()];
  const refused = own.refuse(1);
  await own.open(); // the accept that waits already takes it, the next one fails
  await refused;
  await Promise.race([isClosed(first), ended]);
  equal(isMineClosed, false);
  own.acceptor.closeAll();
  equal(await ended, true);
});

Deno.test("stop() ends while nothing can be accepted", async () => {
  const served = bed({ refuse: Infinity });
  await until("a refusal", () => served.lines.length > 0, { timeoutMs: 5_000 });
  await served[Symbol.asyncDispose]();
});
