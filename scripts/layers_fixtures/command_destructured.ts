// src/node/calls/format.ts
// only src/host/command.ts may use Deno.Command
const { Command } = Deno;
export const made = new Command("mkfs.ext4");
