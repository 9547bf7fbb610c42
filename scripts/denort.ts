/**
 * Finds the runtime that `deno compile` puts under a program (denort, of the very version of the
 * compiler), and strips it: a compiled program must not be stripped any more, its payload would be
 * gone.
 */
import { parseArgs } from "@std/cli/parse-args";
import { exists, readIfThere, sha256 } from "./paths.ts";
import { DENO, DENO_VERSION, ROOT } from "./program.ts";
import { complain, runTool, say, tryTool } from "./shell.ts";

/** Machine names as `uname -m` and Deno spell them. */
export type Arch = "x86_64" | "aarch64";

/** The target triple that `deno compile --target` takes. */
export function targetOf(arch: Arch): string {
  return `${arch}-unknown-linux-gnu`;
}

/** A runtime on this machine and a sentence on where it came from. */
export interface Runtime {
  path: string;
  origin: string;
}

/**
 * Published programs that were made by `deno compile` of this version, by their npm package: the
 * runtime can be taken back out of them, so that a build without Deno's own downloads needs no
 * registry but npm's. Both hashes are checked. None is known for aarch64.
 */
const DONORS: Partial<
  Record<Arch, { package: string; program: string; programSha256: string; runtimeSha256: string }>
> = {
  x86_64: {
    package: "@chelonia/cli-x64-linux@3.4.0",
    program: "package/chel",
    programSha256: "bf5318c47771dc044bafaf935d411b9d3456a7c96d30b32bbda27eaee930577f",
    runtimeSha256: "723d45cca4f68bd66652da1e0d45562b0700317c1535981035f50f078785a131",
  },
};

/**
 * Field offsets of a 64-bit little-endian ELF header, and the size of the header itself (System V
 * ABI, "ELF Header").
 */
const ELF = {
  phoff: 0x20,
  shoff: 0x28,
  phnum: 0x38,
  shentsize: 0x3a,
  shnum: 0x3c,
  headerBytes: 64,
} as const;

/**
 * Undoes what `deno compile` did to its runtime. It leaves the runtime's bytes alone but for four
 * header fields, and appends a copy of the program headers with two more, a note with the payload,
 * and a copy of the section headers with two more. The old section headers still stand in the part
 * before; their first entries are the same as in the copy, which is how they are found.
 */
export function runtimeInside(program: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const appendedAt = Number(view.getBigUint64(ELF.phoff, true));
  const sectionsCopyAt = Number(view.getBigUint64(ELF.shoff, true));
  const entryBytes = view.getUint16(ELF.shentsize, true);
  const sections = view.getUint16(ELF.shnum, true) - 2;
  if (appendedAt <= ELF.headerBytes) {
    throw new Error(
      "the program was not made by deno compile: its program headers are where they were",
    );
  }
  const before = program.slice(0, appendedAt);
  const sectionsAt = lastIndexOf(
    before,
    program.subarray(sectionsCopyAt, sectionsCopyAt + 3 * entryBytes),
  );
  if (sectionsAt < 0) {
    throw new Error("the program was not made by deno compile: it holds no second section table");
  }
  const runtime = new DataView(before.buffer);
  runtime.setBigUint64(ELF.phoff, BigInt(ELF.headerBytes), true);
  runtime.setUint16(ELF.phnum, view.getUint16(ELF.phnum, true) - 2, true);
  runtime.setBigUint64(ELF.shoff, BigInt(sectionsAt), true);
  runtime.setUint16(ELF.shnum, sections, true);
  return before.slice(0, sectionsAt + sections * entryBytes);
}

