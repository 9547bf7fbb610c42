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

Deno.test("every relative link of every document leads to a file and a heading that exist", async () => {
  const documents =
    (await runTool("git", ["ls-files", "-co", "--exclude-standard", "*.md"], { cwd: ROOT })).split(
      "\n",
    );
  const there = documents.filter((path) => path !== "");
  assert.ok(there.includes("README.md"), "the documents were found");
  assert.deepEqual((await Promise.all(there.map(brokenLinks))).flat(), []);
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
