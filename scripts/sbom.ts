/** Writes the software bill of materials of the image. Usage stands in `scripts/sbom`. */
import { parseArgs } from "@std/cli/parse-args";
import { DENO, DENO_VERSION, ROOT } from "./program.ts";
import { sbomOf, type SystemFacts } from "./sbom_document.ts";
import { complain, runTool } from "./shell.ts";

/** The part of `deno info --json` that is read here. */
interface ModuleGraph {
  modules: { kind: string; npmPackage?: string }[];
}

/** The npm packages that the modules of the program import, as `name@version`. */
async function importedPackages(): Promise<string[]> {
  const said = await runTool(DENO, ["info", "--json", `${ROOT}/main.ts`], { cwd: ROOT });
  const { modules }: ModuleGraph = JSON.parse(said);
  return [...new Set(modules.flatMap(({ npmPackage }) => npmPackage ?? []))].sort();
}

async function systemFacts(folder: string): Promise<SystemFacts> {
  return {
    status: await Deno.readTextFile(`${folder}/status`),
    osRelease: await Deno.readTextFile(`${folder}/os-release`),
  };
}

async function main(args: string[]): Promise<number> {
  const flags = parseArgs(args, { string: ["out", "system"], default: { out: "", system: "" } });
  const [out, system] = [String(flags.out), String(flags.system)];
  if (out === "" || flags._.length > 0) {
    complain("sbom: it takes --out FILE and --system DIR");
    return 2;
  }
  const sbom = sbomOf({
    version: JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`)).version,
    denoVersion: DENO_VERSION,
    lock: JSON.parse(await Deno.readTextFile(`${ROOT}/deno.lock`)),
    imported: await importedPackages(),
    ...system !== "" ? { system: await systemFacts(system) } : {},
  });
  await Deno.writeTextFile(out, JSON.stringify(sbom, undefined, 2) + "\n");
  return 0;
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main(Deno.args);
  } catch (error) {
    complain(`sbom: ${error instanceof Error ? error.message : String(error)}`);
    Deno.exitCode = 1;
  }
}
