/**
 * Lint plugin that holds the import rules of ARCHITECTURE.md: which folder of `src/` may know
 * which, which package belongs to whom, and the two things that have one place only (starting a
 * process, reading the arguments). It looks at every form of import: static, type-only, dynamic,
 * re-export, `import("x")` types and `import x = require("x")`.
 */

/**
 * The folders of `src/` that every other may import, and that import only each other; "" is
 * `src/*.ts`.
 */
const BASE = ["", "async", "cluster", "config", "metrics", "net", "options"];

/**
 * Where the doubles and beds of unit tests stand: tests in `src/` may import it, product files may
 * not.
 */
const TEST_SUPPORT = "tests/support/";

/**
 * What the files of each folder of `src/` may import besides their own folder and base; a path that
 * ends in `.ts` is that file alone.
 */
const MAY_IMPORT: Record<string, string[]> = {
  cli: [],
  arrays: [],
  host: [],
  kube: [],
  simulator: [],
  controller: ["arrays/array.ts", "arrays/fleet.ts"],
  node: ["host"],
  ephemeral: ["kube", "controller", "node"],
  csi: ["controller", "node", "ephemeral"],
  admin: ["controller", "arrays", "host", "kube"],
};

/** Packages that belong to some folders only. */
const PACKAGE_OWNERS: Record<string, string[]> = {
  "@grpc/grpc-js": ["csi"],
  hono: ["admin", "simulator"],
};

/**
 * Not even for a test: code or a wrong idea shared by a simulated array and its client would hide a
 * mistake from every test.
 */
const STRANGERS: Record<string, string> = { arrays: "simulator", simulator: "arrays" };

/** Where Deno.Command may be used and where Deno.args may be read. */
const ONLY_PLACE: Record<string, string> = {
  Command: "src/host/tools/command.ts",
  args: "main.ts",
};

/**
 * A file of the product: its path from the project's folder, its folder below `src/` ("" for base,
 * undefined for main*.ts).
 */
interface Place {
  path: string;
  folder: string | undefined;
  isTest: boolean;
}

/** Undefined for files that the rules leave alone: scripts, tests/, compat. */
function placeOf(filename: string): Place | undefined {
  const root = new URL("..", import.meta.url).pathname;
  const path = filename.startsWith(root) ? filename.slice(root.length) : filename;
  if (/^main(_\w+)?\.ts$/.test(path)) {
    return { path, folder: undefined, isTest: path.endsWith("_test.ts") };
  }
  if (!path.startsWith("src/")) return undefined;
  return { path, folder: folderOf(path), isTest: path.endsWith("_test.ts") };
}

/** The folder below `src/` that a path of the form `src/…` lies in, "" for base. */
function folderOf(path: string): string {
  const parts = path.split("/");
  return parts.length > 2 ? parts[1] ?? "" : "";
}

