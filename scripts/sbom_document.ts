/** The software bill of materials of the image, from what deno.lock and dpkg say. */

/** A component of CycloneDX 1.6, with the fields that we have. */
export interface Component {
  type: "application" | "library" | "framework" | "container" | "operating-system";
  "bom-ref": string;
  name: string;
  version: string;
  group?: string;
  purl?: string;
  hashes?: { alg: string; content: string }[];
  licenses?: { license: { id: string } }[];
  supplier?: { name: string };
}

interface Dependency {
  ref: string;
  dependsOn: string[];
}

/** A CycloneDX document. */
export interface Sbom {
  $schema: string;
  bomFormat: "CycloneDX";
  specVersion: "1.6";
  version: 1;
  metadata: { component: Component };
  components: Component[];
  dependencies: Dependency[];
}

/** `deno.lock`, the part about npm. */
export interface Lock {
  npm?: Record<string, { integrity?: string; dependencies?: string[] }>;
}

/** What dpkg and /etc/os-release say of the image's system. */
export interface SystemFacts {
  /** Text of /var/lib/dpkg/status. */
  status: string;
  /** Text of /etc/os-release. */
  osRelease: string;
}

/** What the document is about. */
export interface SbomFacts {
  version: string;
  denoVersion: string;
  lock: Lock;
  /** npm packages that the program imports itself, as `name@version`. */
  imported: readonly string[];
  system?: SystemFacts;
}

const IMAGE = "image";
const PROGRAM = "program";

/**
 * The document, with everything in a fixed order and no time in it: the same facts give the same
 * text. Throws when a package that the program imports is not in the lock.
 */
export function sbomOf(facts: SbomFacts): Sbom {
  const { version, denoVersion } = facts;
  const licenses = [{ license: { id: "Apache-2.0" } }];
  const runtime: Component = {
    type: "framework",
    "bom-ref": `pkg:github/denoland/deno@v${denoVersion}`,
    name: "deno",
    version: denoVersion,
    purl: `pkg:github/denoland/deno@v${denoVersion}`,
    licenses: [{ license: { id: "MIT" } }],
  };
  const npm = npmPart(facts);
  const system = facts.system === undefined ? NOTHING : systemPart(facts.system);
  const program: Component = {
    type: "application",
    "bom-ref": PROGRAM,
    name: "pso-bin",
    version,
    licenses,
  };
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: { type: "container", "bom-ref": IMAGE, name: "pso", version, licenses },
    },
    components: [program, runtime, ...npm.components, ...system.components],
    dependencies: [
      {
        ref: IMAGE,
        dependsOn: [PROGRAM, ...system.components.map((component) => component["bom-ref"])],
      },
      { ref: PROGRAM, dependsOn: [runtime["bom-ref"], ...facts.imported.map(npmRef).sort()] },
      ...npm.dependencies,
      ...system.dependencies,
    ],
  };
}

/** Some components, and what each needs. */
interface Part {
  components: Component[];
  dependencies: Dependency[];
}

const NOTHING: Part = { components: [], dependencies: [] };

/** `@scope/name@1.2.3`, apart. */
function splitName(id: string): { name: string; version: string } {
  const at = id.lastIndexOf("@");
  return { name: id.slice(0, at), version: id.slice(at + 1) };
}

function npmRef(id: string): string {
  const { name, version } = splitName(id);
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** What the imported packages need, and what these need in turn. */
function npmPart({ lock, imported }: SbomFacts): Part {
  const known = lock.npm ?? {};
  const found = new Map<string, string[]>();
  const visit = (id: string) => {
    if (found.has(id)) return;
    const entry = known[id];
    if (entry === undefined) {
      throw new Error(`deno.lock has no npm package ${id}: run deno install`);
    }
    const needs = (entry.dependencies ?? []).map((name) => inLock(known, name));
    found.set(id, needs);
    needs.forEach(visit);
  };
  imported.forEach(visit);
  const ids = [...found.keys()].sort();
  return {
    components: ids.map((id) => npmComponent(id, known[id]?.integrity)),
    dependencies: ids.map((id) => ({
      ref: npmRef(id),
      dependsOn: (found.get(id) ?? []).map(npmRef).sort(),
    })),
  };
}

/** The lock names a dependency with its version only where there are several. */
function inLock(known: NonNullable<Lock["npm"]>, name: string): string {
  if (name in known) return name;
  const found = Object.keys(known).find((id) => splitName(id).name === name);
  if (found === undefined) {
    throw new Error(`deno.lock has no npm package ${name}: run deno install`);
  }
  return found;
}

function npmComponent(id: string, integrity: string | undefined): Component {
  const { name, version } = splitName(id);
  const [group, own] = name.startsWith("@") ? name.split("/") : [undefined, name];
  const [, base64] = /^sha512-(.+)$/.exec(integrity ?? "") ?? [];
  return {
    type: "library",
    "bom-ref": npmRef(id),
    ...group === undefined ? {} : { group },
    name: own ?? name,
    version,
    purl: npmRef(id),
    ...base64 === undefined ? {} : { hashes: [{ alg: "SHA-512", content: hexOf(base64) }] },
  };
}

function hexOf(base64: string): string {
  return [...atob(base64)].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}

/** One installed package of Debian. */
interface Installed {
  name: string;
  version: string;
  architecture: string;
  maintainer: string;
  /** What it needs, each as its alternatives. */
  depends: string[][];
}

/**
 * The packages that dpkg calls installed. Others in its list, such as those of which only the
 * configuration is left, are not in the image.
 */
export function installedPackages(status: string): Installed[] {
  return status.split(/\n{2,}/).flatMap((stanza): Installed[] => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1] ?? "";
    if (field("Status") !== "install ok installed") return [];
    const depends = [field("Pre-Depends"), field("Depends")].filter((text) => text !== "")
      .flatMap((text) => text.split(","))
      .map((need) => need.split("|").map((one) => /^[^\s:(]+/.exec(one.trim())?.[0] ?? ""));
    return [{
      name: field("Package"),
      version: field("Version"),
      architecture: field("Architecture"),
      maintainer: field("Maintainer").replace(/\s*<.*$/, ""),
      depends,
    }];
  }).sort((a, b) => a.name < b.name ? -1 : 1);
}

function systemPart({ status, osRelease }: SystemFacts): Part {
  const release = (name: string) =>
    new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(osRelease)?.[1] ?? "";
  const distro = `${release("ID")}-${release("VERSION_ID")}`;
  const packages = installedPackages(status);
  const refOf = ({ name, version, architecture }: Installed) =>
    `pkg:deb/${release("ID")}/${encodeURIComponent(name)}@${
      encodeURIComponent(version)
    }?arch=${architecture}&distro=${distro}`;
  const byName = new Map(packages.map((one) => [one.name, refOf(one)]));
  const system: Component = {
    type: "operating-system",
    "bom-ref": distro,
    name: release("ID"),
    version: release("VERSION_ID"),
  };
  const components = packages.map((one): Component => ({
    type: "library",
    "bom-ref": refOf(one),
    name: one.name,
    version: one.version,
    purl: refOf(one),
    supplier: { name: one.maintainer },
  }));
  const dependencies = packages.map((one): Dependency => {
    // A need that only a virtual package fulfils has no name here.
    const needs = one.depends.flatMap((alternatives) =>
      alternatives.flatMap((name) => byName.get(name) ?? []).slice(0, 1)
    );
    return { ref: refOf(one), dependsOn: [...new Set(needs)].sort() };
  });
  return { components: [system, ...components], dependencies };
}
