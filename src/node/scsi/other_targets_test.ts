import { equal, match } from "node:assert/strict";
import type { Host } from "../../host/host.ts";
import type { ScsiAttachment } from "../protocol.ts";
import { refuseOtherTargets } from "./other_targets.ts";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { PORTALS, TARGET } from "../../../tests/support/fake_iscsi.ts";
import { serialOf, wwidOf } from "../../../tests/support/fake_scsi.ts";
import { failureOf } from "../../../tests/support/test_node.ts";

const OTHER = "iqn.2010-06.com.purestorage:flasharray.2";
const FACTS = { lun: 1, serial: serialOf(1), sizeBytes: 1 << 30, everWritten: false };
const ISCSI: ScsiAttachment = {
  protocol: "iscsi",
  targets: PORTALS.map((portal) => ({ iqn: TARGET, portal })),
  ...FACTS,
};
const FC: ScsiAttachment = { protocol: "fc", wwpns: ["524a937a00000100"], ...FACTS };

interface Path {
  session: number;
  /** The volume, when it is another one. */
  volume?: number;
  /** By an iSCSI session to this target, or by this port of an FC array; by neither when absent. */
  iqn?: string;
  wwpn?: string;
}

/** A host with these paths, each at LUN 7 of a SCSI host of its own. */
function withPaths(paths: Path[], work: (host: Host) => Promise<void>): Promise<void> {
  return FakeHost.use(async (fake) => {
    for (const { session, volume = 1, iqn, wwpn } of paths) {
      if (iqn !== undefined) fake.iscsi.addSession(session, PORTALS[0] ?? "", { target: iqn });
      if (wwpn !== undefined) fake.scsi.addRemotePort(session, { wwpn, target: 0 });
      fake.scsi.addDisk({ session, volume, lun: 7 });
    }
    await work(fake.host);
  });
}

const refuse = (host: Host, attachment: ScsiAttachment) =>
  refuseOtherTargets(host, { attachment, wwid: wwidOf(1) });

for (
  const { name, attachment, paths } of [
    { name: "no path at all", attachment: ISCSI, paths: [] },
    {
      name: "paths by the published target only",
      attachment: ISCSI,
      paths: [{ session: 3, iqn: TARGET }, { session: 4, iqn: TARGET }],
    },
    {
      name: "another volume by another target",
      attachment: ISCSI,
      paths: [{ session: 3, iqn: OTHER, volume: 2 }],
    },
    {
      name: "a port of the same array that came up later",
      attachment: FC,
      paths: [{ session: 3, wwpn: "524A937A00000113" }],
    },
  ]
) {
  Deno.test(`refuseOtherTargets() lets a volume pass with ${name}`, () =>
    withPaths(paths, (host) => refuse(host, attachment)));
}

for (
  const { name, attachment, path, said } of [
    {
      name: "another iSCSI target",
      attachment: ISCSI,
      path: { session: 4, iqn: OTHER },
      said: `${OTHER} (device 4:0:0:7)`,
    },
    {
      name: "another array's FC port",
      attachment: FC,
      path: { session: 4, wwpn: "524a937b00000100" },
      said: "524a937b00000100",
    },
    {
      name: "FC, published by iSCSI",
      attachment: ISCSI,
      path: { session: 4, wwpn: "524a937a00000100" },
      said: "524a937a00000100",
    },
    {
      name: "a session that shows no target",
      attachment: ISCSI,
      path: { session: 4 },
      said: "unknown",
    },
  ]
) {
  Deno.test(`refuseOtherTargets() refuses a volume that is there by ${name}, and names both`, () =>
    withPaths(
      [{ session: 3, iqn: TARGET }, path].slice(attachment === FC ? 1 : 0),
      async (host) => {
        const { code, message } = await failureOf(refuse(host, attachment));
        equal(code, "in_use");
        match(message, new RegExp(`by target ${said.replaceAll(/[().]/g, "\\$&")}`));
        match(
          message,
          attachment === FC
            ? /has 524a937a00000100:/
            : /has iqn\.2010-06\.com\.purestorage:flasharray\.1:/,
        );
      },
    ));
}
