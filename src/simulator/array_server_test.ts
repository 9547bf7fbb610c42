import assert from "node:assert/strict";
import { firstOf, TestClient, withFleet } from "./fixture_test.ts";

Deno.test("array answers its versions without a login, ascending and without those that were never released", async () => {
  await withFleet({}, async ({ array }) => {
    const { body } = await array.raw("GET", "/api/api_version");
    assert.deepEqual(Object.keys(body), ["version"]);
    assert.deepEqual([body.version[0], body.version[19], body.version[20]], ["1.0", "1.19", "2.0"]);
    assert.equal(body.version.at(-1), "2.56");
    assert.equal(body.version.includes("2.12") || body.version.includes("2.18"), false);
  });
});

Deno.test("array gives a session for its API token alone, and 401 without one", async () => {
  await withFleet({}, async ({ array, fleet }) => {
    const wrong = await array.raw("POST", "/api/2.26/login", {
      headers: { "api-token": crypto.randomUUID() },
    });
    assert.equal(wrong.status, 401);
    assert.equal(wrong.headers.get("x-auth-token"), null);
    assert.equal((await array.raw("GET", "/api/2.26/volumes")).status, 401);
    const right = await array.raw("POST", "/api/2.26/login", {
      headers: { "api-token": firstOf(fleet).token },
    });
    assert.deepEqual(right.body, { items: [{ username: "pureuser" }] });
    assert.equal((await array.send("GET /volumes")).status, 200);
    await array.raw("POST", "/api/2.26/logout", { headers: { "x-auth-token": array.token } });
    assert.equal((await array.send("GET /volumes")).status, 401);
  });
});

Deno.test("session ends after its idle time, and a use renews it", async () => {
  await withFleet({ sessionIdleMs: 60_000 }, async ({ array, control }) => {
    await control("POST /clock", { advance: 50 });
    assert.equal((await array.send("GET /volumes")).status, 200);
    await control("POST /clock", { advance: 50 });
    assert.equal((await array.send("GET /volumes")).status, 200);
    await control("POST /clock", { advance: 61 });
    assert.equal((await array.send("GET /volumes")).status, 401);
    await array.login();
    assert.equal((await array.send("GET /volumes")).status, 200);
  });
});

Deno.test("array returns the caller's X-Request-ID, or one of its own, also with errors", async () => {
  await withFleet({}, async ({ array }) => {
    const sent = await array.raw("GET", "/api/2.26/nonsense", {
      headers: { "x-auth-token": array.token, "X-Request-ID": "abc" },
    });
    assert.equal(sent.headers.get("x-request-id"), "abc");
    assert.match(
      (await array.send("GET /volumes")).headers.get("x-request-id") ?? "",
      /^[0-9a-f-]{36}$/,
    );
  });
});

Deno.test("array tells wrong paths, methods, versions and bodies apart", async () => {
  await withFleet({}, async ({ array }) => {
    assert.equal(await array.refused("GET /nonsense"), "404 Not found. (/nonsense)");
    assert.equal(await array.refused("PUT /volumes"), "405 Method not allowed. (/volumes)");
    array.version = "2.12";
    assert.equal(
      await array.refused("GET /volumes"),
      "404 REST version 2.12 is not supported. (2.12)",
    );
    array.version = "2.3";
    assert.equal(
      await array.refused("GET /network-interfaces"),
      "404 Not found in REST 2.3. (/network-interfaces)",
    );
    array.version = "2.26";
    assert.equal(
      await array.refused("POST /volumes?names=v", "text"),
      "400 The request body must be a JSON object.",
    );
    assert.equal(
      await array.refused("POST /volumes?names=v", { provisioned: "1G" }),
      "400 Invalid value for provisioned: expected an integer. (provisioned)",
    );
  });
});

Deno.test("array answers 429 with message and the four rate headers above its concurrency, and serves the others", async () => {
  await withFleet({ concurrency: 4, latencyMs: 50 }, async ({ array }) => {
    const replies = await Promise.all(Array.from({ length: 10 }, () => array.send("GET /volumes")));
    const refused = replies.filter(({ status }) => status === 429);
    assert.equal(replies.filter(({ status }) => status === 200).length, 4);
    assert.equal(refused.length, 6);
    for (const { body, headers } of refused) {
      assert.equal(typeof body.message, "string");
      assert.equal(body.errors, undefined);
      for (const name of ["Limit-second", "Limit-minute", "Remaining-second", "Remaining-minute"]) {
        assert.match(headers.get(`X-RateLimit-${name}`) ?? "", /^\d+$/);
      }
      // Equal minute headers would make the vendor's SDK sleep for a minute.
      assert.notEqual(
        headers.get("X-RateLimit-Limit-minute"),
        headers.get("X-RateLimit-Remaining-minute"),
      );
    }
    assert.equal((await array.send("GET /volumes")).status, 200);
  });
});

