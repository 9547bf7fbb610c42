/** Values files and mounted files for tests of loadConfig(). */
import assert from "node:assert/strict";
import { loadConfig, type LoadOptions } from "../../src/config/load.ts";
import { ConfigError } from "../../src/config/problems.ts";

export const TOKEN = "a526a4c6-18b0-a8c9-1afa-3499293574bb";

export const FLEET = `arrays: {FlashArrays: [{MgmtEndPoint: fa1, APIToken: ${TOKEN}}]}\n`;

/** Loads from files that exist only here. */
export function load(files: Record<string, string>, options: Partial<LoadOptions> = {}) {
  return loadConfig({
    mode: "controller",
    readTextFile: (path) => {
      const text = files[path];
      return text === undefined
        ? Promise.reject(new Deno.errors.NotFound(`No such file: ${path}`))
        : Promise.resolve(text);
    },
    ...options,
  });
}

export function loadValues(values: string, options: Partial<LoadOptions> = {}) {
  return load({ "values.yaml": values }, { valuesFile: "values.yaml", ...options });
}

/**
 * The lines of the error, checked to be a ConfigError with code `invalid` and without the token.
 */
export async function faultsOf(loading: Promise<unknown>): Promise<string[]> {
  const error = await loading.then(
    () => assert.fail("the configuration was accepted"),
    (error: unknown) => error,
  );
  assert.ok(error instanceof ConfigError, String(error));
  assert.equal(error.code, "invalid");
  assert.doesNotMatch(error.message, new RegExp(TOKEN));
  return error.message.split("\n");
}

export const ADVICE = "look at indentation, tabs, colons and quotes there and in the line before";
