import { deepEqual, equal, rejects } from "node:assert/strict";
import { Secret } from "../secret.ts";
import { login, type LoginOptions } from "./iscsi.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";

const TARGET = { iqn: "iqn.2010-06.com.purestorage:flasharray.1", portal: "192.0.2.1:3260" };
const OPTIONS: LoginOptions = { timeoutSeconds: 20, replacementSeconds: 20 };

Deno.test("login() makes the driver's interface on a host that lacks it", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    iscsi.hasInterface = false;
    equal((await login(host, TARGET, OPTIONS)).isOurs, true);
    equal(iscsi.hasInterface, true);
  }));

Deno.test("login() to a portal works while a session to another one goes by our interface", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    iscsi.addSession(9, "192.0.2.9:3260", { target: "iqn.2010-06.com.purestorage:flasharray.2" });
    const session = await login(host, TARGET, OPTIONS);
    deepEqual([session.iqn, session.address, session.isOurs], [TARGET.iqn, "192.0.2.1", true]);
    deepEqual(await login(host, TARGET, OPTIONS), session, "again, it is used");
  }));

Deno.test("login() keeps the credentials of a record when it is told to, and writes those that it is given", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    const password = "node.session.auth.password";
    iscsi.records.set(TARGET.portal, new Map([[password, "from-before"]]));
    await login(host, TARGET, { ...OPTIONS, chap: "kept" });
    equal(iscsi.records.get(TARGET.portal)?.get(password), "from-before");
    equal(iscsi.records.get(TARGET.portal)?.get("node.session.scan"), "manual");
    const other = { ...TARGET, portal: "192.0.2.2:3260" };
    iscsi.records.set(other.portal, new Map([[password, "from-before"]]));
    await login(host, other, {
      ...OPTIONS,
      chap: { host: { user: "node", password: new Secret("given-now-1234") } },
    });
    equal(iscsi.records.get(other.portal)?.get(password), "given-now-1234");
  }));

Deno.test("login() refuses what is no portal", () =>
  FakeHost.use(async ({ host }) => {
    await rejects(login(host, { ...TARGET, portal: "192.0.2.1:3260:1" }, OPTIONS), {
      code: "invalid",
    });
  }));