/** The path from the project's folder that a relative specifier in `from` means. */
function resolve(specifier: string, from: string): string {
  return new URL(specifier, `file:///project/${from}`).pathname.replace(/^\/project\//, "");
}

/**
 * The bare name of the package that a specifier means, or undefined for a path. `npm:@a/b@1/c` →
 * `@a/b`.
 */
function packageOf(specifier: string): string | undefined {
  if (/^(\.{1,2}\/|\/|file:)/.test(specifier)) return undefined;
  const bare = specifier.replace(/^(npm|jsr):\/?/, "");
  return /^(@[^/]+\/[^/@]+|[^/@]+)/.exec(bare)?.[0] ?? bare;
}

/** Why `place` must not import `specifier`, or undefined when it may. */
function faultOfImport(specifier: string, place: Place): string | undefined {
  if (/^(node:)?child_process(\/|$)/.test(specifier)) {
    return "child_process is used nowhere: src/host/tools/command.ts starts processes";
  }
  const name = packageOf(specifier);
  if (name !== undefined) return faultOfPackage(name.replace(/^@hono\/hono$/, "hono"), place);
  if (!specifier.startsWith(".")) {
    return `${specifier} is an absolute path: import by a relative one`;
  }
  const target = resolve(specifier, place.path);
  if (place.folder === undefined) return undefined;
  if (!target.startsWith("src/")) return faultOfOutside(target, place.isTest);
  return faultOfFolder(target, place.folder, place.isTest);
}

function faultOfOutside(target: string, isTest: boolean): string | undefined {
  if (!isTest) return `src/ imports nothing outside src/, and this is ${target}`;
  if (target.startsWith(TEST_SUPPORT)) return undefined;
  return `tests in src/ import nothing outside src/ but ${TEST_SUPPORT}, and this is ${target}`;
}

function faultOfPackage(name: string, place: Place): string | undefined {
  const owners = PACKAGE_OWNERS[name];
  if (!owners || place.isTest || owners.includes(place.folder ?? "main.ts")) return undefined;
  return `only ${owners.map((owner) => `src/${owner}/`).join(" and ")} may use ${name}`;
}

function faultOfFolder(target: string, folder: string, isTest: boolean): string | undefined {
  const targetFolder = folderOf(target);
  if (targetFolder === folder) return undefined;
  if (STRANGERS[folder] === targetFolder) {
    return `src/${folder}/ and src/${targetFolder}/ never meet, in tests neither: shared code shares the mistake`;
  }
  if (BASE.includes(targetFolder) || isTest) return undefined;
  if (BASE.includes(folder)) {
    return `${
      folder === "" ? "src/*.ts" : `src/${folder}/`
    } is base and imports only base, and this is ${target}`;
  }
  const allowed = MAY_IMPORT[folder];
  if (!allowed) return `src/${folder}/ has no import rule: add it to scripts/layers.ts`;
  if (allowed.some((one) => one === targetFolder || target === `src/${one}`)) return undefined;
  const base = BASE.map((one) => one === "" ? "src/*.ts" : `src/${one}/`).join(", ");
  const may = [`base (${base})`, ...allowed.map((one) => `src/${one}`)].join(", ");
  return `src/${folder}/ may import ${may}, and this is ${target}`;
}

/**
 * The member of Deno that an expression reads, for `Deno.x`, `Deno["x"]` and `globalThis.Deno.x`.
 */
function denoMember(node: Deno.lint.MemberExpression): string | undefined {
  const { object, property } = node;
  const isDeno = (object.type === "Identifier" && object.name === "Deno") ||
    (object.type === "MemberExpression" && nameOf(object.property) === "Deno");
  return isDeno ? nameOf(property) : undefined;
}

function nameOf(node: { type: string; name?: unknown; value?: unknown }): string | undefined {
  if (node.type === "Identifier" || node.type === "PrivateIdentifier") return String(node.name);
  return node.type === "Literal" ? String(node.value) : undefined;
}

/** Why `place` must not touch `Deno.<member>`, or undefined when it may. */
function faultOfDeno(member: string | undefined, place: Place): string | undefined {
  const only = member === undefined ? undefined : ONLY_PLACE[member];
  if (only === undefined || only === place.path || place.isTest) return undefined;
  return `only ${only} may use Deno.${member}`;
}

function create(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const place = placeOf(context.filename);
  if (!place) return {};
  const report = (node: Deno.lint.Node, message: string | undefined) => {
    if (message !== undefined) context.report({ node, message });
  };
  const look = (
    node: Deno.lint.Node,
    source: { type: string; value?: unknown } | null | undefined,
  ) => {
    if (!source) return;
    if (source.type === "Literal") report(node, faultOfImport(String(source.value), place));
    else {report(
        node,
        "the path of an import is written out as a string, so that it can be checked",
      );}
  };
  return {
    ImportDeclaration: (node) => look(node, node.source),
    ExportNamedDeclaration: (node) => look(node, node.source),
    ExportAllDeclaration: (node) => look(node, node.source),
    ImportExpression: (node) => look(node, node.source),
    TSImportType: (node) =>
      look(node, node.argument.type === "TSLiteralType" ? node.argument.literal : node.argument),
    TSExternalModuleReference: (node) => look(node, node.expression),
    MemberExpression: (node) => report(node, faultOfDeno(denoMember(node), place)),
    VariableDeclarator(node) {
      if (node.init?.type !== "Identifier" || node.init.name !== "Deno") return;
      if (node.id.type !== "ObjectPattern") {
        return report(node, "Deno gets no second name, so that what is used of it can be checked");
      }
      for (const property of node.id.properties) {
        if (property.type === "Property") report(node, faultOfDeno(nameOf(property.key), place));
      }
    },
  };
}

/** Deno's lint loads a plugin by its default export; nothing else in the project has one. */
export default { name: "layers", rules: { layers: { create } } } satisfies Deno.lint.Plugin;
