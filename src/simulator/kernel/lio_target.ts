import { printHostPort } from "../../net/address.ts";
import {
  attribute,
  endObject,
  ensureAttribute,
  linkObject,
  linksIn,
  linkTarget,
  makeObject,
  objectsIn,
  setAttribute,
} from "./configfs.ts";
import type { AccessState, Chap, PlaneHost, PlaneVolume } from "../plane.ts";

/** IANA's number for iSCSI targets. */
const ISCSI_PORT = 3260;
/** What LIO takes for "not set" in names and passwords of CHAP. */
const UNSET = "NULL";
/** Name of the target port group of volumes that other arrays show too. */
const ALUA_GROUP = "pod";
/** LIO's numbers for states of ALUA (SPC-4, 6.37). */
const ALUA_STATES: Record<AccessState, string> = { optimized: "0", "non-optimized": "1" };

/** States that initiators cannot set. */
const ALUA_IMPLICIT = "1";

/** What identifies an array to iSCSI initiators, and where it is served. */
interface LioTargetOptions {
  /** Where configfs is seen. */
  configfs: string;
  /** UUID of the array. */
  arrayId: string;
  iqn: string;
  portals: readonly string[];
  imagePath: (id: string) => string;
}

/** What one initiator may reach. */
interface Access {
  chap: Chap;
  /** LUN → volume. */
  luns: Map<number, PlaneVolume>;
}

/** A volume that hosts may reach. */
interface Served {
  volume: PlaneVolume;
  /** LIO tells one state to all hosts: the best that one of them has. */
  access?: AccessState;
}

/**
 * The iSCSI target of one array in the kernel's LIO: one portal group with all portals, one ACL for
 * each IQN of a host object, whose LUNs are the host's connections, one fileio backstore for each
 * volume that is connected. Backstores carry Pure's vendor, product and NAA number. Only what bears
 * the array's IQN or stands below its own HBA number is ever touched. Methods are safe to repeat.
 */
export class LioTarget {
  readonly #options: LioTargetOptions;
  readonly #group: string;
  readonly #hba: string;
  /** Number of the target port group, from 1 on: 0 is the group that LIO makes itself. */
  readonly #aluaId: string;

  constructor(options: LioTargetOptions) {
    this.#options = options;
    const digits = options.arrayId.replaceAll("-", "");
    this.#aluaId = `${1 + parseInt(digits.slice(0, 7), 16) % 65_535}`;
    const target = `${options.configfs}/target`;
    this.#group = `${target}/iscsi/${options.iqn}/tpgt_1`;
    // A number of its own for each array, far above those that targetcli counts up from 0.
    this.#hba = `${target}/core/fileio_${0x1000_0000 + parseInt(digits.slice(0, 7), 16)}`;
  }

  /**
   * Makes the target equal to what these hosts, all of the array's, may reach. Initiators that keep
   * what they have notice nothing.
   */
  show(hosts: PlaneHost[]): void {
    const access = accessOf(hosts);
    const served = servedTo(hosts);
    const volumes = new Map([...served].map(([id, { volume }]) => [id, volume]));
    for (const iqn of objectsIn(`${this.#group}/acls`)) this.#cutOff(iqn, access.get(iqn));
    this.#dropVolumes(volumes);
    this.#prepare();
    for (const one of served.values()) this.#serve(one);
    for (const [iqn, allowed] of access) this.#letIn(iqn, allowed);
    // Last, so that no initiator that comes back after a restart sees half of its LUNs.
    ensureAttribute(`${this.#group}/enable`, "1");
  }

  /** Initiators that look again see the new size. A volume that is not served changes nothing. */
  resized(volume: PlaneVolume): void {
    const backstore = `${this.#hba}/${volume.id}`;
    if (attribute(`${backstore}/enable`) === "1") {
      setAttribute(`${backstore}/control`, `fd_dev_size=${volume.sizeBytes}`);
    }
  }