Deno.test("fault status answers so many times, after so many calls, for the matching calls only", async () => {
  await withFleet({}, async ({ array, control }) => {
    await control("POST /faults", {
      array: "fa-1",
      match: { method: "GET", path: "/vol*" },
      after: 1,
      times: 2,
      action: "status",
      value: 503,
    });
    const status = async (call: string) => (await array.send(call)).status;
    assert.deepEqual([
      await status("GET /volumes"),
      await status("GET /hosts"),
      await status("GET /volumes"),
    ], [200, 200, 503]);
    assert.deepEqual([await status("GET /volume-snapshots"), await status("GET /volumes")], [
      503,
      200,
    ]);
    await control("POST /faults", { action: "status", value: 403, times: 5 });
    const denied = await array.send("GET /volumes");
    assert.deepEqual([denied.status, Object.keys(denied.body)], [403, ["message"]]);
    await control("DELETE /faults");
    assert.equal(await status("GET /volumes"), 200);
  });
});

for (const path of ["volumes", "/volumes", "/api/2.26/volumes", "/api/2.*/volumes"]) {
  Deno.test(`fault matches GET /volumes by the path ${path}`, async () => {
    await withFleet({}, async ({ array, control }) => {
      assert.equal(
        (await control("POST /faults", { match: { path }, action: "status", value: 503 })).body
          .path,
        "/volumes",
      );
      assert.deepEqual([
        (await array.send("GET /volumes")).status,
        (await array.send("GET /volumes")).status,
      ], [503, 200]);
    });
  });
}

Deno.test("fault drop-before closes the connection and does nothing; drop-after does it first", async () => {
  await withFleet({}, async ({ array, control }) => {
    await control("POST /faults", {
      match: { method: "POST", path: "/volumes" },
      action: "drop-before",
    });
    await assert.rejects(
      array.send("POST /volumes?names=v1", { provisioned: 1048576 }),
      /hang up|reset|closed/i,
    );
    assert.equal(await array.refused("GET /volumes?names=v1"), "400 Volume does not exist. (v1)");
    await control("POST /faults", {
      match: { method: "POST", path: "/volumes" },
      action: "drop-after",
    });
    await assert.rejects(
      array.send("POST /volumes?names=v1", { provisioned: 1048576 }),
      /hang up|reset|closed/i,
    );
    assert.equal((await array.ok("GET /volumes?names=v1")).items.length, 1);
    assert.equal(
      await array.refused("POST /volumes?names=v1", { provisioned: 1048576 }),
      "400 Volume already exists. (v1)",
    );
  });
});

Deno.test("fault delay holds the matching call back and no other", async () => {
  await withFleet({}, async ({ array, control }) => {
    await control("POST /faults", { match: { path: "/hosts" }, action: "delay", value: 300 });
    const order: string[] = [];
    const delayed = array.send("GET /hosts").then(() => order.push("hosts"));
    await array.send("GET /volumes").then(() => order.push("volumes"));
    await delayed;
    assert.deepEqual(order, ["volumes", "hosts"]);
    assert.ok((await control("GET /requests")).body.last.at(-1).durationMs >= 299);
  });
});

Deno.test("fault stale shows lists from before the last change", async () => {
  await withFleet({}, async ({ array, control }) => {
    await array.ok("POST /volumes?names=v1", {});
    await array.ok("POST /volumes?names=v2", {});
    await control("POST /faults", { match: { method: "GET" }, action: "stale" });
    const names = async () =>
      (await array.ok("GET /volumes")).items.map(({ name }: { name: string }) => name).join(",");
    assert.equal(await names(), "v1");
    assert.equal(await array.refused("GET /volumes?names=v2"), "400 Volume does not exist. (v2)");
    await array.ok("PATCH /volumes?names=v1", { destroyed: true });
    assert.equal((await array.ok("GET /volumes?names=v1")).items[0].destroyed, false);
    await control("DELETE /faults");
    assert.equal(await names(), "v1,v2");
  });
});

Deno.test("fault full makes the array report no room and refuse what needs it", async () => {
  await withFleet({}, async ({ array, control }) => {
    await array.ok("POST /volumes?names=v1", {});
    await control("POST /faults", { action: "full" });
    const [item] = (await array.ok("GET /arrays")).items;
    assert.equal(item.space.total_physical, item.capacity);
    assert.match(
      await array.refused("POST /volumes?names=v2", {}),
      /^400 Insufficient space: .*no space left/,
    );
    assert.match(
      await array.refused("PATCH /volumes?names=v1", { provisioned: 2 ** 21 }),
      /^400 Insufficient space/,
    );
    await array.ok("PATCH /volumes?names=v1", { destroyed: true });
  });
});

