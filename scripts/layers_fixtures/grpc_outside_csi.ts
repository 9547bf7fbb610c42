// main.ts
// only src/csi/ may use @grpc/grpc-js
import * as grpc from "@grpc/grpc-js";

export const server = new grpc.Server();
