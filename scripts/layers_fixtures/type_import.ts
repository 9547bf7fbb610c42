// src/controller/provisioner.ts
// src/controller/ may import base
import type { Volume } from "../arrays/flasharray.ts";

export type Known = Volume;
