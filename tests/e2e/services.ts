/** The specs of what goes beyond claims: what `./scripts/test e2e-services` runs; see run.ts. */
import { main } from "./run.ts";

Deno.exit(await main(["--services"]));
