import { deepEqual } from "node:assert/strict";
import { bytesOfQuantity } from "./size.ts";

Deno.test("bytesOfQuantity() reads what Kubernetes writes, and nothing else", () => {
  const texts = ["1Gi", "1.5Gi", "1073741824", "2G", "1e3", "500m", "1Kib", "-1", "", "Gi"];
  deepEqual(texts.map(bytesOfQuantity), [
    2 ** 30,
    1.5 * 2 ** 30,
    2 ** 30,
    2e9,
    1000,
    1,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
