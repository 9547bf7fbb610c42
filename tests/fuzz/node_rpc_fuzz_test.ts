import { equal, ok } from "node:assert/strict";
import { fromBinary } from "@bufbuild/protobuf";
import { TEST_SECONDS } from "./fuzz_main.ts";
import { Node, NodeStageVolumeRequestSchema } from "../../src/csi/generated/csi_pb.ts";
import { method } from "../../src/csi/unary.ts";
import { fuzzNodeRpc } from "./node_rpc_fuzz.ts";
import { Random } from "./random.ts";
import { RpcCaller } from "./rpc_caller.ts";
import { CANARY, RpcMessages } from "./rpc_messages.ts";

for (const seed of [13, 7351]) {
  Deno.test(`the node service answers every message, keeps others' mounts and gives all back, seed ${seed}`, async () => {
    const counts = await fuzzNodeRpc({ seed, seconds: TEST_SECONDS });
    const calls = Object.values(counts).reduce((sum, count) => sum + count, 0);
    ok(calls > 100, JSON.stringify(counts));
    ok((counts["NodeStageVolume OK"] ?? 0) > 0, JSON.stringify(counts));
  });
}

Deno.test("the caller sees a call that fails inside, one that does not end, and a secret that is told", async () => {
  const row = (handle: () => Promise<Record<string, never>>) =>
    method(Node.method.nodeGetCapabilities, { keys: null, handle });
  const faults = [
    { handle: () => Promise.reject(new TypeError("x is undefined")), fault: /INTERNAL/ },
    { handle: () => new Promise<never>(() => {}), fault: /did not end/, hangMs: 10 },
    { handle: () => Promise.reject(new Error(CANARY)), fault: /INTERNAL|a secret was told/ },
  ];
  for (const { handle, fault, hangMs } of faults) {
    const calling = new RpcCaller({ hangMs }).call(row(handle), new Uint8Array(), 10);
    const said = await calling.then(() => "nothing", (error) => (error as Error).message);
    ok(fault.test(said), said);
  }
});

Deno.test("messages of one seed are the same each time, most of them well formed, and some are not", () => {
  const vocabulary = { texts: {}, maps: {}, messages: {} };
  const make = (seed: number) => {
    const messages = new RpcMessages(new Random(seed), vocabulary);
    return Array.from({ length: 300 }, () => messages.bytes(NodeStageVolumeRequestSchema));
  };
  equal(JSON.stringify(make(3)), JSON.stringify(make(3)));
  const whole = make(3).filter((bytes) => {
    try {
      return fromBinary(NodeStageVolumeRequestSchema, bytes);
    } catch {
      return undefined;
    }
  });
  ok(whole.length > 250 && whole.length < 300, String(whole.length));
});
