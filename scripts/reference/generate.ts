// Writes every page and schema that is generated from the tables of the sources.
import { PAGES } from "./pages.ts";

const root = new URL("../../", import.meta.url);

for (const [path, text] of Object.entries(PAGES)) {
  const file = new URL(path, root);
  await Deno.mkdir(new URL(".", file), { recursive: true });
  await Deno.writeTextFile(file, text());
}
