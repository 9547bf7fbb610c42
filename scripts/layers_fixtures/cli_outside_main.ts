// src/admin/server.ts
// src/admin/ may import base (src/*.ts, src/async/, src/cluster/, src/config/, src/metrics/, src/net/, src/options/), src/controller
import type { NodeOptions } from "../cli/cli.ts";

export type Options = NodeOptions;
