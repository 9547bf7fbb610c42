import type { ArrayRoutes, Call } from "../call.ts";
import type { Row } from "../filter.ts";
import { listOf } from "./file_systems.ts";
import { items } from "../list.ts";
import type { FlashBladeState } from "./state.ts";

/** The life of a support session that nobody has opened. */
const REMOTE_ASSIST_MS = 86_400_000;

function supportRow({ context: { id, name } }: FlashBladeState, { minor }: Call): Row {
  return {
    id,
    name,
    ...(minor >= 18 ? { edge_agent_update_enabled: false, edge_management_enabled: false } : {}),
    phonehome_enabled: false,
    proxy: "",
    remote_assist_active: false,
    ...(minor >= 14 ? { remote_assist_duration: REMOTE_ASSIST_MS } : {}),
    remote_assist_expires: null,
    remote_assist_opened: null,
    remote_assist_paths: [],
    remote_assist_status: "disconnected",
  };
}

/**
 * Settings that nobody changes here, and that every array has one row of: clients that look through
 * the array read them without asking whether there is one.
 */
export function addBladeSettingRoutes(routes: ArrayRoutes, state: FlashBladeState): void {
  const settings: [path: `/${string}`, since: number, row: (call: Call) => Row][] = [
    ["/support", 0, (call) => supportRow(state, call)],
    ["/admins/settings", 3, () => ({
      lockout_duration: null,
      max_login_attempts: null,
      min_password_length: 1,
    })],
    ["/arrays/eula", 0, () => ({
      agreement: "",
      signature: { accepted: null, company: null, name: null, title: null },
    })],
  ];
  // The only list that says nothing of pages.
  routes.on("GET /api-clients", () => items([]));
  for (const [path, since, row] of settings) {
    const listed = { what: "Setting", all: () => [path], keyOf: (key: string) => key };
    routes.on(
      `GET ${path}`,
      (call) => listOf(state, call, { ...listed, render: () => row(call) }),
      { since },
    );
  }
}
