// src/host/command.ts
// src/host/ may import base
import "../node/node_plugin.ts";
