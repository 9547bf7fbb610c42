/** One line of a table; a `|` within a cell would end the cell. */
function row(cells: readonly string[]): string {
  return `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
}

/** A Markdown table; a `|` within a cell is escaped. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(heads), row(heads.map(() => "---")), ...rows.map(row)].join("\n");
}

/** The names as code, with commas between; empty for none. */
export function names(list: readonly string[] | undefined): string {
  return (list ?? []).map((name) => `\`${name}\``).join(", ");
}