function lastIndexOf(bytes: Uint8Array, part: Uint8Array): number {
  for (let at = bytes.length - part.length; at >= 0; at--) {
    if (part.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}

/**
 * Strips in place. Without a strip that knows the machine's format the runtime stays larger, and
 * right.
 */
async function strip(path: string): Promise<string> {
  const { code } = await tryTool("strip", [path]);
  return code === 0 ? "stripped" : "not stripped: no strip for this format here";
}

/**
 * Deno fetches the runtime by itself when it compiles; compiling one line makes it do so. Undefined
 * when it cannot within 5 s.
 */
async function downloadByDeno(arch: Arch, work: string): Promise<string | undefined> {
  await Deno.writeTextFile(`${work}/one_line.ts`, "console.log(1);\n");
  const args = [
    "compile",
    "--quiet",
    "--no-config",
    "--target",
    targetOf(arch),
    "--output",
    `${work}/one_line`,
    `${work}/one_line.ts`,
  ];
  const { code } = await tryTool(DENO, args, { timeoutMs: 5000, cwd: work });
  if (code !== 0) return undefined;
  const { denoDir } = JSON.parse(await runTool(DENO, ["info", "--json"], { cwd: work }));
  const zip = `${denoDir}/dl/release/v${DENO_VERSION}/denort-${targetOf(arch)}.zip`;
  const { code: unzipped } = await tryTool("unzip", ["-q", "-o", zip, "denort", "-d", work]);
  return unzipped === 0 ? `${work}/denort` : undefined; // no unzip here: the next way needs none
}

async function fromNpm(arch: Arch, work: string): Promise<string | undefined> {
  const donor = DONORS[arch];
  if (!donor) return undefined;
  const packed = await tryTool("npm", ["pack", "--silent", donor.package], { cwd: work });
  if (packed.code !== 0) return undefined;
  await runTool("tar", ["xzf", packed.stdout.trim(), donor.program], { cwd: work });
  const program = await Deno.readFile(`${work}/${donor.program}`);
  await wantHash(`${donor.package} ${donor.program}`, {
    bytes: program,
    sha256: donor.programSha256,
  });
  const runtime = runtimeInside(program);
  await wantHash(`the runtime inside ${donor.package}`, {
    bytes: runtime,
    sha256: donor.runtimeSha256,
  });
  await Deno.writeFile(`${work}/denort`, runtime, { mode: 0o755 });
  return `${work}/denort`;
}

async function wantHash(
  what: string,
  want: { bytes: Uint8Array<ArrayBuffer>; sha256: string },
): Promise<void> {
  const found = await sha256(want.bytes);
  if (found !== want.sha256) {
    throw new Error(`${what} has the SHA-256 ${found}, wanted ${want.sha256}`);
  }
}

/**
 * The stripped runtime for `arch`, by the first way that works: the file that DENORT_BIN names
 * (taken as it is), one found before (kept in `.tools/denort-VERSION/ARCH`), Deno's own download (5
 * s limit), or a published npm program. Undefined when none works. Safe to call from several
 * processes at once: a file is put into place only when whole.
 */
export async function findRuntime(arch: Arch): Promise<Runtime | undefined> {
  const named = Deno.env.get("DENORT_BIN");
  if (named) {
    if (!await exists(named)) {
      throw new Error(
        `DENORT_BIN names ${named}, and nothing is there; name a denort ${DENO_VERSION} or ` +
          "unset it",
      );
    }
    return { path: named, origin: "DENORT_BIN" };
  }
  const kept = `${ROOT}/.tools/denort-${DENO_VERSION}/${arch}`;
  const before = await readIfThere(`${kept}/origin`);
  if (before !== undefined && await exists(`${kept}/denort`)) {
    return { path: `${kept}/denort`, origin: before };
  }
  await Deno.mkdir(kept, { recursive: true });
  const work = await Deno.makeTempDir({ prefix: "pso-denort-" });
  try {
    const ways = [["Deno's own download", downloadByDeno], [
      `npm package ${DONORS[arch]?.package}`,
      fromNpm,
    ]] as const;
    for (const [name, way] of ways) {
      const found = await way(arch, work);
      if (found === undefined) continue;
      const origin = `${name}, ${await strip(found)}`;
      const whole = `${kept}/denort.${Deno.pid}`;
      await Deno.copyFile(found, whole);
      await Deno.rename(whole, `${kept}/denort`);
      await Deno.writeTextFile(`${kept}/origin`, origin);
      return { path: `${kept}/denort`, origin };
    }
    return undefined;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** What to say when findRuntime() finds none. */
export function missingRuntime(arch: Arch): string {
  const ways = DONORS[arch] ? "Deno's downloads or the npm registry" : "Deno's downloads";
  return `no denort ${DENO_VERSION} for ${arch}: set DENORT_BIN to one, or give access to ${ways}`;
}

if (import.meta.main) {
  const arch = String(parseArgs(Deno.args, { string: ["arch"], default: { arch: "x86_64" } }).arch);
  if (arch !== "x86_64" && arch !== "aarch64") {
    complain(`denort: --arch is ${arch}; x86_64 and aarch64 are known`);
    Deno.exit(2);
  }
  const runtime = await findRuntime(arch);
  if (!runtime) {
    complain(`denort: ${missingRuntime(arch)}`);
    Deno.exit(3);
  }
  say(runtime.path);
}
