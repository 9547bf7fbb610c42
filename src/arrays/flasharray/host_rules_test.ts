import assert from "node:assert/strict";
import type { NodeIdentity } from "../../handoff.ts";
import { hostNameFor } from "../../names.ts";
import { HostOwner, secondNameFor } from "./host_rules.ts";

function node(name: string, change: Partial<NodeIdentity> = {}): NodeIdentity {
  return { name, protocols: ["iscsi"], wwpns: [], addresses: [], ...change };
}

const IQN = "iqn.2024-01.org.example:a";

Deno.test("HostOwner.isNamedForNode() knows the plain name and the second names, in any case", () => {
  const owner = new HostOwner(node("w1-example-org"), undefined);
  for (const name of ["w1-example-org", "W1-EXAMPLE-ORG", "w1-example-org-x0123456789ab"]) {
    assert.ok(owner.isNamedForNode(name), name);
  }
  for (
    const name of [
      "w1",
      "w1-example-org2",
      "w1-example-org-xray",
      "w1-example-org-x0123456789a",
      "w1-example-org-x0123456789abc",
      "x-w1-example-org",
      hostNameFor("w1.example.org"),
    ]
  ) assert.ok(!owner.isNamedForNode(name), name);
});

Deno.test("HostOwner knows a name that several nodes may have, as PSO gave them, only beside an initiator", () => {
  const owner = new HostOwner(node("w1.example.org", { iqn: IQN }), undefined);
  for (const name of ["w1-example-org", "w1-example-org-x0123456789ab"]) {
    assert.ok(owner.mayBearName(name), name);
    assert.ok(!owner.isNamedForNode(name), name);
    assert.equal(owner.refusalOf({ name, iqns: [IQN, `${IQN}-2`] }), undefined);
  }
  const own = hostNameFor("w1.example.org");
  for (const name of [own, `${own}-x0123456789ab`]) assert.ok(owner.isNamedForNode(name), name);
  assert.ok(!owner.mayBearName("w2-example-org"));
});

Deno.test("HostOwner.isNamedForNode() does not take a second name for a node's whose long name only begins alike", () => {
  const long = `worker-${"a".repeat(45)}`;
  const [one, other] = [node(`${long}-1`, { iqn: IQN }), node(`${long}-2`)];
  const own = secondNameFor(one.name, { family: "iqns", names: [IQN] });
  assert.ok(own.length <= 63);
  assert.ok(new HostOwner(one, undefined).isNamedForNode(own));
  assert.ok(!new HostOwner(other, undefined).isNamedForNode(own));
  const reinstalled = node(one.name, { iqn: "iqn.2024-01.org.example:b" });
  assert.ok(!new HostOwner(reinstalled, undefined).isNamedForNode(own));
  assert.ok(new HostOwner(reinstalled, { earlier: [one] }).isNamedForNode(own));
});

Deno.test("HostOwner.refusalOf() names the strange ports of a host, and nothing that the node had", () => {
  const [a, b, c] = ["2100001B32AABBA0", "2100001B32AABBB0", "2100001B32AABBC0"];
  const now = node("w1", { wwpns: [a.toLowerCase(), c.toLowerCase()] });
  const owner = new HostOwner(now, undefined);
  assert.equal(owner.refusalOf({ name: "other", wwns: [a] }), undefined);
  assert.equal(owner.refusalOf({ name: "w1", wwns: [a, b] }), undefined);
  assert.equal(owner.refusalOf({ name: "other", wwns: ["21:00:00:1B:32:AA:BB:A0", b] }), b);
  assert.equal(owner.refusalOf({ name: "other", wwns: [a], iqns: [IQN] }), IQN);
  const had = new HostOwner(now, { earlier: [node("w1", { wwpns: [b.toLowerCase()] })] });
  assert.equal(had.refusalOf({ name: "other", wwns: [a, b] }), undefined);
});

Deno.test("HostOwner.mayBe() takes a renamed machine for the same", () => {
  const owner = new HostOwner(node("w2", { iqn: IQN }), undefined);
  assert.ok(owner.mayBe(node("w1", { iqn: IQN.toUpperCase() })));
  assert.ok(owner.mayBe(node("w2")));
  assert.ok(!owner.mayBe(node("w1", { iqn: `${IQN}-2` })));
});

Deno.test("HostOwner.isOfNodes() wants every initiator of the host to be a known node's", () => {
  const otherNodeWith = (name: string) => name === `${IQN}-2` ? "w2" : undefined;
  const owner = new HostOwner(node("w1", { iqn: IQN }), { otherNodeWith });
  assert.ok(owner.isOfNodes({ name: "a", iqns: [`${IQN}-2`] }));
  assert.ok(owner.isOfNodes({ name: "a", iqns: [IQN, `${IQN}-2`] }));
  assert.ok(!owner.isOfNodes({ name: "w2", iqns: [`${IQN}-2`, `${IQN}-3`] }));
  assert.ok(!owner.isOfNodes({ name: "w2", iqns: [`${IQN}-2`], wwns: ["2100001B32AABBA0"] }));
  assert.ok(!owner.isOfNodes({ name: "w2" }), "a name proves nothing");
});
