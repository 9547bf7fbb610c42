import { deepEqual, doesNotMatch, equal, match, notEqual, rejects } from "node:assert/strict";
import { Secret } from "../secret.ts";
import type { Host } from "./host.ts";
import {
  idleSessions,
  listSessions,
  login,
  type LoginOptions,
  logout,
  portalKey,
} from "./iscsi.ts";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { recordFile } from "../../tests/support/fake_iscsi.ts";
import { withTestClock } from "../../tests/support/test_clock.ts";
import { failureOf } from "../../tests/support/test_node.ts";

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

const WHOLE = "# BEGIN RECORD 2.1.8\nnode.name = iqn.x\n# END RECORD\n";

for (
  const { name, text } of [
    { name: "empty", text: "" },
    { name: "zeroed", text: "\0".repeat(2152) },
    { name: "cut off", text: WHOLE.slice(0, 30) },
  ]
) {
  for (const portal of [TARGET.portal, "[2001:db8::1]:3260"]) {
    Deno.test(`login() to ${portal} makes the record anew that a power cut left ${name}`, () =>
      FakeHost.use(async (fake) => {
        const file = recordFile(portal);
        fake.write(file, text);
        for (const chap of ["kept", undefined] as const) {
          const session = await login(fake.host, { ...TARGET, portal }, { ...OPTIONS, chap });
          await logout(fake.host, session);
          fake.write(file, text);
        }
        equal(fake.ran("rm -f").length, 2);
      }));
  }
}

Deno.test("login() leaves a record that is whole, whatever iscsiadm says of it", () =>
  FakeHost.use(async (fake) => {
    fake.write(recordFile(TARGET.portal), WHOLE);
    const { code, message } = await failureOf(login(fake.host, TARGET, OPTIONS));
    equal(code, "unavailable");
    match(message, /iscsiadm .* -o new ended with code 6/);
    deepEqual(fake.ran("rm "), []);
  }));

Deno.test("login() refuses what is no portal", () =>
  FakeHost.use(async ({ host }) => {
    await rejects(login(host, { ...TARGET, portal: "192.0.2.1:3260:1" }, OPTIONS), {
      code: "invalid",
    });
  }));

Deno.test("login() gives iscsiadm no name of which it would make a path or an option", () =>
  FakeHost.use(async ({ host, commands }) => {
    for (
      const iqn of ["../../../../etc/cron.d/x", "-x", "iqn.2010-06.com.purestorage:a\nb", ""]
    ) {
      const { code, message } = await failureOf(login(host, { ...TARGET, iqn }, OPTIONS));
      equal(code, "invalid");
      match(message, /^iSCSI target ".*" is not an IQN such as .*: correct it on the array$/);
    }
    deepEqual(commands, []);
  }));

Deno.test("logout() ends a session of ours whose name is none by its number, and touches no record", () =>
  FakeHost.use(async ({ host, iscsi, commands }) => {
    iscsi.addSession(1, TARGET.portal, { target: "../../../../etc/cron.d/x" });
    await logout(host, await sessionOf(host, "session1"));
    deepEqual(iscsi.sessions, []);
    deepEqual(commands, ["iscsiadm -m session -r 1 --logout"]);
  }));

const [SECOND, SIXTH] = ["192.0.2.2:3260", "[2001:db8::1]:3260"];
/** iscsiadm(8), exit status. */
const [NO_DAEMON, FAILED_FOR_GOOD, REFUSED] = [20, 19, 24];

Deno.test("login() uses the session that is there, whoever made it, and runs no tool", () =>
  FakeHost.use(async ({ host, iscsi, commands }) => {
    iscsi.addSession(1, TARGET.portal, { iface: "default" });
    equal((await login(host, TARGET, OPTIONS)).isOurs, false);
    deepEqual(commands, []);
  }));

Deno.test("login() takes no session to another target, address or port for its own", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    iscsi.addSession(7, TARGET.portal, { target: `${TARGET.iqn}0` });
    iscsi.addSession(8, "192.0.2.1:3261");
    iscsi.addSession(9, "192.0.2.11:3260");
    equal((await login(host, TARGET, OPTIONS)).name, "session1");
    equal(iscsi.sessions.length, 4);
  }));

