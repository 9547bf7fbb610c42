import type { IscsiPortal } from "../../handoff.ts";
import { printHostPort } from "../../net/address.ts";
import {
  idleSessions,
  type IscsiSession,
  isSessionTo,
  login,
  logout,
  portalKey,
} from "../../host/iscsi.ts";
import type { NodeContext } from "../context.ts";
import type { SeenRecords } from "../protocol.ts";
import type { StageRecord } from "../stage_record.ts";

/**
 * How long I/O waits for a lost iSCSI session: short below multipath, where another path takes
 * over, and long without it, where there is no other path.
 */
const REPLACEMENT_SECONDS = { multipath: 20, single: 120 };

/** One login to make, and for what the session will be used. */
interface PortalLogin {
  target: IscsiPortal;
  /** Whether a multipath map will stand on the session. */
  multipath: boolean;
  /** True for a login in place of a lost one: CHAP credentials may stand in open-iscsi's record. */
  isAgain: boolean;
}

/**
 * Logs in to one portal, after the work that goes on with that portal. A session that is there
 * already is success. `unavailable` when the portal does not answer, `denied` when the target
 * refuses.
 */
export async function loginToPortal(
  context: Pick<NodeContext, "host" | "targets" | "chap" | "flasharray">,
  { target, multipath, isAgain }: PortalLogin,
  signal?: AbortSignal,
): Promise<IscsiSession> {
  const options = {
    timeoutSeconds: context.flasharray.iscsiLoginTimeoutSeconds,
    replacementSeconds: multipath ? REPLACEMENT_SECONDS.multipath : REPLACEMENT_SECONDS.single,
    chap: context.chap.get(target.iqn) ?? (isAgain ? "kept" as const : undefined),
  };
  // Of many stages at once only the first waits for a dead portal; the others fail with it at once
  // and go on with the paths that they have.
  return await context.targets.inTurnUnlessHung(
    portalKey(target),
    () => login(context.host, target, options, signal),
    signal,
  );
}

/**
 * Ends the iSCSI sessions of ours that carry no device, that no attach is about to use and that no
 * volume of `others` has a path by. Sessions of others are never touched.
 */
export async function endIdleSessions(
  { host, targets }: Pick<NodeContext, "host" | "targets">,
  others: StageRecord[],
  signal?: AbortSignal,
): Promise<void> {
  for (const session of await idleSessions(host)) {
    if (others.some((record) => isWantedBy(session, record))) continue;
    const { iqn, address, port } = session;
    // Asked again when the turn has come: an attach that went before may use the session now.
    const key = portalKey({ iqn, portal: printHostPort({ host: address, port }) });
    await targets.inTurn(key, async () => {
      if (targets.isUsed(iqn)) return;
      const isIdle = (await idleSessions(host)).some((one) => one.name === session.name);
      if (isIdle) await logout(host, session, signal);
    }, signal);
  }
}

/** Names of the sessions that endIdleSessions() would end now, by what the view shows. */
export function idleSessionNames(
  { targets }: Pick<NodeContext, "targets">,
  { view, records }: SeenRecords,
): string[] {
  const hasDevice = ({ scsiHost }: IscsiSession) =>
    view.scsiDevices.some((hctl) => hctl.startsWith(`${scsiHost}:`));
  const idle = view.sessions.filter((session) =>
    session.isOurs && !targets.isUsed(session.iqn) && !hasDevice(session) &&
    !records.some((record) => isWantedBy(session, record))
  );
  return idle.map(({ name }) => name);
}

/** Whether an attached volume is offered by the portal of this session. */
function isWantedBy(session: IscsiSession, { attachment, device }: StageRecord): boolean {
  return device !== undefined && "targets" in attachment &&
    attachment.targets.some((target) => isSessionTo(session, target));
}
