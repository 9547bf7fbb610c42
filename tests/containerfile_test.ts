import assert from "node:assert/strict";
import { exists, filesBelow } from "../scripts/paths.ts";
import { DENO, DENO_VERSION, ENVIRONMENT, ROOT } from "../scripts/program.ts";
import { removeFolder } from "../scripts/mounts.ts";
import { runTool } from "../scripts/shell.ts";

interface Instruction {
  word: string;
  rest: string;
}

/** Instructions of a Containerfile, with continued lines joined and comments left out. */
function parse(text: string): Instruction[] {
  const lines = text.split("\n").filter((line) => !line.trimStart().startsWith("#")).join("\n")
    .replace(/\\\n/g, " ").split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "").map((line) => {
    const [word = "", ...rest] = line.split(/\s+/);
    return { word, rest: rest.join(" ") };
  });
}

const INSTRUCTIONS = parse(Deno.readTextFileSync(`${ROOT}/Containerfile`));
const KNOWN = [
  "FROM",
  "WORKDIR",
  "COPY",
  "RUN",
  "USER",
  "EXPOSE",
  "ENTRYPOINT",
  "CMD",
  "LABEL",
  "ENV",
  "ARG",
];
const of = (word: string) =>
  INSTRUCTIONS.filter((instruction) => instruction.word === word).map(({ rest }) => rest);
/** The stages; an image that an ARG names stands for the ARG's default. */
const stages = () =>
  of("FROM").map((rest) => {
    const [, named = "", name] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? [];
    const arg = /^\$\{(\w+)\}$/.exec(named)?.[1];
    const byDefault = of("ARG").find((line) => line.startsWith(`${arg}=`))?.split("=")[1];
    return { image: byDefault ?? named, name };
  });
/** What `RUN` runs, without the flags before it. */
const runs = () => of("RUN").map((rest) => rest.replace(/^(--\S+ )+/, ""));

/** The sources in this folder that COPY lines name, globs spelt out. */
function copied(): string[] {
  const names = of("COPY").filter((rest) => !rest.startsWith("--from=")).flatMap((rest) =>
    rest.split(" ").slice(0, -1)
  );
  const here = [...Deno.readDirSync(ROOT)].map((entry) => entry.name);
  return names.flatMap((name) => {
    const glob = new RegExp(`^${name.replaceAll(".", "\\.").replaceAll("*", ".*")}$`);
    const found = here.filter((one) => glob.test(one));
    assert.ok(found.length > 0, `COPY ${name}: nothing here has that name`);
    return found;
  });
}

Deno.test("Containerfile: every instruction is a known one, and none is ADD", () => {
  for (const { word } of INSTRUCTIONS) {
    assert.ok(KNOWN.includes(word), `${word} is not one of ${KNOWN.join(", ")}`);
  }
});

