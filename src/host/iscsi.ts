import { addressKey, type HostPort, printHostPort, withoutBrackets } from "../net/address.ts";
import type { ChapCredentials } from "../chap.ts";
import { isPsoError, PsoError } from "../errors.ts";
import type { IscsiPortal } from "../handoff.ts";
import { until } from "../async/wait.ts";
import { type Host, listHostFolder, readHostText } from "./host.ts";
import { isStorageName, storageNameFault } from "../storage_names.ts";
import { readPortal } from "./portal.ts";
import { scsiRoutes } from "./scsi.ts";
import { readHostLink } from "./sysfs.ts";

/**
 * The open-iscsi interface that our sessions go by. The kernel shows this name with each session,
 * so we recognise our own sessions after any crash without keeping a record of them. The interface
 * is bound to no network card.
 */
const IFACE = "pure-csi";
const SESSIONS = "/sys/class/iscsi_session";
const CONNECTIONS = "/sys/class/iscsi_connection";
/** The record's file cannot be read or written (iscsiadm(8), exit 6). */
const DATABASE_FAILURE = 6;
/** The portal did not answer (iscsiadm(8), exit 8). */
const NO_ANSWER = 8;
/** The session, or the interface, exists already (iscsiadm(8), exit 15). */
const SESSION_EXISTS = 15;
/**
 * The login failed for good (iscsiadm(8), exit 19). iscsiadm 2.1.8 ends like this when the target
 * does not prove itself by CHAP.
 */
const FAILED_FOR_GOOD = 19;
/** There is no such session, record or interface (iscsiadm(8), exit 21). */
const NOTHING_FOUND = 21;
/** The target refused the login (iscsiadm(8), exit 24). */
const REFUSED = 24;
const LOGOUT_TIMEOUT_MS = 30_000;
/** RFC 3720. */
const DEFAULT_PORT = 3260;

/** One iSCSI session of this host, from sysfs. */
export interface IscsiSession {
  /** `session3` */
  name: string;
  iqn: string;
  address: string;
  port: number;
  /** `LOGGED_IN`, `FAILED` (iscsid is logging in again), `FREE`. */
  state: string;
  /** True when this driver logged in. */
  isOurs: boolean;
  scsiHost: number;
  scsiTarget: number;
}

/** How login() makes a session. */
export interface LoginOptions {
  /** How long iscsid waits for one answer of the target. */
  timeoutSeconds: number;
  /**
   * How long I/O waits for a lost session before it fails. Short below multipath, which then uses
   * another path; long without multipath.
   */
  replacementSeconds: number;
  /**
   * Absent: log in without CHAP. `kept`: use the credentials that the open-iscsi record of this
   * portal holds, for a process that was never given them.
   */
  chap?: ChapCredentials | "kept";
}

function placeOf({ portal }: IscsiPortal): Required<HostPort> {
  return readPortal(portal, { protocol: "iSCSI", defaultPort: DEFAULT_PORT });
}

/** One text for one portal of a target, however its address is spelled: the key of its queue. */
export function portalKey(target: IscsiPortal): string {
  const { host, port } = placeOf(target);
  return `${target.iqn} ${addressKey(host)} ${port}`;
}

/** True when the session goes to this portal of this target. */
export function isSessionTo(session: IscsiSession, target: IscsiPortal): boolean {
  const { iqn, address, port } = session;
  return iqn === target.iqn &&
    `${iqn} ${addressKey(address)} ${port}` === portalKey(target);
}

/**
 * All iSCSI sessions of this host. Read from sysfs, because iscsiadm lists none of them when one
 * record, which may be somebody else's, is broken.
 */
export async function listSessions(host: Host): Promise<IscsiSession[]> {
  const connections = await listHostFolder(host, CONNECTIONS);
  const sessions: IscsiSession[] = [];
  for (const name of await listHostFolder(host, SESSIONS)) {
    const connection = connections.find((one) =>
      one.startsWith(`connection${name.slice("session".length)}:`)
    );
    const session = connection === undefined
      ? undefined
      : await readSession(host, name, connection);
    if (session) sessions.push(session);
  }
  return sessions;
}

async function readSession(
  host: Host,
  name: string,
  connection: string,
): Promise<IscsiSession | undefined> {
  const read = async (path: string) => await readHostText(host, path) ?? "";
  const [iqn, state, iface, target, address, port, link] = await Promise.all([
    ...["targetname", "state", "ifacename", "target_id"].map((file) =>
      read(`${SESSIONS}/${name}/${file}`)
    ),
    ...["persistent_address", "persistent_port"].map((file) =>
      read(`${CONNECTIONS}/${connection}/${file}`)
    ),
    readHostLink(host, `${SESSIONS}/${name}`),
  ]);
  const scsiHost = /\/host(\d+)\//.exec(link ?? "")?.[1];
  // The kernel removes these files one after the other when a session ends.
  if (!iqn || !address || !port || scsiHost === undefined) return undefined;
  return {
    name,
    iqn,
    address,
    port: Number(port),
    state: state ?? "",
    isOurs: iface === IFACE,
    scsiHost: Number(scsiHost),
    scsiTarget: Number(target || 0),
  };
}

