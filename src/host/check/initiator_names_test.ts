import assert from "node:assert/strict";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { failureOf } from "../../../tests/support/test_node.ts";
import { createLogger } from "../../log.ts";
import {
  ensureHostNames,
  nameConflictFindings,
  nameFindings,
  readIqn,
  readNqn,
} from "./initiator_names.ts";

const UUID = "0a1b2c3d-0000-4000-8000-00000000000f";
const NQN = `nqn.2014-08.org.nvmexpress:uuid:${UUID}`;
const FILES = ["/etc/nvme/hostnqn", "/etc/nvme/hostid"];

/** A host with nvme-cli; `said` holds the lines of the log. */
function withNvme(
  work: (fake: FakeHost, ensure: () => Promise<void>, said: string[]) => Promise<void>,
): Promise<void> {
  return FakeHost.use((fake) => {
    fake.write("/usr/sbin/nvme", "");
    const said: string[] = [];
    const log = createLogger({ write: (line) => said.push(line) });
    return work(fake, () => ensureHostNames(fake.host, log), said);
  });
}

Deno.test("ensureHostNames() writes NQN and host ID from one UUID once, and says so", () =>
  withNvme(async (fake, ensure, said) => {
    await ensure();
    await ensure();
    const uuid = fake.read("/etc/nvme/hostid");
    assert.match(uuid, /^[0-9a-f]{8}-/);
    assert.equal(fake.read("/etc/nvme/hostnqn"), `nqn.2014-08.org.nvmexpress:uuid:${uuid}`);
    assert.equal(fake.ran("tee").length, 2);
    assert.equal(said.length, 2);
    assert.match(
      said[0] ?? "",
      /host name written, because the host had none.*\/etc\/nvme\/hostid/,
    );
  }));

Deno.test("ensureHostNames() takes the UUID of the name that is there", () =>
  withNvme(async (fake, ensure) => {
    fake.write("/etc/nvme/hostnqn", NQN);
    await ensure();
    assert.equal(fake.read("/etc/nvme/hostid"), UUID);
    assert.equal(fake.read("/etc/nvme/hostnqn"), NQN);
  }));

Deno.test("ensureHostNames() writes nothing on a host without nvme-cli", () =>
  FakeHost.use(async (fake) => {
    await ensureHostNames(fake.host, createLogger({ write: () => {} }));
    assert.deepEqual(fake.commands, []);
  }));

Deno.test("ensureHostNames() keeps names that are absolute links of the host, and readers follow them", () =>
  withNvme(async (fake, ensure, said) => {
    fake.write("/persist/hostnqn", NQN);
    fake.write("/persist/hostid", UUID);
    fake.write("/persist/initiator", "InitiatorName=iqn.1993-08.org.debian:01:abc");
    for (const file of FILES) fake.link(file, file.replace("/etc/nvme", "/persist"));
    fake.remove("/etc/iscsi/initiatorname.iscsi");
    fake.link("/etc/iscsi/initiatorname.iscsi", "/persist/initiator");
    await ensure();
    assert.deepEqual([fake.commands, said], [[], []]);
    assert.deepEqual(await readNqn(fake.host), { value: NQN });
    assert.deepEqual(await readIqn(fake.host), { value: "iqn.1993-08.org.debian:01:abc" });
    assert.deepEqual(await nameConflictFindings(fake.host), []);
  }));

Deno.test("ensureHostNames() writes nothing through a link that leads nowhere, and names the link", () =>
  withNvme(async (fake, ensure) => {
    for (const file of FILES) fake.link(file, file.replace("/etc/nvme", "/persist"));
    const { code, message } = await failureOf(ensure());
    assert.equal(code, "unavailable");
    assert.match(message, /^\/etc\/nvme\/host\w+ on this host is a link to \/persist\//);
    assert.deepEqual(fake.commands, []);
    assert.match(JSON.stringify(await readNqn(fake.host)), /"missing":"\/etc\/nvme\/hostnqn on/);
  }));

Deno.test("ensureHostNames() fails when the host does not show what was written", () =>
  withNvme(async (fake, ensure) => {
    fake.onTool.set("tee", () => ({}));
    const { code, message } = await failureOf(ensure());
    assert.equal(code, "unavailable");
    assert.match(message, /was written to \/etc\/nvme\/hostid of the host and is not there/);
  }));

Deno.test("nameFindings() fails for a name behind a link that leads nowhere, and says what it costs", () =>
  FakeHost.use(async (fake) => {
    fake.remove("/etc/iscsi/initiatorname.iscsi");
    fake.link("/etc/iscsi/initiatorname.iscsi", "/persist/initiator");
    const [iscsi] = await nameFindings(fake.host);
    assert.match(
      iscsi?.what ?? "",
      /is a link to \/persist\/initiator, and \/persist does not exist/,
    );
    assert.deepEqual([iscsi?.level, iscsi?.blocks], ["fail", ["iscsi"]]);
  }));
