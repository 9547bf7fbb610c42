// Writes docs/configuration.md and the chart's values.schema.json from the tables of configuration
// keys.
import { configurationPage } from "./config_page.ts";
import { valuesSchema } from "./values_schema.ts";

const root = new URL("../../", import.meta.url);

async function write(path: string, text: string): Promise<void> {
  const file = new URL(path, root);
  await Deno.mkdir(new URL(".", file), { recursive: true });
  await Deno.writeTextFile(file, text);
}

await write("docs/configuration.md", configurationPage());
await write(
  "deploy/helm/pure-csi/values.schema.json",
  `${JSON.stringify(valuesSchema(), null, 2)}\n`,
);