/**
 * The arguments by which iscsiadm knows the record of a portal of a target. `invalid` for a name
 * that is none: open-iscsi makes folders of it, as root.
 */
function recordArguments(iqn: string, place: HostPort): string[] {
  const fault = storageNameFault("target", iqn);
  if (fault !== undefined) throw new PsoError("invalid", `${fault}: correct it on the array`);
  return ["-m", "node", "-T", iqn, "-p", printHostPort(place), "-I", IFACE];
}

/** The settings of a node record (iscsid.conf(5)) in which we differ from the host's defaults. */
function settingsOf(
  { timeoutSeconds, replacementSeconds, chap }: LoginOptions,
): [string, string][] {
  const settings: [string, string][] = [
    ["node.startup", "manual"],
    ["node.session.scan", "manual"], // a login must attach no LUN that nobody asked for
    ["node.conn[0].timeo.login_timeout", String(timeoutSeconds)],
    // kubelet calls again; open-iscsi's own eight tries would delay the other portals
    ["node.session.initial_login_retry_max", "1"],
    ["node.session.timeo.replacement_timeout", String(replacementSeconds)],
  ];
  if (!chap || chap === "kept") return settings;
  const { host, target } = chap;
  settings.push(["node.session.auth.authmethod", "CHAP"]);
  settings.push(["node.session.auth.username", host.user], [
    "node.session.auth.password",
    host.password.reveal(),
  ]);
  if (!target) return settings;
  settings.push(["node.session.auth.username_in", target.user], [
    "node.session.auth.password_in",
    target.password.reveal(),
  ]);
  return settings;
}

/**
 * Logs in to one portal, without discovery, and returns the session as sysfs shows it. If a session
 * to that portal exists, it is returned, whoever made it. `timeout` when the portal does not
 * answer, `denied` when the target refuses us or does not prove itself by CHAP, `unavailable` for
 * every other failure. iscsid reads CHAP passwords from the node record, a file that only root can
 * read. iscsiadm takes them as arguments only, so `ps` on the host can show them for a moment.
 */
export async function login(
  host: Host,
  target: IscsiPortal,
  options: LoginOptions,
  signal?: AbortSignal,
): Promise<IscsiSession> {
  const existing = (await listSessions(host)).find((session) => isSessionTo(session, target));
  if (existing) return existing;
  const { chap } = options;
  const { host: ours, target: theirs } = chap === undefined || chap === "kept" ? {} : chap;
  const secrets = [ours, theirs].map((side) => side?.password.reveal() ?? "");
  const record = recordArguments(target.iqn, placeOf(target));
  // Longer than iscsid's own time-outs for one login, so that iscsiadm tells us what failed.
  const timeoutMs = (options.timeoutSeconds * 2 + 10) * 1000;
  const okCodes = [0, SESSION_EXISTS, REFUSED, NO_ANSWER, ...(theirs ? [FAILED_FOR_GOOD] : [])];
  let isNew = options.chap !== "kept";
  try {
    isNew = await writeRecord(host, target, { options, secrets }, signal);
    const { code } = await host.run("iscsiadm", [...record, "--login"], {
      okCodes,
      timeoutMs,
      signal,
      secrets,
    });
    if (code === REFUSED) throw refused(target, chap);
    if (code === NO_ANSWER) {
      throw new PsoError(
        "timeout",
        `portal ${target.portal} of target ${target.iqn} does not answer this node: check the ` +
          "network from this node to that address and port",
      );
    }
    if (code === FAILED_FOR_GOOD) throw unproven(target);
  } catch (error) {
    if (isNew) await forget(host, target);
    throw error;
  }
  const made = (await listSessions(host)).find((session) => isSessionTo(session, target));
  if (made) return made;
  throw new PsoError(
    "unavailable",
    `iscsiadm logged in to ${target.portal} of ${target.iqn}, and the kernel shows no such ` +
      "session: see the log of iscsid on this node; kubelet will try again",
  );
}

/** The record that writeRecord() writes. */
interface RecordPlan {
  options: LoginOptions;
  /** What must not appear in logs and messages. */
  secrets: string[];
}

/**
 * Writes the open-iscsi record of a portal; true when it is a new one. A new record starts from the
 * host's defaults and so has no CHAP credentials: with `kept` an existing record is changed in
 * place. Makes our interface when the host does not have it yet.
 */