Deno.test("login() knows an IPv6 portal by its address, however that is spelled", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    iscsi.addSession(1, "[2001:0db8:0:0::1]:3260");
    equal((await login(host, { ...TARGET, portal: SIXTH }, OPTIONS)).name, "session1");
  }));

Deno.test("login() writes a record that attaches nothing by itself and gives up soon", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    await login(host, TARGET, { timeoutSeconds: 7, replacementSeconds: 120 });
    deepEqual(Object.fromEntries(iscsi.records.get(TARGET.portal) ?? []), {
      "node.startup": "manual",
      "node.session.scan": "manual",
      "node.conn[0].timeo.login_timeout": "7",
      "node.session.initial_login_retry_max": "1",
      "node.session.timeo.replacement_timeout": "120",
    });
  }));

Deno.test("login() writes the credentials of both sides when the target must prove itself", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    const side = (user: string) => ({ user, password: new Secret(`${user}-secret-1`) });
    await login(host, TARGET, { ...OPTIONS, chap: { host: side("us"), target: side("them") } });
    const settings = iscsi.records.get(TARGET.portal);
    const auth = ["authmethod", "username", "password", "username_in", "password_in"]
      .map((name) => settings?.get(`node.session.auth.${name}`));
    deepEqual(auth, ["CHAP", "us", "us-secret-1", "them", "them-secret-1"]);
  }));

for (
  const { name, code, chap, is, said } of [
    { name: "is refused", code: REFUSED, is: "denied", said: /refused the login.*no such host/ },
    {
      name: "is refused with CHAP",
      code: REFUSED,
      chap: { host: { user: "us", password: new Secret("secret-12345") } },
      is: "denied",
      said: /the CHAP name or password is not the one/,
    },
    {
      name: "fails for good where the target must prove itself",
      code: FAILED_FOR_GOOD,
      chap: {
        host: { user: "us", password: new Secret("secret-12345") },
        target: { user: "them", password: new Secret("secret-67890") },
      },
      is: "denied",
      said: /username_in, password_in/,
    },
    { name: "fails for good without CHAP", code: FAILED_FOR_GOOD, is: "unavailable", said: /19/ },
    { name: "finds no iscsid", code: NO_DAEMON, is: "unavailable", said: /code 20/ },
  ]
) {
  Deno.test(`login() that ${name} is ${is}, and leaves no record`, () =>
    FakeHost.use(async ({ host, iscsi }) => {
      iscsi.loginCodes.set(TARGET.portal, code);
      const failure = await failureOf(login(host, TARGET, { ...OPTIONS, chap }));
      equal(failure.code, is);
      match(failure.message, said);
      doesNotMatch(failure.message, /secret-/);
      equal(iscsi.records.size, 0);
    }));
}

Deno.test("login() that fails keeps a record whose credentials it did not write", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    iscsi.records.set(TARGET.portal, new Map([["node.session.auth.password", "from-before"]]));
    iscsi.deadPortals.add(TARGET.portal);
    const { code, message } = await failureOf(login(host, TARGET, { ...OPTIONS, chap: "kept" }));
    equal(code, "timeout");
    match(message, /portal 192\.0\.2\.1:3260 of target .* does not answer/);
    equal(iscsi.records.size, 1);
  }));

Deno.test("login() with credentials that should be kept, and no record, makes one", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    await login(host, TARGET, { ...OPTIONS, chap: "kept" });
    equal(iscsi.records.get(TARGET.portal)?.get("node.startup"), "manual");
  }));

Deno.test("login() says when iscsiadm is content and the kernel shows no session", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    iscsi.loginCodes.set(TARGET.portal, 0);
    const { code, message } = await failureOf(login(host, TARGET, OPTIONS));
    equal(code, "unavailable");
    match(message, /the kernel shows no such session/);
  }));

