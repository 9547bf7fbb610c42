import type { ChapCredentials } from "../chap.ts";
import { parseIp } from "../cidr.ts";
import { isPsoError, PsoError } from "../errors.ts";
import { until } from "../async/wait.ts";
import { type Host, listHostFolder, readHostText } from "./host.ts";
import { scsiRoutes } from "./scsi.ts";
import { readHostLink } from "./sysfs.ts";

/**
 * The open-iscsi interface of our sessions: the kernel shows its name with each session, so that
 * ours are known from those of others by looking, after any crash and without a note of our own. It
 * binds to no network card.
 */
const IFACE = "pure-csi";
const SESSIONS = "/sys/class/iscsi_session";
const CONNECTIONS = "/sys/class/iscsi_connection";
/**
 * iscsiadm(8), exit status: the portal did not answer; a session is there already; the login failed
 * for good, which is how a target that cannot prove itself by CHAP shows (seen with 2.1.8); nothing
 * (no session, no record) was found; the target refused our login.
 */
const NO_ANSWER = 8;
const SESSION_EXISTS = 15;
const FAILED_FOR_GOOD = 19;
const NOTHING_FOUND = 21;
const REFUSED = 24;
const LOGOUT_TIMEOUT_MS = 30_000;

/** One portal of a target, as an array names it: `192.0.2.1:3260`, `[2001:db8::1]:3260`. */
export interface IscsiPortal {
  iqn: string;
  portal: string;
}

/** One iSCSI session of this host, from sysfs. */
export interface IscsiSession {
  /** `session3` */
  name: string;
  iqn: string;
  address: string;
  port: number;
  /** `LOGGED_IN`, `FAILED` (being brought back by iscsid), `FREE`. */
  state: string;
  /** Made by this driver. */
  isOurs: boolean;
  scsiHost: number;
  scsiTarget: number;
}

export interface LoginOptions {
  timeoutSeconds: number;
  /**
   * How long I/O waits for a lost session: short below multipath, which has other paths, long
   * without it.
   */
  replacementSeconds: number;
  /**
   * Absent: the target asks for none. `kept`: those of the record that is there, for a login of a
   * process that never saw them.
   */
  chap?: ChapCredentials | "kept";
}

/** One spelling per address, so that what the array writes meets what the kernel shows. */
function addressKey(address: string): string {
  const ip = parseIp(address.replace(/^\[|\]$/g, ""));
  return ip ? `${ip.family}/${ip.value}` : address.toLowerCase();
}

/** `[2001:db8::1]:3260` → address and port; the port is 3260 when there is none (RFC 3720). */
function splitPortal(portal: string): { address: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(portal) ?? [];
  const address = bracketed ?? plain;
  if (address === undefined) {
    throw new PsoError(
      "invalid",
      `iSCSI portal ${JSON.stringify(portal)} is no address with a port`,
    );
  }
  return { address, port: Number(port ?? 3260) };
}

/** True when the session goes to this portal of this target. */
export function isSessionTo(session: IscsiSession, target: IscsiPortal): boolean {
  const { address, port } = splitPortal(target.portal);
  return session.iqn === target.iqn && session.port === port &&
    addressKey(session.address) === addressKey(address);
}

/**
 * All iSCSI sessions of this host, from sysfs: iscsiadm gives up on all of them for one broken
 * record of somebody else.
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
  if (!iqn || !address || !port || scsiHost === undefined) return undefined; // it is going away
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

function recordArguments({ iqn, portal }: IscsiPortal): string[] {
  const { address, port } = splitPortal(portal);
  return [
    "-m",
    "node",
    "-T",
    iqn,
    "-p",
    `${address.includes(":") ? `[${address}]` : address}:${port}`,
    "-I",
    IFACE,
  ];
}

/** Settings of a node record (iscsid.conf(5)), as far as the host's own defaults do not stand. */
function settingsOf(
  { timeoutSeconds, replacementSeconds, chap }: LoginOptions,
): [string, string][] {
  const settings: [string, string][] = [
    ["node.startup", "manual"],
    ["node.session.scan", "manual"], // a login attaches nothing by itself
    ["node.conn[0].timeo.login_timeout", String(timeoutSeconds)],
    // the caller repeats; eight tries would hold up the other portals
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
 * Logs in to one portal, without discovery, and returns the session as sysfs shows it. A session
 * that is there already is used, whoever made it. `timeout` when the portal does not answer,
 * `unavailable` when it cannot be used, `denied` when the target refuses us or does not prove
 * itself. CHAP passwords go to iscsid by the node record, a file of root's alone: iscsiadm takes
 * them as an argument only, so that `ps` on the host can show them for a moment.
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
  const record = recordArguments(target);
  const timeoutMs = (options.timeoutSeconds * 2 + 10) * 1000; // iscsid gives up by itself first
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
        `portal ${target.portal} of target ${target.iqn} does not answer this node`,
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
    `iscsiadm logged in to ${target.portal} of ${target.iqn}, and the kernel shows no such session`,
  );
}

