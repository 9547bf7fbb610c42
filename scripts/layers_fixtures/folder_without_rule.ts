// src/extra/thing.ts
// src/extra/ has no import rule
import { Fleet } from "../arrays/fleet.ts";

export const fleet = Fleet;
