// src/csi/server.ts
// only src/admin/ and src/simulator/ may use hono
import { stream } from "npm:hono@4/streaming";

export const served = stream;
