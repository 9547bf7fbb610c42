// src/admin/server.ts
// src/admin/ may import base
import type { NodeOptions } from "../cli/cli.ts";

export type Options = NodeOptions;
