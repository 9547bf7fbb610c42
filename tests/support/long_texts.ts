import { deepEqual } from "node:assert/strict";

/** What patterns begin with, again and again: texts of these once took the square of their length. */
export const REPEATED: readonly string[] = [
  "a",
  "1",
  "0-",
  "00000000-",
  "aB1",
  "passw",
  "token",
  "api_",
  "-----BEGIN",
  "-----BEGIN CERTIFICATE-----",
  "://",
  " ",
  '"',
  "\\n",
  "=",
  "a ",
  "pvc-",
];

/** One of them as long as it may be: `length` characters. */
export function longText(repeated: string, length: number): string {
  return repeated.repeat(Math.ceil(length / repeated.length)).slice(0, length);
}

/** Far more than any of these programs takes, and far less than the square of such a text. */
const LIMIT_MS = 120_000;

/**
 * Runs a program in a process of its own, which can be ended when it does not end by itself: that
 * fails. `modules` has the addresses of modules by the names that the program uses of them; it has
 * those of this one besides.
 */
export async function judgedApart(
  modules: Record<string, string>,
  program: string,
): Promise<void> {
  const used = { ...modules, "longText, REPEATED": import.meta.url };
  const imports = Object.entries(used).map(([names, module]) =>
    `import { ${names} } from ${JSON.stringify(module)};`
  );
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-lock",
      "--config",
      import.meta.resolve("../../deno.json").slice("file://".length),
      `data:application/typescript,${encodeURIComponent([...imports, program].join("\n"))}`,
    ],
    stdout: "null",
    signal: AbortSignal.timeout(LIMIT_MS),
  }).output();
  deepEqual({ code, stderr: code === 0 ? "" : new TextDecoder().decode(stderr) }, {
    code: 0,
    stderr: "",
  });
}
