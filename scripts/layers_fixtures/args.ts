// src/errors.ts
// only main.ts may use Deno.args
export const verbose = Deno.args.includes("--verbose");
