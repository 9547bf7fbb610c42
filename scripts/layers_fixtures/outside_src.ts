// src/node/volume_stats.ts
// src/ imports nothing outside src/
import { startStand } from "../../scripts/stand.ts";

export const stand = startStand;
