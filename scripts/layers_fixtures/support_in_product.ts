// src/node/node_plugin.ts
// src/ imports nothing outside src/
import { fakeHost } from "../../tests/support/fake_host.ts";

export const made = fakeHost;
