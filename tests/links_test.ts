import assert from "node:assert/strict";
import { parse, stringify } from "@std/yaml";
import { parseArgs } from "@std/cli/parse-args";
import { exists } from "../scripts/paths.ts";
import { ROOT } from "../scripts/program.ts";
import { runTool } from "../scripts/shell.ts";

/**
 * The anchor that a heading gets on the usual hosts: lower case, spaces to dashes, what is neither
 * letter, digit, dash nor underscore gone.
 */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(" ", "-");
}

function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading));
}

/** Targets of the inline links and images of a Markdown text, code left out. */
function linksOf(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)/g)].map(([, target = ""]) => target);
}

/** What is wrong with the links of a document at `path` (from the project's folder). */
async function brokenLinks(path: string): Promise<string[]> {
  const text = await Deno.readTextFile(`${ROOT}/${path}`);
  const broken: string[] = [];
  for (const link of linksOf(text).filter((link) => !/^[a-z]+:/.test(link))) {
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? path : new URL(file, `file:///${path}`).pathname.slice(1);
    if (!await exists(`${ROOT}/${target}`)) {
      broken.push(`${path}: ${link}: ${target} does not exist`);
    } else if (
      anchor !== undefined && target.endsWith(".md") &&
      !anchorsOf(await Deno.readTextFile(`${ROOT}/${target}`)).includes(anchor)
    ) {
      broken.push(`${path}: ${link}: ${target} has no such heading`);
    }
  }
  return broken;
}

/** Files of the project as git knows them, new ones too, from the project's folder. */
async function filesOfProject(): Promise<string[]> {
  const list = async (...flags: string[]) =>
    (await runTool("git", ["ls-files", ...flags], { cwd: ROOT })).split("\n");
  const gone = new Set(await list("--deleted"));
  const files = await list("-co", "--exclude-standard");
  return files.filter((path) => path !== "" && !gone.has(path));
}

const TOP_FOLDERS = "src|tests|scripts|docs|proto|compat|deploy";

/**
 * Paths of the project that a Markdown text names as code: what begins with a top folder, and what
 * ends in `.ts` or, with a folder before it, in `/`. `*` stands for any part of a name, and so does `NAME`.
 */
function pathsNamedIn(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "");
  return [...prose.matchAll(/`(?:\.\/)?([^`\s]+)[^`]*`/g)]
    .map(([, path = ""]) => path)
    .filter((path) =>
      new RegExp(`^(${TOP_FOLDERS})/`).test(path) ||
      /^[A-Za-z][\w*]*((\/[\w*]+)*\.ts|(\/[\w*]+)+\/)$/.test(path)
    );
}

/**
 * Whether a path that a document names is there: from the project's folder when it begins with a
 * top folder, else as the end of the path of any file or folder.
 */
function isThere(path: string, files: readonly string[]): boolean {
  const start = new RegExp(`^(${TOP_FOLDERS})/`).test(path) ? "^" : "(^|/)";
  const name = path.replace(/\/$/, "").replace(/[.+?^${}()|[\]\\]/g, "\\$&")
    .replace(/\*|NAME/g, "[^/]*");
  const pattern = new RegExp(`${start}${name}${path.endsWith("/") ? "/" : "(/|$)"}`);
  return files.some((file) => pattern.test(file));
}

Deno.test("every relative link of every document leads to a file and a heading that exist", async () => {
  const documents = (await filesOfProject()).filter((path) => path.endsWith(".md"));
  assert.ok(documents.includes("README.md"), "the documents were found");
  assert.deepEqual((await Promise.all(documents.map(brokenLinks))).flat(), []);
});

Deno.test("every path of the project that a document names as code exists", async () => {
  const files = await filesOfProject();
  const missing: string[] = [];
  for (const document of files.filter((path) => path.endsWith(".md"))) {
    const paths = pathsNamedIn(await Deno.readTextFile(`${ROOT}/${document}`));
    missing.push(
      ...paths.filter((path) => !isThere(path, files)).map((path) =>
        `${document}: ${path} does not exist`
      ),
    );
  }
  assert.deepEqual(missing, []);
});

Deno.test("every folder of src/ is in the table of rooms of ARCHITECTURE.md", async () => {
  const text = await Deno.readTextFile(`${ROOT}/ARCHITECTURE.md`);
  const rooms = text.slice(text.indexOf("## Rooms"), text.indexOf("## Flow of data"));
  const folders = (await filesOfProject()).filter((path) => path.startsWith("src/"))
    .map((path) => path.slice(0, path.lastIndexOf("/") + 1));
  assert.ok(folders.includes("src/csi/"), "the folders were found");
  const unnamed = [...new Set(folders)].filter((folder) =>
    folder !== "src/" && !rooms.includes(`\`${folder}\``)
  );
  assert.deepEqual(unnamed, []);
});

