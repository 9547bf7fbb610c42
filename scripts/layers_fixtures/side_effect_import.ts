// src/host/mount.ts
// src/host/ may import base
import "../node/node_plugin.ts";
