import type { Row } from "../../filter.ts";
import type { Listed } from "../../list.ts";

/** An object that is there from the beginning. */
export interface Named {
  name: string;
  row: Row;
}

/** Built-in objects, which nobody creates or destroys. */
export function builtIn(what: string, all: Named[]): Listed<Named> {
  return {
    what,
    all: () => all,
    byName: (name) => all.find((one) => one.name.toLowerCase() === name.toLowerCase()),
    keyOf: ({ name }) => name,
    render: ({ row }) => row,
  };
}