  /** Takes away everything that show() makes. */
  stop(): void {
    if (attribute(`${this.#group}/enable`) !== undefined) {
      ensureAttribute(`${this.#group}/enable`, "0");
    }
    for (const iqn of objectsIn(`${this.#group}/acls`)) this.#cutOff(iqn, undefined);
    this.#dropVolumes(new Map());
    for (const portal of objectsIn(`${this.#group}/np`)) endObject(`${this.#group}/np/${portal}`);
    endObject(this.#group);
    endObject(this.#group.slice(0, -"/tpgt_1".length));
    endObject(this.#hba);
  }

  #prepare(): void {
    makeObject(this.#group);
    // Only initiators with an ACL, and CHAP for those whose host object has it (#letIn).
    ensureAttribute(`${this.#group}/attrib/generate_node_acls`, "0");
    ensureAttribute(`${this.#group}/attrib/authentication`, "0");
    for (const portal of this.#options.portals) {
      makeObject(
        `${this.#group}/np/${printHostPort({ host: portal, port: ISCSI_PORT })}`,
      );
    }
  }

  /**
   * Takes away the LUNs that an initiator may not have any more, and with `undefined` the initiator
   * itself: its sessions end.
   */
  #cutOff(iqn: string, allowed: Access | undefined): void {
    const acl = `${this.#group}/acls/${iqn}`;
    for (const name of objectsIn(acl, "lun_")) {
      const volume = allowed?.luns.get(Number(name.slice("lun_".length)));
      const isRight = volume !== undefined && this.#isRight(volume) &&
        linksIn(`${acl}/${name}`).some((link) =>
          linkTarget(`${acl}/${name}/${link}`)?.endsWith(`/${lunOf(volume)}`)
        );
      if (!isRight) removeLinked(`${acl}/${name}`);
    }
    if (allowed === undefined) endObject(acl);
  }

  /**
   * Ends the LUNs and backstores of volumes that nobody may reach any more, and those that a crash
   * left half made.
   */
  #dropVolumes(volumes: ReadonlyMap<string, PlaneVolume>): void {
    const right = new Map(
      [...volumes.values()].filter((volume) => this.#isRight(volume)).map((
        volume,
      ) => [lunOf(volume), volume]),
    );
    for (const name of objectsIn(`${this.#group}/lun`, "lun_")) {
      const lun = `${this.#group}/lun/${name}`;
      const id = right.get(name)?.id;
      const isRight = id !== undefined &&
        linksIn(lun).some((link) => linkTarget(`${lun}/${link}`)?.endsWith(`/${id}`));
      if (!isRight) removeLinked(lun);
    }
    for (const id of objectsIn(this.#hba)) {
      const volume = volumes.get(id);
      if (volume === undefined || !this.#isRight(volume)) this.#endBackstore(id);
    }
  }

  /** Whether the volume has a whole backstore over its image. */
  #isRight({ id }: PlaneVolume): boolean {
    const backstore = `${this.#hba}/${id}`;
    return attribute(`${backstore}/enable`) === "1" &&
      this.#fact(id, "File") === this.#options.imagePath(id);
  }

  /** A figure of the backstore's status: `File: /x  Size: 1048576  Mode: …`. */
  #fact(id: string, name: "File" | "Size"): string | undefined {
    return new RegExp(`${name}: (.*?)  `).exec(attribute(`${this.#hba}/${id}/info`) ?? "")?.[1];
  }

  #serve({ volume, access }: Served): void {
    const { id, serial, sizeBytes } = volume;
    const backstore = `${this.#hba}/${id}`;
    if (attribute(`${backstore}/enable`) !== "1") {
      makeObject(backstore);
      // Buffered: the page cache of the image is one with what the simulator copies from.
      setAttribute(
        `${backstore}/control`,
        `fd_dev_name=${this.#options.imagePath(id)},fd_dev_size=${sizeBytes},fd_buffered_io=1`,
      );
      setAttribute(`${backstore}/wwn/vendor_id`, "PURE");
      setAttribute(`${backstore}/wwn/product_id`, "FlashArray");
      setAttribute(`${backstore}/wwn/revision`, "8888");
      setAttribute(`${backstore}/wwn/company_id`, "0x24a937");
      // NAA 6 is 6, 24a937 and the first 25 hex digits of this: 624a9370, then the serial number.
      setAttribute(`${backstore}/wwn/vpd_unit_serial`, `0${serial}`);
      setAttribute(`${backstore}/enable`, "1");
    }
    if (this.#fact(id, "Size") !== String(sizeBytes)) this.resized(volume);
    // UNMAP and WRITE SAME with UNMAP, as thin volumes have.
    for (const name of ["emulate_tpu", "emulate_tpws"]) {
      ensureAttribute(`${backstore}/attrib/${name}`, "1");
    }
    const lun = `${this.#group}/lun/${lunOf(volume)}`;
    makeObject(lun);
    linkObject(backstore, `${lun}/backstore`);
    if (access) this.#setAccess(backstore, { lun, access });
  }