async function writeRecord(
  host: Host,
  target: IscsiPortal,
  { options, secrets }: RecordPlan,
  signal?: AbortSignal,
): Promise<boolean> {
  const record = recordArguments(target.iqn, placeOf(target));
  const settings = settingsOf(options).flatMap(([name, value]) => ["-n", name, "-v", value]);
  const update = () =>
    host.run("iscsiadm", [...record, "-o", "update", ...settings], {
      okCodes: [0, NOTHING_FOUND],
      signal,
      secrets,
    });
  if (options.chap === "kept" && (await update()).code === 0) return false;
  const make = async () => {
    const { code } = await host.run("iscsiadm", [...record, "-o", "new"], {
      okCodes: [0, DATABASE_FAILURE],
      signal,
    });
    if (code === 0) return;
    await removeBrokenRecord(host, target, signal);
    await host.run("iscsiadm", [...record, "-o", "new"], { signal });
  };
  try {
    await make();
  } catch (error) {
    if (!isPsoError(error, "unavailable")) throw error;
    // Most likely the interface is missing. If it is there after all and a session uses it,
    // iscsiadm refuses to write it again, which is fine.
    await host.run("iscsiadm", ["-m", "iface", "-I", IFACE, "-o", "new"], {
      okCodes: [0, SESSION_EXISTS],
      signal,
    });
    await make();
  }
  const { code } = await update();
  if (code !== NOTHING_FOUND) return true;
  throw new PsoError(
    "unavailable",
    `the open-iscsi record of ${target.iqn} at ${target.portal} disappeared right after it was ` +
      "made: does something else on this node delete open-iscsi records? kubelet will try again",
  );
}

/** Where open-iscsi keeps its records: on Debian, and on RHEL. */
const RECORD_FOLDERS = ["/etc/iscsi/nodes", "/var/lib/iscsi/nodes"];

/**
 * Removes the file of a portal's record when it is empty, zeroed or cut off, as a power cut leaves
 * it: iscsiadm can then neither write nor delete the record. A file that ends as a whole record
 * does stays, whatever else is wrong with it.
 */
async function removeBrokenRecord(
  host: Host,
  target: IscsiPortal,
  signal?: AbortSignal,
): Promise<void> {
  const place = placeOf(target);
  for (const folder of RECORD_FOLDERS) {
    const path = `${folder}/${target.iqn}/${place.host},${place.port}`;
    const text = await readHostText(host, path);
    if (text === undefined || text.endsWith("# END RECORD")) continue;
    await host.run("rm", ["-f", path], { signal });
  }
}

function refused({ iqn, portal }: IscsiPortal, chap: LoginOptions["chap"]): PsoError {
  const fix = chap
    ? "the CHAP name or password is not the one that it has for this host; check the class's " +
      "secret and the host on the array"
    : "it has no such host, or it wants CHAP and the class names no secret for the node stage; " +
      "check this node's IQN on the array, or name a secret in the class";
  return new PsoError("denied", `target ${iqn} refused the login at ${portal}: ${fix}`);
}

function unproven({ iqn, portal }: IscsiPortal): PsoError {
  return new PsoError(
    "denied",
    `login to target ${iqn} at ${portal} failed for good: most likely the target did not prove ` +
      "itself by the CHAP name and password that the class's secret has for it (username_in, " +
      "password_in); check that secret, the host on the array, and that this address is that array",
  );
}

/**
 * Removes the record of a login that failed. A failure is ignored, because the next login to this
 * portal overwrites the record.
 */
async function forget(host: Host, target: IscsiPortal): Promise<void> {
  await host.run("iscsiadm", [...recordArguments(target.iqn, placeOf(target)), "-o", "delete"], {
    okCodes: [0, NOTHING_FOUND],
  }).catch(() => {});
}

/** Our sessions through which this host sees no SCSI device: nobody's volume depends on them. */
export async function idleSessions(host: Host): Promise<IscsiSession[]> {
  const ours = (await listSessions(host)).filter((session) => session.isOurs);
  if (ours.length === 0) return [];
  const routes = await scsiRoutes(host);
  return ours.filter(({ name }) => !routes.some((route) => route.includes(`/${name}/`)));
}

/**
 * Ends a session of ours and removes its record. A session that is gone already is success.
 * `timeout` when the kernel still shows it after 30 s; `in_use` for a session that somebody else
 * made, which is never ended.
 */
export async function logout(
  host: Host,
  session: IscsiSession,
  signal?: AbortSignal,
): Promise<void> {
  const { name, iqn, address, port, isOurs } = session;
  if (!isOurs) {
    throw new PsoError(
      "in_use",
      `iSCSI session ${name} to ${iqn} was not made by this driver and is left alone: ` +
        "end it with iscsiadm if nothing needs it",
    );
  }
  const record = isStorageName("target", iqn)
    ? recordArguments(iqn, { host: withoutBrackets(address), port })
    : undefined;
  const isGone = async () =>
    !(await listSessions(host)).some((one) => one.name === name && one.iqn === iqn);
  const end = (words: string[]) =>
    host.run("iscsiadm", [...words, "--logout"], {
      okCodes: [0, NOTHING_FOUND],
      timeoutMs: LOGOUT_TIMEOUT_MS,
      signal,
    });
  const isEnded = record !== undefined && (await end(record)).code !== NOTHING_FOUND;
  // A session without a record: iscsid made it after we had given up and removed the record.
  if (!isEnded && !await isGone()) {
    await end(["-m", "session", "-r", name.slice("session".length)]);
  }
  await until(`end of iSCSI session ${name} to ${iqn}`, isGone, {
    timeoutMs: LOGOUT_TIMEOUT_MS,
    signal,
  });
  if (!record) return;
  await host.run("iscsiadm", [...record, "-o", "delete"], { okCodes: [0, NOTHING_FOUND], signal });
}
