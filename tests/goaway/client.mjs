// A grpc-js client for Deno and for Node: `module path calls connections`, where module is grpc-js as the runtime finds it.
// Makes `calls` Probe calls on each of `connections` connections, one connection after the other, each closed as grpc-js closes.
import { Buffer } from "node:buffer";
import process from "node:process";

const [module, path, calls, connections] = process.argv.slice(2);
const { Client, credentials } = await import(module);
const AT_ONCE = 32;
const bytes = (value) => value;

function probe(client) {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 10_000;
    client.makeUnaryRequest(
      "/csi.v1.Identity/Probe",
      bytes,
      bytes,
      Buffer.alloc(0),
      { deadline },
      (error) => error ? reject(error) : resolve(),
    );
  });
}

for (let i = 0; i < Number(connections); i++) {
  // A channel of its own each: grpc-js would share one connection between clients of one address.
  const client = new Client(`unix:${path}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  let left = Number(calls);
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) await probe(client);
  }));
  client.close();
}