Deno.test("fault kill-after kills the process at the call and leaves its effect", async () => {
  await withFleet({}, async ({ array, control }) => {
    const victim = new Deno.Command("sleep", { args: ["600"] }).spawn();
    await control("POST /faults", {
      match: { method: "POST", path: "/volumes" },
      after: 1,
      action: "kill-after",
      value: victim.pid,
    });
    await array.ok("POST /volumes?names=v1", {});
    await assert.rejects(array.send("POST /volumes?names=v2", {}));
    assert.equal((await victim.status).signal, "SIGKILL");
    assert.equal((await array.ok("GET /volumes?names=v2")).items.length, 1);
  });
});

for (
  const [body, message] of [
    [{ action: "explode" }, /^action must be one of delay, status/],
    [{ action: "delay" }, /^action delay needs a number in value/],
    [{ action: "status", value: 200 }, /^status must be 400 to 599; found 200/],
    [{ action: "kill-before", value: -5 }, /process id above 1; found -5/],
    [{ action: "stale", array: "fa-9" }, /^no array is named fa-9: there are fa-1/],
    [
      { action: "full", message: "No." },
      /^message and context belong to action status, not to full/,
    ],
    [{ action: "status", value: 400, context: "v" }, /^context needs a message that is about it/],
    [{ action: "stale", times: 0 }, /^after must be at least 0 and times at least 1/],
  ] as [unknown, RegExp][]
) {
  Deno.test(`POST /faults refuses ${JSON.stringify(body)}`, async () => {
    await withFleet({}, async ({ control }) => {
      const reply = await control("POST /faults", body);
      assert.equal(reply.status, 400);
      assert.match(reply.body.message, message);
    });
  });
}

Deno.test("a status fault says the text that it was given, about the object that it was given", async () => {
  await withFleet({}, async ({ array, control }) => {
    const said = { message: "Pod is not online.", context: "p1" };
    await control("POST /faults", { action: "status", value: 400, ...said });
    assert.deepEqual((await array.send("GET /volumes")).body, { errors: [said] });
    await control("POST /faults", { action: "status", value: 403, message: "Go away." });
    assert.deepEqual((await array.send("GET /volumes")).body, { message: "Go away." });
  });
});

Deno.test("lists that are known and not modelled are empty; other paths and all their changes are 404", async () => {
  for (
    const [flasharrays, path] of [[1, "offloads"], [0, "object-store-accounts"]] as const
  ) {
    await withFleet({ flasharrays, flashblades: 1 - flasharrays }, async ({ array }) => {
      const { status, body } = await array.send(`GET /${path}`);
      assert.deepEqual([status, body.items], [200, []]);
      assert.match(
        await array.refused(`GET /${path}?names=x`),
        /^400 (Offload|Object store account) does not exist\. \(x\)$/,
      );
      assert.equal((await array.send(`POST /${path}?names=x`, {})).status, 404);
      assert.equal((await array.send("GET /no-such-things")).status, 404);
      assert.equal((await array.ok("GET /hardware")).items.length > 5, true);
    });
  }
});

Deno.test("GET /requests counts every call by array, method and path, with status 0 for dropped ones, and is reset by DELETE", async () => {
  await withFleet({}, async ({ array, control }) => {
    await control("DELETE /requests");
    await control("POST /faults", { match: { path: "/hosts" }, action: "drop-before" });
    await array.send("GET /volumes?names=none");
    await array.send("GET /volumes");
    await assert.rejects(array.send("GET /hosts"));
    const { body } = await control("GET /requests");
    assert.equal(body.total, 3);
    assert.deepEqual(body.counts, [
      { array: "fa-1", method: "GET", path: "/volumes", count: 2 },
      { array: "fa-1", method: "GET", path: "/hosts", count: 1 },
    ]);
    assert.deepEqual(
      body.last.map(({ status, query }: { status: number; query: string }) => [status, query]),
      [
        [400, "?names=none"],
        [200, ""],
        [0, ""],
      ],
    );
    assert.deepEqual(body.last.map(({ client }: { client: string }) => client), [
      "127.0.0.1",
      "127.0.0.1",
      "127.0.0.1",
    ]);
    await control("DELETE /requests");
    assert.equal((await control("GET /requests")).body.total, 0);
  });
});

Deno.test("HTTPS array serves its own certificate, which passes as CA", async () => {
  await withFleet({ http: false }, async ({ array, fleet }) => {
    assert.equal((await array.ok("GET /arrays")).items[0].name, "fa-1");
    const entry = firstOf(fleet);
    const { stdout } = await new Deno.Command("openssl", {
      args: ["x509", "-in", entry.ca ?? "", "-noout", "-ext", "basicConstraints,subjectAltName"],
    })
      .output();
    const text = new TextDecoder().decode(stdout);
    assert.match(text, /CA:TRUE/);
    assert.match(text, /IP Address:127\.0\.0\.1, DNS:localhost/);
    const { address, token } = entry;
    const plain = new TestClient({ address, token });
    await assert.rejects(plain.raw("GET", "/api/api_version"));
    plain.close();
  });
});
