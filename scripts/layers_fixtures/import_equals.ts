// src/host/mount.ts
// src/host/ may import base
import staging = require("../node/node_plugin.ts");

export const stage = staging;
