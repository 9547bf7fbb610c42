/**
 * Says loudly that something is not tested here, and gives back true, for `Deno.test({ ignore: … &&
 * skip(what, reason) })`. `scripts/test` collects what was said (file named by PSO_SKIPS) and
 * prints it at its end; without it the reason goes to stderr at once.
 */
export function skip(what: string, reason: string): true {
  const file = Deno.env.get("PSO_SKIPS");
  const line = `${what}: ${reason}\n`;
  if (file) Deno.writeTextFileSync(file, line, { append: true });
  else Deno.stderr.writeSync(new TextEncoder().encode(`*** SKIPPED ${line}`));
  return true;
}