Deno.test("Containerfile: every base image is pinned by a full version or a digest, from a named registry", () => {
  const names = stages().flatMap(({ name }) => name ?? []);
  const bases = stages().map(({ image }) => image).filter((image) => !names.includes(image));
  assert.ok(bases.length >= 2, "a stage that builds and one that runs");
  assert.equal(new Set(bases).size, 1, "one base, so that one digest pins all");
  for (const image of bases) {
    assert.match(image, /^[a-z0-9.-]+\.[a-z]+\//, `${image} names no registry`);
    assert.match(image, /:(\d+\.\d+[^:/]*)$|@sha256:[0-9a-f]{64}$/, `${image} is not pinned`);
  }
});

Deno.test("Containerfile: the program is started directly, as a user without rights", () => {
  const [entrypoint] = of("ENTRYPOINT").map((rest) => JSON.parse(rest));
  assert.deepEqual(entrypoint, ["/usr/local/bin/pso-bin"]);
  const user = of("USER").at(-1) ?? "";
  assert.match(
    user,
    /^[1-9]\d*:[1-9]\d*$/,
    "numbers, because Kubernetes cannot tell that a name is not root",
  );
});

Deno.test("Containerfile: there is no home folder, where Deno keeps stores that need no permission", () => {
  assert.ok(of("ENV").includes("HOME=/dev/null"));
});

Deno.test("Containerfile: memory that was freed goes back to the host, as it does in the tests", () => {
  const words = of("ENV").flatMap((rest) => rest.split(" "));
  for (const [name, value] of Object.entries(ENVIRONMENT)) {
    assert.ok(words.includes(`${name}=${value}`), name);
  }
});

Deno.test("Containerfile: packages come without recommendations, and the lists do not stay", () => {
  for (const rest of runs().filter((rest) => rest.includes("apt-get install"))) {
    assert.match(rest, /--no-install-recommends/);
    assert.match(rest, /rm -rf \/var\/lib\/apt\/lists\/\*$/);
  }
});

Deno.test("Containerfile: what is copied between stages comes from a stage of that name", () => {
  const names = stages().flatMap(({ name }) => name ?? []);
  for (const rest of of("COPY").filter((rest) => rest.startsWith("--from="))) {
    const stage = /^--from=(\S+)/.exec(rest)?.[1] ?? "";
    assert.ok(names.includes(stage), `--from=${stage}, and the stages are ${names.join(", ")}`);
  }
});

Deno.test("Containerfile: every source of COPY is let through by .dockerignore", async () => {
  const ignore = (await Deno.readTextFile(`${ROOT}/.dockerignore`)).split("\n");
  assert.ok(ignore.includes("*"), "nothing goes in by accident");
  for (const rest of of("COPY").filter((rest) => !rest.startsWith("--from="))) {
    for (const name of rest.split(" ").slice(0, -1)) {
      assert.ok(ignore.includes(`!${name}`), `.dockerignore has no !${name}`);
    }
  }
});

Deno.test("Containerfile: its RUN script makes a program that runs, from the copied files alone", async () => {
  const [script, out] = JSON.parse(runs().find((rest) => rest.startsWith("[")) ?? "[]");
  assert.equal(out, "/out");
  const work = await Deno.makeTempDir({ prefix: "pso-image-" });
  try {
    const context = `${work}/context`;
    await Deno.mkdir(context);
    for (const name of copied()) {
      await runTool("cp", ["-r", `${ROOT}/${name}`, `${context}/${name}`]);
    }
    const files = await filesBelow(context);
    for (const path of files.filter((path) => path.endsWith("_test.ts"))) await Deno.remove(path);
    await removeFolder(`${context}/scripts/layers_fixtures`);
    // What was fetched before is used again: an image's build would fetch the same by the same
    // hashes.
    const env: Record<string, string> = {
      PATH: `${DENO.slice(0, DENO.lastIndexOf("/"))}:${Deno.env.get("PATH")}`,
    };
    const kept = `${ROOT}/.tools/denort-${DENO_VERSION}/${Deno.build.arch}/denort`;
    if (await exists(kept)) env.DENORT_BIN = kept;
    const said = await runTool(`${context}/${script}`, [`${work}/out`], { cwd: context, env });
    assert.match(said.trimEnd().split("\n").at(-1) ?? "", /\d+\.\d+\.\d+/, said);
    assert.deepEqual((await filesBelow(`${work}/out`)).map((path) => path.slice(work.length)), [
      "/out/LICENSE",
      "/out/pso-bin",
      "/out/sbom.cdx.json",
    ]);
    const sbom = JSON.parse(await Deno.readTextFile(`${work}/out/sbom.cdx.json`));
    const names = sbom.components.map(({ name }: { name: string }) => name);
    assert.ok(["pso-bin", "deno", "grpc-js", "hono"].every((name) => names.includes(name)), names);
    assert.ok(!names.includes("ajv") && !names.includes("typescript"), "what only tests use");
  } finally {
    await removeFolder(work);
  }
});
