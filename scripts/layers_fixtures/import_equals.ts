// src/host/mount.ts
// src/host/ may import base
import staging = require("../node/staging.ts");

export const stage = staging;
