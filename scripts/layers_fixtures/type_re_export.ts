// src/admin/server.ts
// src/admin/ may import base
export type { Stage } from "../node/node_plugin.ts";
