import { equal, rejects } from "node:assert/strict";
import { ForbiddenFile, namedFileReader, type NamedFileRules } from "./named_files.ts";

const OWN = "the token of this pod";

/** A folder of a chart, one of a service account, and one beside both, with links among them. */
async function inFolders(test: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "pso-named-" }));
  try {
    for (const folder of ["pure/..1/tokens", "account/..1", "beside"]) {
      await Deno.mkdir(`${root}/${folder}`, { recursive: true });
    }
    await Deno.writeTextFile(`${root}/pure/..1/tokens/fa`, "fa");
    await Deno.writeTextFile(`${root}/account/..1/token`, OWN);
    await Deno.writeTextFile(`${root}/beside/ca.crt`, "ca");
    // As kubelet makes volumes.
    for (const folder of ["pure", "account"]) await Deno.symlink("..1", `${root}/${folder}/..data`);
    await Deno.symlink("..data/tokens", `${root}/pure/tokens`);
    await Deno.symlink("..data/token", `${root}/account/token`);
    await Deno.symlink("../beside/ca.crt", `${root}/pure/out`);
    await Deno.symlink("../account/token", `${root}/pure/own`);
    await Deno.symlink("../account", `${root}/beside/account`);
    await Deno.symlink("account", `${root}/renamed`);
    await test(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** What the reader may open; a test that reads anything else fails. */
function readerIn(root: string, rules: Partial<NamedFileRules>) {
  return namedFileReader({
    within: `${root}/pure`,
    never: [`${root}/account`],
    readTextFile: async (path) => {
      const text = await Deno.readTextFile(path);
      equal(text === OWN, false, `${path} was opened`);
      return text;
    },
    realPath: Deno.realPath,
    ...rules,
  });
}

Deno.test("a file below the chart's folder is read through kubelet's links", () =>
  inFolders(async (root) => {
    equal(await readerIn(root, {})(`${root}/pure/tokens/fa`), "fa");
    equal(await readerIn(root, {})(`${root}/beside/../pure/tokens/fa`), "fa");
    await rejects(readerIn(root, {})(`${root}/pure/none`), Deno.errors.NotFound);
  }));

/** By the path below the root: what is refused of a configuration from the cluster, and how. */
const REFUSED: readonly [title: string, path: string, why: RegExp][] = [
  ["a file elsewhere", "beside/ca.crt", /^is outside ROOT\/pure, and a configuration from /],
  ["a file that is not there", "beside/none", /^is outside ROOT\/pure/],
  ["the folder itself", "pure", /^is outside ROOT\/pure/],
  ["a folder with a name that begins alike", "pure2/token", /^is outside ROOT\/pure/],
  [
    "a way out by ..",
    "pure/tokens/../../beside/ca.crt",
    /^leads to ROOT\/beside\/ca\.crt, outside /,
  ],
  ["a link that leads out", "pure/out", /^leads to ROOT\/beside\/ca\.crt, outside ROOT\/pure/],
  ["the token of the pod", "account/token", /^is below ROOT\/account, where the credentials of /],
  ["a link to the token", "pure/own", /^leads to ROOT\/account\/..1\/token, below ROOT\/account/],
];

for (const [title, path, why] of REFUSED) {
  Deno.test(`a configuration from the cluster may not name ${title}`, () =>
    inFolders(async (root) => {
      const wanted = new RegExp(why.source.replaceAll("ROOT", root));
      await rejects(
        readerIn(root, { readTextFile: () => Promise.reject(new Error("opened")) })(
          `${root}/${path}`,
        ),
        (error: unknown) => error instanceof ForbiddenFile && wanted.test(error.why),
      );
    }));
}

for (
  const path of ["account/token", "beside/account/token", "account/..1/token", "renamed/token"]
) {
  Deno.test(`a configuration of files may name any file, but not the token of the pod as ${path}`, () =>
    inFolders(async (root) => {
      const read = readerIn(root, { within: undefined });
      equal(await read(`${root}/beside/ca.crt`), "ca");
      await rejects(read(`${root}/${path}`), ForbiddenFile);
      const linked = readerIn(root, { within: undefined, never: [`${root}/renamed`] });
      await rejects(linked(`${root}/${path}`), ForbiddenFile);
    }));
}

Deno.test("a file whose folder kubelet exchanges at this moment is looked for once more", () =>
  inFolders(async (root) => {
    let asked = 0;
    const read = readerIn(root, {
      readTextFile: (path) =>
        asked++ === 0 ? Promise.reject(new Deno.errors.NotFound(path)) : Promise.resolve("new"),
    });
    equal(await read(`${root}/pure/tokens/fa`), "new");
  }));
