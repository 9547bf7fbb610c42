/**
 * What the suite of all protocols needs of each: an array on the far side that shows volumes to the
 * fake host, and what the host then has of them.
 */
import type { BlockAttachment, FileAttachment } from "../../src/node/protocol.ts";
import type { Protocol } from "../../src/protocols.ts";
import type { FakeHost } from "./fake_host.ts";
import { PORTALS, TARGET } from "./fake_iscsi.ts";
import { NQN, NVME_PORTALS } from "./fake_nvme.ts";
import { serialOf, SIZE_BYTES } from "./fake_scsi.ts";

const WWPNS = ["524a937000000001", "524a937000000011"];
const OTHER_ARRAY = {
  target: "iqn.2010-06.com.purestorage:flasharray.2",
  portal: "192.0.2.9:3260",
  wwpn: "524a937b00000001",
  nqn: "nqn.2010-06.com.purestorage:flasharray.2",
};
/** Folder of the simulator's local plane. */
export const PLANE = "/plane";

/** One protocol for block volumes, on one fake host. */
export interface BlockBed {
  attachment(volume: number, sizeBytes?: number): BlockAttachment;
  /** The array shows a volume to this host, or shows it in another size. */
  publish(volume: number, sizeBytes?: number): void;
  unpublish(volume: number): void;
  /** Names of the iSCSI targets or NVMe subsystems that attach() logs in to. */
  targets: string[];
  /** Names of everything that the host has of volumes: paths, maps, namespaces, loop devices. */
  devices(): string[];
  /** Names of the sessions or connections of this host; none where there are no such. */
  sessions(): string[];
  /** Another array shows the same serial number to this host, by somebody else's session. */
  showByOtherArray?(volume: number): void;
  /** Somebody ends the session or connection by the second portal. */
  loseSession?(): void;
  /** A session to another array that somebody else made, and that carries nothing. */
  addForeignSession?(): void;
  /** Adds a device of this kind that is no volume of a FlashArray, and gives its name. */
  addForeignDevice(): string;
}

type MakeBlockBed = (fake: FakeHost) => BlockBed;

function blockFacts(volume: number, sizeBytes = SIZE_BYTES) {
  return { serial: serialOf(volume), sizeBytes, everWritten: true };
}

function scsiBed(
  fake: FakeHost,
  own: Pick<
    BlockBed,
    "attachment" | "targets" | "sessions" | "showByOtherArray" | "addForeignSession" | "loseSession"
  >,
): BlockBed {
  return {
    publish: (volume, sizeBytes = SIZE_BYTES) => {
      fake.scsi.luns.set(volume, volume);
      fake.scsi.sizes.set(volume, sizeBytes);
    },
    unpublish: (volume) => void fake.scsi.luns.delete(volume),
    devices: () => fake.list("/sys/class/block").filter((name) => /^(sd|dm-)/.test(name)),
    addForeignDevice: () => {
      const disk = fake.scsi.addDisk({ session: 8, lun: 0, volume: 99 });
      fake.write(`/sys/class/block/${disk}/device/wwid`, "naa.600140512345678901234567890abcde");
      return disk;
    },
    ...own,
  };
}

const iscsi: MakeBlockBed = (fake) =>
  scsiBed(fake, {
    attachment: (volume, sizeBytes) => ({
      protocol: "iscsi",
      lun: volume,
      targets: PORTALS.map((portal) => ({ iqn: TARGET, portal })),
      ...blockFacts(volume, sizeBytes),
    }),
    targets: [TARGET],
    sessions: () => fake.iscsi.sessions,
    loseSession: () => fake.iscsi.removeSession(2),
    showByOtherArray: (volume) => {
      const { target, portal } = OTHER_ARRAY;
      fake.iscsi.addSession(9, portal, { target, iface: "default" });
      fake.scsi.addDisk({ session: 9, lun: 1, volume });
    },
    addForeignSession: () => {
      const { target, portal } = OTHER_ARRAY;
      fake.iscsi.addSession(9, portal, { target, iface: "default" });
    },
  });

function addFcPorts(fake: FakeHost): void {
  WWPNS.forEach((wwpn, index) => fake.scsi.addRemotePort(3 + index, { wwpn, target: 2 - index }));
}

const fc: MakeBlockBed = (fake) => {
  addFcPorts(fake);
  return scsiBed(fake, {
    attachment: (volume, sizeBytes) => ({
      protocol: "fc",
      lun: volume,
      wwpns: WWPNS,
      ...blockFacts(volume, sizeBytes),
    }),
    targets: [],
    sessions: () => [],
    showByOtherArray: (volume) => {
      fake.scsi.addRemotePort(9, { wwpn: OTHER_ARRAY.wwpn, target: 0 });
      fake.scsi.addDisk({ session: 9, lun: 1, volume });
    },
  });
};

