import type { ArrayRoutes, Call } from "../../call.ts";
import type { Row } from "../../filter.ts";
import type { FlashArrayState } from "../state.ts";
import { builtIn } from "./built_in.ts";

/** The life of a support session that nobody has opened. */
const REMOTE_ASSIST_MS = 86_400_000;

function supportRow({ minor }: Call): Row {
  return {
    phonehome_enabled: false,
    proxy: "",
    remote_assist_active: false,
    ...(minor >= 35 ? { remote_assist_duration: REMOTE_ASSIST_MS } : {}),
    remote_assist_expires: 0,
    remote_assist_opened: 0,
    remote_assist_paths: [],
    remote_assist_status: "disconnected",
    ...(minor >= 47 ? { phonehome_excludes: [] } : {}),
  };
}

/**
 * Settings that nobody changes here, and that every array has one row of: clients that look through
 * the array read them without asking whether there is one.
 */
export function addSettingRoutes(routes: ArrayRoutes, state: FlashArrayState): void {
  const { id } = state.context;
  const settings: [path: `/${string}`, since: number, row: (call: Call) => Row][] = [
    ["/support", 2, supportRow],
    ["/array-connections/connection-key", 4, () => ({ connection_key: id.replaceAll("-", "") })],
    ["/arrays/eula", 2, () => ({ agreement: "", signature: SIGNATURE })],
    ["/subscriptions", 26, () => ({ id, service: "FlashArray" })],
  ];
  for (const [path, since, row] of settings) {
    routes.on(
      `GET ${path}`,
      (call) => state.list(call, builtIn("Setting", [{ name: path, row: row(call) }])),
      { since },
    );
  }
}

const SIGNATURE = { accepted: 0, company: "", name: "", title: "" };
