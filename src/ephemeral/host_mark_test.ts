import { doesNotMatch, equal, match } from "node:assert/strict";
import { EphemeralBed, NODE } from "../../tests/support/ephemeral_bed.ts";

Deno.test("15.11: what every node may read holds no initiator of another", async () => {
  const bed = new EphemeralBed();
  bed.register(NODE, "192.0.2.77");
  await bed.ask();
  await bed.step();
  const stored = () => JSON.stringify(bed.api.store.select({ collection: "ephemeralvolumes" }));
  match(stored(), /"phase":"Ready"/);
  doesNotMatch(stored(), /192\.0\.2\.77/);
  // As a version before wrote it.
  await bed.forge({ nodeId: bed.maker.publishedTo[0] });
  match(stored(), /192\.0\.2\.77/);
  await bed.step();
  doesNotMatch(stored(), /192\.0\.2\.77/);
  equal(await bed.said(), "Ready");
});
