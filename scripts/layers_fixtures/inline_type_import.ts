// src/node/node_plugin.ts
// src/node/ may import base
import { type Array } from "../arrays/array.ts";

export type Known = Array;
