// src/admin/server.ts
// src/admin/ may import base
import type { ListenAddress } from "../cli/cli.ts";

export type Address = ListenAddress;