Deno.test("listSessions() shows each session as the kernel does, and none that is going away", () =>
  FakeHost.use(async (fake) => {
    fake.iscsi.addSession(3, SIXTH, { iface: "default", state: "FAILED" });
    for (const number of [4, 5, 6]) fake.iscsi.addSession(number, SECOND);
    fake.remove("/sys/class/iscsi_connection/connection4:0");
    fake.write("/sys/class/iscsi_session/session5/targetname", "");
    fake.write("/sys/class/iscsi_connection/connection6:0/persistent_address", "");
    deepEqual(await listSessions(fake.host), [{
      name: "session3",
      iqn: TARGET.iqn,
      address: "2001:db8::1",
      port: 3260,
      state: "FAILED",
      isOurs: false,
      scsiHost: 3,
      scsiTarget: 0,
    }]);
  }));

Deno.test("listSessions() gives a session its own connection, also among ten", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    iscsi.addSession(10, SECOND);
    iscsi.addSession(1, TARGET.portal);
    const found = (await listSessions(host)).map(({ name, address }) => `${name} ${address}`);
    deepEqual(found, ["session1 192.0.2.1", "session10 192.0.2.2"]);
  }));

Deno.test("idleSessions() are ours without a disk", () =>
  FakeHost.use(async ({ host, iscsi, scsi }) => {
    iscsi.addSession(1, TARGET.portal);
    iscsi.addSession(2, SECOND);
    iscsi.addSession(3, "192.0.2.3:3260", { iface: "default" });
    scsi.addDisk({ session: 2, lun: 0, volume: 9 });
    deepEqual((await idleSessions(host)).map(({ name }) => name), ["session1"]);
  }));

/** The session of this name, as the kernel shows it. */
async function sessionOf(host: Host, name: string) {
  const session = (await listSessions(host)).find((one) => one.name === name);
  if (session) return session;
  throw new Error(`no ${name}`);
}

Deno.test("logout() ends one session with its record, and leaves the others", () =>
  FakeHost.use(async ({ host, iscsi }) => {
    for (const [number, portal] of [[1, TARGET.portal], [2, SECOND], [3, SIXTH]] as const) {
      iscsi.addSession(number, portal);
    }
    for (const name of ["session1", "session3"]) await logout(host, await sessionOf(host, name));
    deepEqual(iscsi.sessions, ["session2"]);
    deepEqual([...iscsi.records.keys()], [SECOND]);
  }));

Deno.test("logout() ends a session that has no record", () =>
  FakeHost.use(async ({ host, iscsi, commands }) => {
    iscsi.addSession(1, TARGET.portal);
    iscsi.records.clear();
    await logout(host, await sessionOf(host, "session1"));
    deepEqual(iscsi.sessions, []);
    equal(commands[1], "iscsiadm -m session -r 1 --logout");
  }));

Deno.test("logout() never ends a session that somebody else made", () =>
  FakeHost.use(async ({ host, iscsi, commands }) => {
    iscsi.addSession(1, TARGET.portal, { iface: "default" });
    equal((await failureOf(logout(host, await sessionOf(host, "session1")))).code, "in_use");
    deepEqual(commands, []);
  }));

Deno.test("logout() is no success while the kernel shows the session", () =>
  FakeHost.use(async ({ host, iscsi, onTool }) => {
    iscsi.addSession(1, TARGET.portal);
    const session = await sessionOf(host, "session1");
    onTool.set("iscsiadm", (args) => args.includes("--logout") ? {} : undefined);
    const { code, message } = await failureOf(withTestClock(() => logout(host, session)));
    equal(code, "timeout");
    match(message, /session1/);
    equal(iscsi.records.size, 1);
  }));

Deno.test("portalKey() is one text for every spelling of a portal, so that they have one queue", () => {
  const key = (portal: string, iqn = TARGET.iqn) => portalKey({ iqn, portal });
  equal(key("[2001:db8::1]:3260"), key("[2001:DB8:0:0::1]"));
  notEqual(key("[2001:db8::1]:3260"), key("[2001:db8::1]:3261"));
  notEqual(key("[2001:db8::1]:3260"), key("[2001:db8::1]:3260", "iqn.other"));
});