/**
 * The ways "to add" something, each a row of the table or a list below it: the files and the names
 * in code that it has.
 */
function waysToAdd(text: string): { what: string; files: string[]; names: string[] }[] {
  const section = text.slice(text.indexOf("## To add"), text.indexOf("## Dependencies"));
  const [table = "", ...lists] = section.split(/^### /m);
  const rows = [...table.matchAll(/^\| (.+?) \| (.+) \|$/gm)].slice(2);
  return [...rows, ...lists.map((list) => list.split(/^(.+)\n/))].map(
    ([, what = "", way = ""]) => {
      const spans = [...way.matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span);
      return {
        what,
        files: spans.filter((span) =>
          /^(main(_\w+)?|(src|tests|scripts)\/[\w/]+)\.ts$/.test(span) && !span.includes("NAME")
        ),
        names: spans.filter((span) => /^[A-Za-z]\w+$/.test(span)),
      };
    },
  );
}

Deno.test('every name that a way "to add" something has is in a file of that way', async () => {
  const ways = waysToAdd(await Deno.readTextFile(`${ROOT}/ARCHITECTURE.md`));
  for (const name of ["FILTERS", "WEIGHTS"]) { // of the table, and of a list
    assert.ok(ways.some(({ names }) => names.includes(name)), name);
  }
  const missing: string[] = [];
  for (const { what, files, names } of ways) {
    const sources = await Promise.all(files.map((file) => Deno.readTextFile(`${ROOT}/${file}`)));
    const words = new Set(sources.flatMap((source) => source.match(/\w+/g) ?? []));
    missing.push(...names.filter((name) => !words.has(name)).map((name) => `${what}: ${name}`));
  }
  assert.deepEqual(missing, []);
});

Deno.test("pathsNamedIn() and isThere() know paths from the top, ends of paths and patterns", () => {
  const text =
    "`src/a.ts`, `./scripts/up --state`, `c*.ts`, `a/host/`, `/healthz`, `d.e`, `log/`\n" +
    "```\n`src/f.ts`\n```\n";
  const named = pathsNamedIn(text);
  assert.deepEqual(named, ["src/a.ts", "scripts/up", "c*.ts", "a/host/"]);
  const files = ["src/b/a.ts", "scripts/up", "src/a/host/call.ts"];
  assert.deepEqual(named.filter((path) => !isThere(path, files)), ["src/a.ts"]);
  assert.ok(!isThere("scripts/u", files) && !isThere("all.ts", files) && !isThere("ost/", files));
});

Deno.test("linksOf() takes links and images, and leaves code alone", () => {
  assert.deepEqual(linksOf('[a](b.md#c) `[d](e)` ![f](g.png "h")\n```\n[i](j)\n```\n'), [
    "b.md#c",
    "g.png",
  ]);
  assert.deepEqual(anchorsOf("# Bars & limits\n## `pso-bin` node"), [
    "bars--limits",
    "pso-bin-node",
  ]);
});

Deno.test("links of deno.json: each leads to a stand-in whose name is imported and whose version is in the wanted range", async () => {
  const { links, imports } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  assert.ok(links.length > 0);
  for (const link of links) {
    const { name, version, exports } = JSON.parse(
      await Deno.readTextFile(`${ROOT}/${link}/deno.json`),
    );
    assert.equal(
      imports[name],
      `jsr:${name}@1`,
      "the sources name the real package, so that deleting the link is the whole switch",
    );
    assert.match(version, /^1\./);
    for (
      const file of Object.values<string>(typeof exports === "string" ? { ".": exports } : exports)
    ) {
      assert.ok(await exists(`${ROOT}/${link}/${file}`), `${link}/${file}`);
    }
  }
});

Deno.test("the stand-in for @std/yaml reads and writes what @std/yaml does", () => {
  const value = { text: "a: b", list: [1, true, null], nested: { empty: {} } };
  assert.deepEqual(parse(stringify(value)), value);
  assert.deepEqual(parse("base: &b {a: 1}\nmore:\n  <<: *b\n  c: 2\n"), {
    base: { a: 1 },
    more: { a: 1, c: 2 },
  });
  assert.ok((parse("at: 2026-01-02T03:04:05Z") as { at: unknown }).at instanceof Date);
  assert.throws(() => parse("a: [1"), /line|position|\(\d+:\d+\)/);
});

Deno.test("the stand-in for @std/cli reads declared flags as @std/cli does", () => {
  const flags = parseArgs(
    ["run", "--name=x", "--many", "1", "--many", "2", "-f", "v.yaml", "--on"],
    {
      string: ["name", "many", "f"],
      boolean: ["on", "off"],
      collect: ["many"],
      default: { off: false },
    },
  );
  assert.deepEqual({ ...flags }, {
    _: ["run"],
    name: "x",
    many: ["1", "2"],
    f: "v.yaml",
    on: true,
    off: false,
  });
});
