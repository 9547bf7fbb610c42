// src/config/load.ts
// src/config/ is base and imports only base
import { FlashArray } from "../arrays/flasharray.ts";

export const made = FlashArray;
