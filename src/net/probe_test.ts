import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { addressesOf, tryConnect } from "./probe.ts";

Deno.test("tryConnect() connects to what listens, and says what to do about what does not", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const accepted = listener.accept();
  ok(await tryConnect({ host: "127.0.0.1", port }) >= 0);
  const connection = await accepted;
  equal(await connection.read(new Uint8Array(1)), null, "nothing was sent");
  connection.close();
  listener.close();
  await rejects(tryConnect({ host: "127.0.0.1", port }), {
    code: "unavailable",
    message: `127.0.0.1:${port}: nothing listens there (ECONNREFUSED); check the address and port`,
  });
});

Deno.test("addressesOf() takes an address for itself and asks for a name", async () => {
  deepEqual(await addressesOf("10.0.0.1"), ["10.0.0.1"]);
  deepEqual(await addressesOf("fd00::1"), ["fd00::1"]);
  ok((await addressesOf("localhost")).some((one) => ["127.0.0.1", "::1"].includes(one)));
});
