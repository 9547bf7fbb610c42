// src/node/calls/format.ts
// Deno gets no second name
const runtime = Deno;
export const made = new runtime.Command("mkfs.ext4");