function nvmeBed(fake: FakeHost, attachment: BlockBed["attachment"]): BlockBed {
  const foreign = { transport: "tcp", traddr: "192.0.2.9", trsvcid: "4420" } as const;
  return {
    attachment,
    publish: (volume, sizeBytes) => fake.nvme.publish(volume, { sizeBytes }),
    unpublish: (volume) => fake.nvme.unpublish(volume),
    targets: [NQN],
    devices: () => fake.nvme.namespaces,
    sessions: () => fake.nvme.controllers,
    loseSession: () => fake.nvme.removeController(fake.nvme.controllers.at(-1) ?? ""),
    showByOtherArray: (volume) => {
      fake.nvme.unpublish(volume);
      fake.nvme.publish(volume, { nqn: OTHER_ARRAY.nqn });
      fake.nvme.addController({ nqn: OTHER_ARRAY.nqn, ...foreign });
    },
    addForeignSession: () => void fake.nvme.addController({ nqn: OTHER_ARRAY.nqn, ...foreign }),
    addForeignDevice: () => {
      const folder = "/sys/class/block/nvme9n1";
      fake.blockDevice(folder, { number: "259:99", sizeBytes: SIZE_BYTES });
      fake.write(`${folder}/wwid`, "eui.0025385471b0a1b2");
      return "nvme9n1";
    },
  };
}

const nvmeByIp = (protocol: "nvme-tcp" | "nvme-roce"): MakeBlockBed => (fake) =>
  nvmeBed(fake, (volume, sizeBytes) => ({
    protocol,
    nqn: NQN,
    portals: NVME_PORTALS,
    ...blockFacts(volume, sizeBytes),
  }));

const nvmeFc: MakeBlockBed = (fake) => {
  addFcPorts(fake);
  return nvmeBed(fake, (volume, sizeBytes) => ({
    protocol: "nvme-fc",
    nqn: NQN,
    wwpns: WWPNS,
    ...blockFacts(volume, sizeBytes),
  }));
};

const localBlock: MakeBlockBed = (fake) => {
  const image = (volume: number) => `${PLANE}/fa-1/images/${volume}`;
  const link = (volume: number) => `${PLANE}/fa-1/hosts/n1/${volume}`;
  return {
    attachment: (volume, sizeBytes) => ({
      protocol: "local",
      type: "block",
      array: "fa-1",
      host: "n1",
      lun: volume,
      ...blockFacts(volume, sizeBytes),
    }),
    publish: (volume, sizeBytes = SIZE_BYTES) => {
      if (!fake.has(image(volume))) fake.write(image(volume), "");
      Deno.truncateSync(fake.root + image(volume), sizeBytes);
      if (!fake.has(link(volume))) fake.link(link(volume), `../../images/${volume}`);
    },
    unpublish: (volume) => fake.remove(link(volume)),
    targets: [],
    devices: () => fake.loop.devices,
    sessions: () => [],
    addForeignDevice: () => {
      fake.write("/srv/other.img", "");
      return fake.loop.attach("/srv/other.img");
    },
  };
};

/** One protocol for file systems, on one fake host. */
export interface FileBed {
  attachment(fileSystem: number): FileAttachment;
  /** The array exports the file system to this host. */
  publish(fileSystem: number): void;
}

const nfs = (fake: FakeHost): FileBed => {
  const exported = new Set<string>();
  fake.onTool.set("mount", (args) => {
    if (exported.has(args.at(-2) ?? "")) return undefined;
    const said = "mount.nfs: mounting failed, reason given by server: No such file or directory";
    return { code: 32, stderr: said };
  });
  return {
    attachment: (number) => ({ protocol: "nfs", address: "192.0.2.7", path: `/fs-${number}` }),
    publish: (number) => void exported.add(`192.0.2.7:/fs-${number}`),
  };
};

const localFile = (fake: FakeHost): FileBed => ({
  attachment: (number) => ({
    protocol: "local",
    type: "file",
    array: "fb-1",
    fileSystem: `fs-${number}`,
  }),
  publish: (number) => {
    const image = `${PLANE}/fb-1/images/id-${number}`;
    fake.write(image, "");
    fake.folder(`${PLANE}/fb-1/fs/id-${number}`);
    fake.link(`${PLANE}/fb-1/hosts/192.0.2.9/fs-${number}`, `../../fs/id-${number}`);
    fake.loop.attach(image);
  },
});

export type BlockProtocol = BlockAttachment["protocol"];
export type FileProtocol = FileAttachment["protocol"];

/** A bed for every protocol that serves block volumes. */
export const BLOCK_BEDS: Record<BlockProtocol, MakeBlockBed> = {
  iscsi,
  fc,
  "nvme-tcp": nvmeByIp("nvme-tcp"),
  "nvme-roce": nvmeByIp("nvme-roce"),
  "nvme-fc": nvmeFc,
  local: localBlock,
};

/** A bed for every protocol that serves file systems. */
export const FILE_BEDS: Record<FileProtocol, (fake: FakeHost) => FileBed> = {
  nfs,
  local: localFile,
};

/** Protocols that have a bed of either kind. */
export const BEDS: Record<"block" | "file", Protocol[]> = {
  block: Object.keys(BLOCK_BEDS) as Protocol[],
  file: Object.keys(FILE_BEDS) as Protocol[],
};
