// Stands in for jsr:@std/cli/parse-args, so that a build needs no registry but npm's. It covers the
// options named below and agrees with @std for flags that are declared as string or boolean;
// undeclared flags come back as they were written.
import { parseArgs as nodeParseArgs } from "node:util";

export interface ParseOptions {
  string?: string[];
  boolean?: string[];
  collect?: string[];
  negatable?: string[];
  default?: Record<string, string | boolean | string[]>;
}

export interface Args {
  _: string[];
  [flag: string]: string | boolean | string[] | undefined;
}

export function parseArgs(args: string[], options: ParseOptions = {}): Args {
  const flag = (type: "string" | "boolean") => (name: string) =>
    [name, {
      type,
      multiple: options.collect?.includes(name) ?? false,
    }] as const;
  const declared = Object.fromEntries([
    ...(options.string ?? []).map(flag("string")),
    ...(options.boolean ?? []).map(flag("boolean")),
  ]);
  const { values, positionals } = nodeParseArgs({
    args,
    options: declared,
    strict: false,
    allowPositionals: true,
    allowNegative: (options.negatable?.length ?? 0) > 0,
  });
  return {
    ...options.default,
    ...values as Record<string, string | boolean | string[]>,
    _: positionals,
  };
}
