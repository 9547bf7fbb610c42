import type { Attachment, IscsiPortal } from "../../handoff.ts";
import type { HostView, SeenPath } from "../../host/host_view.ts";
import { isPureWwid, wwidOfSerial } from "../../host/scsi.ts";
import { PROTOCOL_FACTS } from "../../protocols.ts";
import type { NodeContext } from "../context.ts";
import { lookAtDevice, type MissingRoute, pathConditions, type PathLook } from "../look.ts";
import type { ScsiAttachment, SeenRecords, SeenVolume } from "../protocol.ts";
import { loginToPortal } from "./sessions.ts";

/** BlockConnection.look for volumes with a SCSI device, with or without a multipath map. */
export function lookAtScsi(
  context: NodeContext,
  { view, attachment, device }: SeenVolume<ScsiAttachment>,
): PathLook {
  const array = "targets" in attachment ? attachment.targets[0]?.iqn : attachment.wwpns.join(",");
  if (device === undefined || view.mapWwid(device) !== wwidOfSerial(attachment.serial)) {
    return { ...lookAtDevice(view, device), array };
  }
  return { ...lookAtMap(context, { view, attachment, map: device }), array };
}

/** A volume and the kernel name of the map over its paths. */
interface MappedVolume {
  view: HostView;
  attachment: ScsiAttachment;
  map: string;
}

function lookAtMap(context: NodeContext, { view, attachment, map }: MappedVolume): PathLook {
  const wwid = wwidOfSerial(attachment.serial);
  const seen = view.pathsOf(map);
  const own = seen.filter((path) => path.wwid === wwid);
  const foreign = seen.filter((path) => path.wwid !== undefined && path.wwid !== wwid);
  const faults = seen.filter((path) => !foreign.includes(path)).flatMap((path) =>
    faultOf(view, path) ?? []
  );
  const { missing, missingRoutes, canOpen } = context.flasharray.multipath
    ? findMissingRoutes(context, { view, attachment, own })
    : NOTHING_MISSING;
  const paths = {
    up: seen.length - foreign.length - faults.length,
    down: faults.length,
    missing: missing.length,
  };
  const conditions = pathConditions(paths, [...faults, ...missing]);
  if (foreign.length > 0) {
    const held = foreign.map((path) => `${path.name} of volume ${path.wwid}`).join(", ");
    const message = `the map ${map} of ${wwid} holds ${held}`;
    conditions.push({ status: "degraded", reason: "MixedPaths", message });
  }
  const sizes = [...new Set(own.map((path) => path.sizeBytes))];
  if (sizes.length > 1) {
    const shown = own.map((path) => `${path.name} ${path.sizeBytes}`).join(", ");
    const message = `the paths show different sizes: ${shown}`;
    conditions.push({ status: "degraded", reason: "PathSizesDiffer", message });
  }
  const isSmall = sizes.length > 0 && Math.min(...sizes) > (view.sizeOf(map) ?? Infinity);
  const isOffline = own.some((path) => path.state === "offline");
  const work = [
    foreign.length > 0 && "path of another volume",
    canOpen && "path missing",
    isOffline && "path off line",
    (isSmall || sizes.length > 1) && "size",
  ].filter((one) => one !== false);
  const repair = work.length > 0 ? work.join(", ") : undefined;
  return { conditions, paths, missingRoutes, repair };
}

/** Why a path that is in its map carries no I/O; `undefined` when it does. */
function faultOf(view: HostView, path: SeenPath): string | undefined {
  const session = view.sessions.find(({ name }) => name === path.session);
  if (session && session.state !== "LOGGED_IN") {
    return `${path.name} by ${session.address}: its session is ${session.state}`;
  }
  if (path.wwid === undefined) return `${path.name} (${path.hctl}) does not say which volume it is`;
  return path.state === "running" ? undefined : `${path.name} (${path.hctl}) is ${path.state}`;
}

/** What the array offers and a map does not have. */
interface Missing {
  /** One text for each path that is not in the map. */
  missing: string[];
  missingRoutes: MissingRoute[];
  /** A path can be opened now, because its session or port is there. */
  canOpen: boolean;
}

const NOTHING_MISSING: Missing = { missing: [], missingRoutes: [], canOpen: false };

interface OwnPaths {
  view: HostView;
  attachment: ScsiAttachment;
  /** The paths of this volume in its map. */
  own: SeenPath[];
}

function findMissingRoutes(
  context: NodeContext,
  { view, attachment, own }: OwnPaths,
): Missing {
  const found: Missing = { missing: [], missingRoutes: [], canOpen: false };
  if (attachment.protocol === "fc") {
    const places = view.fcTargets.filter(({ wwpn }) => attachment.wwpns.includes(wwpn));
    for (const { host, channel, target, wwpn, isOnline } of places) {
      if (own.some((path) => path.hctl.startsWith(`${host}:${channel}:${target}:`))) continue;
      found.missing.push(`host${host} to ${wwpn}: ${isOnline ? "no path" : "the port is lost"}`);
      if (isOnline) found.canOpen = true;
    }
    return found;
  }
  for (const target of attachment.targets) {
    const session = view.sessionTo(target);
    if (session && own.some((path) => path.session === session.name)) continue;
    const why = session ? `no path by ${session.name} (${session.state})` : "no session";
    found.missing.push(`${target.portal}: ${why}`);
    if (!session) found.missingRoutes.push(loginRoute(context, target));
    else if (session.state === "LOGGED_IN") found.canOpen = true;
  }
  return found;
}

function loginRoute(
  context: NodeContext,
  target: IscsiPortal,
): MissingRoute {
  const { multipath } = context.flasharray;
  return {
    key: `iscsi ${target.iqn} ${target.portal}`,
    // A session that no volume wants any more when it is there ends as an idle one.
    reconnect: async (signal) => {
      await context.targets.using(
        [target.iqn],
        () => loginToPortal(context, { target, multipath, isAgain: true }, signal),
      );
    },
  };
}

/** Maps of FlashArray volumes over sessions of ours that no record names and nothing mounts. */
export function unknownMaps({ view, records }: SeenRecords): string[] {
  const known = new Set(
    records.flatMap(({ attachment }) =>
      isScsi(attachment) ? [wwidOfSerial(attachment.serial)] : []
    ),
  );
  const ours = new Set(view.sessions.filter(({ isOurs }) => isOurs).map(({ name }) => name));
  const unknown = [...view.maps].filter(([wwid, map]) =>
    isPureWwid(wwid) && !known.has(wwid) && view.mountsOf(map).length === 0 &&
    view.pathsOf(map).some(({ session }) => session !== undefined && ours.has(session))
  );
  return unknown.map(([, map]) => map);
}

function isScsi(attachment: Attachment): attachment is ScsiAttachment {
  return PROTOCOL_FACTS[attachment.protocol].device === "scsi";
}