  /**
   * Puts the LUN into a target port group of this array's own: initiators tell by its number which
   * paths lead to which array, and by its state which are better.
   */
  #setAccess(backstore: string, { lun, access }: { lun: string; access: AccessState }): void {
    const group = `${backstore}/alua/${ALUA_GROUP}`;
    makeObject(group);
    ensureAttribute(`${group}/tg_pt_gp_id`, this.#aluaId);
    // The array alone decides: else hosts make what they fail over to the better one.
    if (attribute(`${group}/alua_access_type`) !== "Implicit") {
      setAttribute(`${group}/alua_access_type`, ALUA_IMPLICIT);
    }
    ensureAttribute(`${group}/alua_access_state`, ALUA_STATES[access]);
    if (!attribute(`${lun}/alua_tg_pt_gp`)?.includes(`Alias: ${ALUA_GROUP}\n`)) {
      setAttribute(`${lun}/alua_tg_pt_gp`, ALUA_GROUP);
    }
  }

  /** Ends a backstore with the target port group that it may have. */
  #endBackstore(id: string): void {
    endObject(`${this.#hba}/${id}/alua/${ALUA_GROUP}`);
    endObject(`${this.#hba}/${id}`);
  }

  #letIn(iqn: string, { chap, luns }: Access): void {
    const acl = `${this.#group}/acls/${iqn}`;
    makeObject(acl);
    const wanted = {
      userid: chap.hostUser,
      password: chap.hostPassword,
      userid_mutual: chap.targetUser,
      password_mutual: chap.targetPassword,
    };
    for (const [name, value] of Object.entries(wanted)) {
      // An attribute that was never set reads back empty or as LIO's word for it.
      const now = attribute(`${acl}/auth/${name}`) ?? "";
      if (value !== null || (now !== "" && now !== UNSET)) {
        ensureAttribute(`${acl}/auth/${name}`, value ?? UNSET);
      }
    }
    ensureAttribute(`${acl}/attrib/authentication`, chap.hostPassword === null ? "0" : "1");
    for (const [lun, volume] of luns) {
      makeObject(`${acl}/lun_${lun}`);
      linkObject(`${this.#group}/lun/${lunOf(volume)}`, `${acl}/lun_${lun}/backstore`);
    }
  }
}

function servedTo(hosts: PlaneHost[]): Map<string, Served> {
  const served = new Map<string, Served>();
  for (const { iqns, connections } of hosts) {
    for (const { volume, access } of iqns.length > 0 ? connections : []) {
      const before = served.get(volume.id)?.access;
      served.set(volume.id, { volume, access: before === "optimized" ? before : access });
    }
  }
  return served;
}

function accessOf(hosts: PlaneHost[]): Map<string, Access> {
  return new Map(hosts.flatMap(({ iqns, chap, connections }) => {
    const luns = new Map(connections.map(({ lun, volume }) => [lun, volume]));
    return iqns.map((iqn): [string, Access] => [iqn, { chap, luns }]);
  }));
}

/**
 * The LUN of the portal group, which no initiator sees: the array's own count in the serial number,
 * which is never given twice.
 */
function lunOf({ serial }: PlaneVolume): string {
  return `lun_${parseInt(serial.slice(-8), 16)}`;
}

/** Ends an object with the connections that it holds. */
function removeLinked(path: string): void {
  for (const link of linksIn(path)) endObject(`${path}/${link}`);
  endObject(path);
}
