/** What is the local plane's own; what it shares with the other protocols is in block_protocols_test.ts. */
import assert from "node:assert/strict";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { PLANE } from "../../../tests/support/protocol_beds.ts";
import { ProtocolNode } from "../../../tests/support/protocol_node.ts";
import { failureOf } from "../../../tests/support/test_node.ts";
import type { BlockAttachment } from "../protocol.ts";

Deno.test("15.11: a volume of two arrays of the local plane is one device, by whichever shows it", () =>
  FakeHost.use(async (fake) => {
    const node = new ProtocolNode("local", fake);
    node.bed.publish(7);
    const [image, link] = [`${PLANE}/fa-2/images/7`, `${PLANE}/fa-2/hosts/n1/9`];
    // As the simulator has a volume of a stretched pod: one file with a name for each array.
    fake.write(image, "");
    Deno.removeSync(fake.root + image);
    Deno.linkSync(`${fake.root}${PLANE}/fa-1/images/7`, fake.root + image);
    fake.link(link, "../../images/7");
    const also = [{ array: "fa-2", host: "n1", lun: 9 }];
    const attachment = { ...node.bed.attachment(7), also } as BlockAttachment;
    const record = node.record(7);
    const attach = () =>
      node.connection.attach(node.context, {
        ...{ attachment, record, shared: false },
        note: (facts) => Promise.resolve(void Object.assign(record, facts)),
      });
    assert.equal((await attach()).name, "loop0");
    node.bed.unpublish(7);
    assert.equal((await attach()).name, "loop0");
    assert.deepEqual(node.bed.devices(), ["loop0"]);
    const device = { attachment, device: "loop0" };
    assert.equal(await node.connection.isDeviceOf(node.context, device), true);
    fake.remove(link);
    assert.equal((await failureOf(attach())).code, "not_found");
  }));