/**
 * Writes the record of a portal, and the interface that it names when iscsiadm says that there is
 * none, which is once in a host's life. A new record has the host's own defaults, so that one whose
 * credentials are kept is only changed: `false` then.
 */
async function writeRecord(
  host: Host,
  target: IscsiPortal,
  { options, secrets }: { options: LoginOptions; secrets: string[] },
  signal?: AbortSignal,
): Promise<boolean> {
  const record = recordArguments(target);
  const settings = settingsOf(options).flatMap(([name, value]) => ["-n", name, "-v", value]);
  const update = () =>
    host.run("iscsiadm", [...record, "-o", "update", ...settings], {
      okCodes: [0, NOTHING_FOUND],
      signal,
      secrets,
    });
  if (options.chap === "kept" && (await update()).code === 0) return false;
  const make = () => host.run("iscsiadm", [...record, "-o", "new"], { signal });
  try {
    await make();
  } catch (error) {
    if (!isPsoError(error, "unavailable")) throw error;
    // It is there already when any session goes by it, to whichever target, and iscsiadm then
    // refuses to write it anew.
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
    `the open-iscsi record of ${target.iqn} at ${target.portal} was made and is gone: it will be tried again`,
  );
}

function refused({ iqn, portal }: IscsiPortal, chap: LoginOptions["chap"]): PsoError {
  const fix = chap
    ? "the CHAP name or password is not the one that it has for this host; check the class's secret and the host on the array"
    : "it has no such host, or wants CHAP and the class names no secret for the node stage";
  return new PsoError("denied", `target ${iqn} refused the login at ${portal}: ${fix}`);
}

function unproven({ iqn, portal }: IscsiPortal): PsoError {
  return new PsoError(
    "denied",
    `login to target ${iqn} at ${portal} failed for good: most likely it did not prove itself by the CHAP name and password that the class's ` +
      "secret has for it (username_in, password_in); check that secret, the host on the array, and that it is this array",
  );
}

/**
 * Removes the record of a login that failed. What cannot be removed now is written over by the next
 * login.
 */
async function forget(host: Host, target: IscsiPortal): Promise<void> {
  await host.run("iscsiadm", [...recordArguments(target), "-o", "delete"], {
    okCodes: [0, NOTHING_FOUND],
  }).catch(() => {});
}

/** Sessions of ours that carry no SCSI device, whoever attached it. */
export async function idleSessions(host: Host): Promise<IscsiSession[]> {
  const ours = (await listSessions(host)).filter((session) => session.isOurs);
  if (ours.length === 0) return [];
  const routes = await scsiRoutes(host);
  return ours.filter(({ name }) => !routes.some((route) => route.includes(`/${name}/`)));
}

/**
 * Ends a session of ours and removes its record. Gone already is success. `unavailable` when the
 * kernel still shows it after that; a session that somebody else made is never ended (`in_use`).
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
      `iSCSI session ${name} to ${iqn} was made by somebody else: it is left alone`,
    );
  }
  const record = recordArguments({
    iqn,
    portal: address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`,
  });
  const isGone = async () =>
    !(await listSessions(host)).some((one) => one.name === name && one.iqn === iqn);
  const end = (words: string[]) =>
    host.run("iscsiadm", [...words, "--logout"], {
      okCodes: [0, NOTHING_FOUND],
      timeoutMs: LOGOUT_TIMEOUT_MS,
      signal,
    });
  const { code } = await end(record);
  // One that iscsid made after the login had been given up has no record.
  if (code === NOTHING_FOUND && !await isGone()) {
    await end(["-m", "session", "-r", name.slice("session".length)]);
  }
  await until(`end of iSCSI session ${name} to ${iqn}`, isGone, {
    timeoutMs: LOGOUT_TIMEOUT_MS,
    signal,
  });
  await host.run("iscsiadm", [...record, "-o", "delete"], { okCodes: [0, NOTHING_FOUND], signal });
}
