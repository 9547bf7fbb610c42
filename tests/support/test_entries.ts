/** Entries of arrays for tests of readArrays(). */
import assert from "node:assert/strict";
import { readArrays } from "../../src/config/arrays/entries.ts";
import { ForbiddenFile } from "../../src/config/arrays/named_files.ts";
import { ProblemList, problemText } from "../../src/config/problems.ts";

export const TOKEN = "T-c4925090-c9bf-4033-8537-d24ee5669135";

export const FINGERPRINT = Array.from(
  { length: 32 },
  (_, index) => (index + 160).toString(16).toUpperCase(),
).join(":");

export const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

const FILES: Record<string, string> = {
  "/token": `${TOKEN}\n`,
  "/empty": "\n",
  "/two": `${TOKEN}\n${TOKEN}\n`,
  "/ca.pem": PEM,
  "/key.pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
  "/etc/pure/tokens/fa1/token": TOKEN,
  "/etc/pure/tokens/fa1/api": TOKEN,
};

/**
 * Reads `section` as the content of `arrays`; problems come back as texts, checked to hold no
 * token.
 */
export async function readEntries(section: unknown) {
  const problems = new ProblemList();
  const arrays = await readArrays([section], {
    problems,
    readTextFile: (path) => {
      if (path === "/locked") {
        return Promise.reject(new Deno.errors.PermissionDenied("permission denied"));
      }
      if (path === "/forbidden") return Promise.reject(new ForbiddenFile("is outside /x"));
      const text = FILES[path];
      return text === undefined
        ? Promise.reject(new Deno.errors.NotFound(path))
        : Promise.resolve(text);
    },
  });
  const texts = problems.all.map((problem) => `${problem.severity}: ${problemText(problem)}`);
  for (const text of texts) assert.ok(!text.includes(TOKEN), text);
  return { arrays, texts };
}

export const FLASHARRAY = { MgmtEndPoint: "fa1", APIToken: TOKEN };

export const FA = "arrays.FlashArrays[0]";

export const CREATE = "create one with `pureadmin create --api-token`";
