/**
 * A new protocol is one row of src/protocols.ts, and the compiler names every place that must decide
 * something for it. Proven on a copy of the sources with more rows.
 */
import { deepEqual, ok } from "node:assert/strict";
import { PROTOCOLS } from "../src/protocols.ts";
import { ROOT } from "./program.ts";
import { mainFiles, readSources } from "./source/files.ts";

/** What the program needs to be checked by itself. */
const SOURCES = ["src", ...mainFiles(ROOT), "compat", "deno.json", "deno.lock"];

/** Where a protocol is decided upon, beside its own folder in src/node/. */
const PLACES = [
  "src/arrays/flasharray/ports.ts", // whether an array serves it, and what a node is told
  "src/arrays/flashblade/ports.ts", // the same for files
  "src/handoff.ts", // the fields of publish_context
  "src/host/check/equipment_check.ts", // how that tool says its version; area of findings
  "src/host/tools/command.ts", // the package of a tool that only this protocol needs
  "src/node/registry.ts", // its connections
  "src/options/mount_tables.ts", // by what mount options a protocol of files is judged
];

/** Those of PLACES that decide about files alone. */
const OF_FILES = ["src/arrays/flashblade/ports.ts", "src/options/mount_tables.ts"];

/** Files that may name three protocols or more although no new one makes the compiler stop there. */
const MAY_NAME_MANY = [
  "src/protocols.ts", // the table
];

/** A row of the table for a new protocol. */
interface Trial {
  name: string;
  kind: "block" | "file";
  device: "scsi" | "nvme" | null;
}

const STRANGERS: Trial[] = [
  { name: "new-block", kind: "block", device: null },
  { name: "new-file", kind: "file", device: null },
];

/** Like protocols that are there, so that it could take over in silence what was decided for them. */
const RELATIVE: Trial = { name: "new-nvme", kind: "block", device: "nvme" };

/** A row whose protocol has a tool and an area of its own. */
function rowOf({ name, kind, device }: Trial): string {
  return `  ${JSON.stringify(name)}: {
    letter: ${JSON.stringify(name)},
    kinds: ["${kind}"],
    initiator: null,
    transport: "tcp",
    device: ${JSON.stringify(device)},
    sanType: null,
    spellings: [],
    autoRank: null,
    area: "area of ${name}",
    tools: ["tool of ${name}"],
    modules: [],
    isSubstitute: false,
  },
`;
}

/** The files of a folder with the sources in which the compiler finds a fault. */
async function faultyFiles(folder: string): Promise<string[]> {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "main.ts"],
    cwd: folder,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stderr);
  // "    at file:///…" follows a fault; deeper ones only say where a type was declared.
  const places = text.matchAll(/^ {4}at file:\/\/(\S+?):\d+:\d+$/gm);
  return [...new Set([...places].map(([, path = ""]) => path.slice(folder.length + 1)))].sort();
}

/** The places where the compiler stops in a copy of the sources with these rows in the table. */
async function placesOf(...trials: Trial[]): Promise<string[]> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pso-protocols-" }));
  try {
    const { success } = await new Deno.Command("cp", {
      args: ["-r", ...SOURCES.map((name) => `${ROOT}/${name}`), folder],
    }).output();
    ok(success);
    const table = `${folder}/src/protocols.ts`;
    const rows = trials.map(rowOf).join("");
    const text = await Deno.readTextFile(table);
    await Deno.writeTextFile(table, text.replace("} as const satisfies", `${rows}$&`));
    return await faultyFiles(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a new protocol stops the compiler at each place that must decide, and nowhere else", async () => {
  const [before, strangers, relative] = await Promise.all([
    faultyFiles(ROOT), // as a rule the compiler remembers its verdict on these
    placesOf(...STRANGERS),
    placesOf(RELATIVE),
  ]);
  deepEqual(before, []);
  deepEqual(strangers, PLACES);
  deepEqual(relative, PLACES.filter((path) => !OF_FILES.includes(path)));
});

Deno.test("no other file of the product holds a list of protocols", async () => {
  const files = (await readSources(ROOT)).filter(({ path }) =>
    path.startsWith("src/") && !path.startsWith("src/simulator/") && !path.endsWith("_test.ts")
  );
  const named = files.filter(({ text }) =>
    PROTOCOLS.filter((protocol) => text.includes(`"${protocol}"`)).length > 2
  );
  const unexpected = named.map(({ path }) => path)
    .filter((path) => !PLACES.includes(path) && !MAY_NAME_MANY.includes(path));
  deepEqual(unexpected, []);
});
