// src/arrays/rest.ts
// src/arrays/ and src/simulator/ never meet
import { serve } from "../simulator/server.ts";

export const served = serve();
