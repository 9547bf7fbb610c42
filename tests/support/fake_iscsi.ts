/** iSCSI sessions of the fake host: sysfs, and iscsiadm that makes and ends them. */
import type { Answer, FakeScsi } from "./fake_scsi.ts";
import type { HostFiles } from "./host_files.ts";

export const TARGET = "iqn.2010-06.com.purestorage:flasharray.1";
export const PORTALS = ["192.0.2.1:3260", "192.0.2.2:3260"];
/**
 * iscsiadm(8), exit status, as recorded of 2.1.8: the interface of a record is not there; the
 * portal did not answer; a session is there already; nothing of that name.
 */
const [NO_INTERFACE, NO_ANSWER, SESSION_EXISTS, NOTHING_FOUND] = [3, 8, 15, 21];
/** The file of a record is broken; only making one says so (seen of 2.1.8). */
const DATABASE_FAILURE = 6;
const OURS = "pure-csi";
const SESSIONS = "/sys/class/iscsi_session";
const CONNECTIONS = "/sys/class/iscsi_connection";

interface SessionFacts {
  iface?: string;
  target?: string;
  state?: string;
}

export class FakeIscsi {
  readonly #files: HostFiles;
  readonly #scsi: FakeScsi;
  readonly deadPortals = new Set<string>();
  /** Settings of the node record of each portal. */
  readonly records = new Map<string, Map<string, string>>();
  /** The interface that our records name is there. */
  hasInterface = true;
  /** What iscsiadm ends with at a log-in to a portal, in place of a session. */
  readonly loginCodes = new Map<string, number>();

  constructor(files: HostFiles, scsi: FakeScsi) {
    this.#files = files;
    this.#scsi = scsi;
  }

  get sessions(): string[] {
    return this.#files.list(SESSIONS);
  }

  /** Adds a session to a portal; one of ours has its record. */
  addSession(
    number: number,
    portal: string,
    { iface = OURS, target = TARGET, state = "LOGGED_IN" }: SessionFacts = {},
  ): void {
    const device =
      `/sys/devices/platform/host${number}/session${number}/iscsi_session/session${number}`;
    const texts = { targetname: target, state, ifacename: iface, target_id: "0" };
    for (const [file, text] of Object.entries(texts)) this.#files.write(`${device}/${file}`, text);
    this.#files.link(`${SESSIONS}/session${number}`, `../..${device.slice("/sys".length)}`);
    const [, address = "", port = ""] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(portal) ?? [];
    const connection = `${CONNECTIONS}/connection${number}:0`;
    this.#files.write(`${connection}/persistent_address`, address);
    this.#files.write(`${connection}/persistent_port`, port);
    this.#files.write(`/sys/class/scsi_host/host${number}/state`, "running");
    if (iface !== OURS || this.records.has(portal)) return;
    this.records.set(portal, new Map());
  }

  /** Takes a session away, with its disks, as a logout does. */
  removeSession(number: number): void {
    for (const hctl of this.#scsi.devices.filter((one) => one.startsWith(`${number}:`))) {
      this.#scsi.removeDevice(hctl);
    }
    this.#files.remove(`${SESSIONS}/session${number}`);
    this.#files.remove(`${CONNECTIONS}/connection${number}:0`);
    this.#files.remove(`/sys/devices/platform/host${number}`);
  }

  /** The modes `node`, `iface` and `session` of iscsiadm(8), as far as the driver uses them. */
  iscsiadm(args: string[]): Answer {
    const after = (option: string) => args[args.indexOf(option) + 1] ?? "";
    const [portal, target] = [after("-p"), after("-T")];
    if (args.includes("iface")) return this.#addInterface();
    if (this.#files.has(recordFile(portal, target))) {
      return { code: args.includes("new") ? DATABASE_FAILURE : NOTHING_FOUND };
    }
    if (args.includes("--login")) return this.#login(portal, target);
    if (args.includes("--logout")) {
      const name = args.includes("session")
        ? `session${after("-r")}`
        : this.records.has(portal)
        ? this.#sessionTo(portal, target)
        : undefined;
      if (name === undefined) return { code: NOTHING_FOUND };
      this.removeSession(Number(name.slice("session".length)));
      return {};
    }
    const record = this.records.get(portal);
    if (args.includes("delete")) return { code: this.records.delete(portal) ? 0 : NOTHING_FOUND };
    if (args.includes("new") && !this.hasInterface) return { code: NO_INTERFACE };
    if (args.includes("new")) this.records.set(portal, new Map());
    if (args.includes("update") && !record) return { code: NOTHING_FOUND };
    args.forEach((word, index) =>
      word === "-n" && record?.set(args[index + 1] ?? "", args[index + 3] ?? "")
    );
    return {};
  }

  #addInterface(): Answer {
    this.hasInterface = true;
    const isInUse = this.sessions.some((name) =>
      this.#files.read(`${SESSIONS}/${name}/ifacename`) === OURS
    );
    return { code: isInUse ? SESSION_EXISTS : 0 };
  }

  #login(portal: string, target: string): Answer {
    if (!this.records.has(portal)) return { code: NOTHING_FOUND };
    if (this.deadPortals.has(portal)) return { code: NO_ANSWER };
    if (this.#sessionTo(portal, target)) return { code: SESSION_EXISTS };
    const code = this.loginCodes.get(portal);
    if (code !== undefined) return { code };
    let number = PORTALS.indexOf(portal) + 1;
    if (number === 0) number = PORTALS.length + 1;
    while (this.sessions.includes(`session${number}`)) number++;
    this.addSession(number, portal, { target });
    return {};
  }

  #sessionTo(portal: string, target: string): string | undefined {
    return this.sessions.find((name) => {
      const connection = `${CONNECTIONS}/connection${name.slice("session".length)}:0`;
      const read = (file: string) => this.#files.read(`${connection}/${file}`);
      const address = read("persistent_address");
      const host = address.includes(":") ? `[${address}]` : address;
      return this.#files.read(`${SESSIONS}/${name}/targetname`) === target &&
        `${host}:${read("persistent_port")}` === portal;
    });
  }
}

/** Where open-iscsi of Debian has the record of a portal. Here only a broken record has a file. */
export function recordFile(portal: string, target = TARGET): string {
  return `/etc/iscsi/nodes/${target}/${portal.replace(/:(\d+)$/, ",$1").replaceAll(/[[\]]/g, "")}`;
}
