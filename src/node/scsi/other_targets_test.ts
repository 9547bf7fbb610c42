import { equal, match } from "node:assert/strict";
import type { Host } from "../../host/host.ts";
import type { ScsiAttachment } from "../protocol.ts";
import { refuseOtherTargets } from "./other_targets.ts";
import { failureOf } from "../../../tests/support/test_node.ts";

const SERIAL = "1234567890ABCDEF00011010";
const WWID = `3624a9370${SERIAL.toLowerCase()}`;
const [OURS, OTHER] = [
  "iqn.2010-06.com.purestorage:flasharray.1",
  "iqn.2010-06.com.purestorage:flasharray.2",
];
const FACTS = { lun: 1, serial: SERIAL, sizeBytes: 1 << 30, everWritten: false };
const ISCSI: ScsiAttachment = {
  protocol: "iscsi",
  targets: [{ iqn: OURS, portal: "192.0.2.1:3260" }],
  ...FACTS,
};
const FC: ScsiAttachment = { protocol: "fc", wwpns: ["524a937a00000100"], ...FACTS };

interface Path {
  hctl: string;
  /** The volume, when it is another one. */
  naa?: string;
  iqn?: string;
  wwpn?: string;
}

/** A sysfs tree with these paths, as scsi_transport_iscsi and scsi_transport_fc show them. */
async function withPaths(paths: Path[], work: (host: Host) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "pso-targets-" });
  const write = async (path: string, text: string) => {
    await Deno.mkdir(`${root}/sys/class/${path}`.replace(/\/[^/]+$/, ""), { recursive: true });
    await Deno.writeTextFile(`${root}/sys/class/${path}`, `${text}\n`);
  };
  try {
    for (const [index, { hctl, naa, iqn, wwpn }] of paths.entries()) {
      const scsiHost = hctl.split(":")[0];
      const by = wwpn === undefined ? `session${index}` : `rport-${scsiHost}:0-${index}`;
      const device = `sys/devices/host${scsiHost}/${by}/target/${hctl}`;
      await Deno.mkdir(`${root}/${device}/scsi_device/${hctl}`, { recursive: true });
      await Deno.writeTextFile(`${root}/${device}/wwid`, `naa.${naa ?? WWID.slice(1)}\n`);
      await Deno.symlink("../..", `${root}/${device}/scsi_device/${hctl}/device`);
      await Deno.mkdir(`${root}/sys/class/scsi_device`, { recursive: true });
      await Deno.symlink(
        `../../../${device}/scsi_device/${hctl}`,
        `${root}/sys/class/scsi_device/${hctl}`,
      );
      if (wwpn !== undefined) await write(`fc_remote_ports/${by}/port_name`, `0x${wwpn}`);
      if (iqn === undefined) continue;
      await Deno.mkdir(`${root}/${device}/../../iscsi_session/${by}`, { recursive: true });
      await Deno.mkdir(`${root}/sys/class/iscsi_session`, { recursive: true });
      await Deno.symlink(
        `../../devices/host${scsiHost}/${by}/iscsi_session/${by}`,
        `${root}/sys/class/iscsi_session/${by}`,
      );
      for (
        const [file, value] of [["targetname", iqn], ["state", "LOGGED_IN"], [
          "ifacename",
          "default",
        ], ["target_id", "0"]] as const
      ) {
        await write(`iscsi_session/${by}/${file}`, value);
      }
      await write(`iscsi_connection/connection${index}:0/persistent_address`, "192.0.2.1");
      await write(`iscsi_connection/connection${index}:0/persistent_port`, "3260");
    }
    await work({
      root,
      namespaces: "direct",
      run: () => Promise.reject(new Error("no tool is needed")),
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const refuse = (host: Host, attachment: ScsiAttachment) =>
  refuseOtherTargets(host, { attachment, wwid: WWID });

for (
  const { name, attachment, paths } of [
    { name: "no path at all", attachment: ISCSI, paths: [] },
    {
      name: "paths by the published target only",
      attachment: ISCSI,
      paths: [{ hctl: "3:0:0:1", iqn: OURS }, { hctl: "4:0:0:1", iqn: OURS }],
    },
    {
      name: "another volume by another target",
      attachment: ISCSI,
      paths: [{ hctl: "3:0:0:1", iqn: OTHER, naa: "624a9370ffff" }],
    },
    {
      name: "a port of the same array that came up later",
      attachment: FC,
      paths: [{ hctl: "3:0:0:1", wwpn: "524A937A00000113" }],
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
      path: { hctl: "4:0:0:7", iqn: OTHER },
      said: `${OTHER} (device 4:0:0:7)`,
    },
    {
      name: "another array's FC port",
      attachment: FC,
      path: { hctl: "4:0:0:7", wwpn: "524a937b00000100" },
      said: "524a937b00000100",
    },
    {
      name: "FC, published by iSCSI",
      attachment: ISCSI,
      path: { hctl: "4:0:0:7", wwpn: "524a937a00000100" },
      said: "524a937a00000100",
    },
    {
      name: "a session that shows no target",
      attachment: ISCSI,
      path: { hctl: "4:0:0:7" },
      said: "unknown",
    },
  ]
) {
  Deno.test(`refuseOtherTargets() refuses a volume that is there by ${name}, and names both`, () =>
    withPaths(
      [{ hctl: "3:0:0:1", iqn: OURS }, path].slice(attachment === FC ? 1 : 0),
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
