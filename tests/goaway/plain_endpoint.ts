/**
 * An endpoint without the repair, as grpc-js is commonly used: what the tests of the repair must be
 * able to kill. `path`
 */
import { Buffer } from "node:buffer";
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall } from "@grpc/grpc-js";

const server = new Server();
const bytes = (value: Buffer) => value;
server.addService({
  Probe: {
    path: "/csi.v1.Identity/Probe",
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
}, {
  Probe: (_call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) =>
    reply(null, Buffer.alloc(0)),
});
server.bindAsync(`unix:${Deno.args[0]}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
  Deno.stdout.writeSync(new TextEncoder().encode("ready\n"));
});
