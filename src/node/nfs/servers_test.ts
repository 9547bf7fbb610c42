import assert from "node:assert/strict";
import { PsoError } from "../../errors.ts";
import { createLogger } from "../../log.ts";
import { NfsServers } from "./servers.ts";
import { failureOf } from "../../../tests/support/test_node.ts";

/** Servers under a clock of the test, whose statfs ends with what `stat` gives. */
function servers() {
  const bed = {
    nowMs: 0,
    stat: undefined as PsoError | undefined,
    commands: 0,
    log: [] as string[],
    nfs: undefined as unknown as NfsServers,
  };
  const run = () => {
    bed.commands++;
    return bed.stat
      ? Promise.reject(bed.stat)
      : Promise.resolve({ code: 0, stdout: "4096 9 5 5 9 5", stderr: "" });
  };
  const log = createLogger({ write: (line) => bed.log.push(line) });
  bed.nfs = new NfsServers({
    host: { root: "/nowhere", namespaces: "direct", run },
    log,
    now: () => bed.nowMs,
  });
  return bed;
}

const SLOW = new PsoError("timeout", "mount did not end within 60000 ms");

/** A mount that ends with an error after so many ms of the test's clock. */
function failing(bed: { nowMs: number }, { afterMs, error }: { afterMs: number; error: PsoError }) {
  return () => {
    bed.nowMs += afterMs;
    return Promise.reject(error);
  };
}

Deno.test("a server on which a mount timed out gets no other for 30 s, then one; an answer ends it; other servers are not concerned", async () => {
  const bed = servers();
  let tries = 0;
  const mount = (server: string) => bed.nfs.mount(server, () => Promise.resolve(++tries));
  await failureOf(bed.nfs.mount("a", failing(bed, { afterMs: 60_000, error: SLOW })));
  bed.nowMs += 29_000;
  const { code, message } = await failureOf(mount("a"));
  assert.equal(code, "unavailable");
  assert.match(
    message,
    /^NFS server a has not answered this node for 29 s \(mount did not end within 60000 ms\): nothing is mounted from it/,
  );
  assert.equal(await mount("b"), 1);
  assert.deepEqual(bed.nfs.silent().map(({ server }) => server), ["a"]);
  bed.nowMs += 2_000;
  assert.equal(await mount("a"), 2);
  assert.deepEqual(bed.nfs.silent(), []);
  assert.equal(bed.log.length, 2);
});

Deno.test("what a server answered, and what a caller ended early, is no silence", async () => {
  const bed = servers();
  const denied = new PsoError("denied", "access denied by server");
  await failureOf(bed.nfs.mount("a", failing(bed, { afterMs: 20_000, error: denied })));
  await failureOf(
    bed.nfs.mount(
      "a",
      failing(bed, { afterMs: 1_000, error: new PsoError("timeout", "the caller went away") }),
    ),
  );
  assert.deepEqual(bed.nfs.silent(), []);
});

Deno.test("mounts of one server go one after another; behind one that waits for 10 s the next fails at once", async () => {
  const bed = servers();
  const { promise, resolve } = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  const first = bed.nfs.mount("a", () => {
    begun.resolve();
    return promise;
  });
  await begun.promise;
  const order: string[] = [];
  const second = bed.nfs.mount("a", () => Promise.resolve(order.push("second")));
  bed.nowMs += 10_000;
  assert.match(
    (await failureOf(bed.nfs.mount("a", () => Promise.resolve()))).message,
    /a mount from it has been waiting for 10 s/,
  );
  assert.deepEqual(order, []);
  resolve("mounted");
  assert.equal(await first, "mounted");
  assert.equal(await second, 1);
});

Deno.test("probe() tells a stale handle from an answer, and a silent server from both", async () => {
  const bed = servers();
  const probe = (again = false) => bed.nfs.probe("a", { target: "/stage/1", again });
  assert.equal(await probe(), "answers");
  bed.stat = new PsoError(
    "unavailable",
    "stat ended with code 1: cannot read file system information: Stale file handle",
  );
  assert.equal(await probe(), "stale");
  assert.deepEqual(bed.nfs.silent(), []);
  bed.stat = new PsoError("timeout", "stat did not end within 5000 ms");
  assert.equal((await failureOf(probe())).code, "unavailable");
  const { commands } = bed;
  assert.match((await failureOf(probe())).message, /has not answered this node/);
  assert.equal(bed.commands, commands, "a server that is known to be silent costs no process");
  bed.stat = undefined;
  assert.equal(await probe(true), "answers");
  assert.deepEqual(bed.nfs.silent(), []);
});

Deno.test("a silent server that nobody uses any more is forgotten after 10 minutes", async () => {
  const bed = servers();
  await failureOf(bed.nfs.mount("a", failing(bed, { afterMs: 60_000, error: SLOW })));
  bed.nowMs += 600_001;
  assert.deepEqual(bed.nfs.silent(), []);
});
