// src/node/calls/format.ts
// only src/host/tools/command.ts may use Deno.Command
const { Command } = Deno;
export const made = new Command("mkfs.ext4");
