// src/node/node_plugin_test.ts
// tests in src/ import nothing outside src/ but tests/support/
import { bed } from "../../tests/flow/flow.ts";

export const made = bed;
