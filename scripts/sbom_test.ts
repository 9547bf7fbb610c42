import assert from "node:assert/strict";
import { installedPackages, type Sbom, sbomOf } from "./sbom_document.ts";

const LOCK = {
  npm: {
    "@a/one@1.0.0": { integrity: "sha512-AQL/", dependencies: ["two", "three@3.0.0"] },
    "two@2.0.0": { dependencies: ["three@3.1.0"] },
    "three@3.0.0": {},
    "three@3.1.0": { dependencies: ["@a/one"] },
    "ajv@8.0.0": {},
  },
};

const STATUS = `Package: xfsprogs
Status: install ok installed
Maintainer: XFS Team <team@example.org>
Architecture: amd64
Version: 6.1.0-1+b1
Depends: libc6 (>= 2.34), libnone | libuuid1:any (>= 2.16), libvirtual

Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <libc@example.org>
Architecture: amd64
Version: 2.36-9

Package: libuuid1
Status: install ok installed
Maintainer: util-linux
Architecture: amd64
Version: 2:2.38.1-5
Pre-Depends: libc6

Package: gone
Status: deinstall ok config-files
Maintainer: nobody
Architecture: amd64
Version: 1
`;

const OS_RELEASE = `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n`;

function document(): Sbom {
  return sbomOf({
    version: "7.0.0",
    denoVersion: "2.9.4",
    lock: LOCK,
    imported: ["@a/one@1.0.0"],
    system: { status: STATUS, osRelease: OS_RELEASE },
  });
}

const needsOf = (ref: string) => document().dependencies.find((one) => one.ref === ref)?.dependsOn;

Deno.test("sbomOf() has what the program imports and all that this needs, and nothing of tests", () => {
  const purls = document().components.flatMap(({ purl }) => purl ?? []);
  assert.deepEqual(purls.filter((purl) => purl.startsWith("pkg:npm/")), [
    "pkg:npm/%40a/one@1.0.0",
    "pkg:npm/three@3.0.0",
    "pkg:npm/three@3.1.0",
    "pkg:npm/two@2.0.0",
  ]);
  const one = document().components.find(({ name }) => name === "one");
  assert.deepEqual([one?.group, one?.version, one?.hashes], [
    "@a",
    "1.0.0",
    [{ alg: "SHA-512", content: "0102ff" }],
  ]);
  assert.deepEqual(needsOf("pkg:npm/%40a/one@1.0.0"), ["pkg:npm/three@3.0.0", "pkg:npm/two@2.0.0"]);
  assert.deepEqual(needsOf("program"), [
    "pkg:github/denoland/deno@v2.9.4",
    "pkg:npm/%40a/one@1.0.0",
  ]);
});

Deno.test("sbomOf() has the installed packages of the system with their needs, and no leftovers", () => {
  assert.deepEqual(installedPackages(STATUS).map(({ name }) => name), [
    "libc6",
    "libuuid1",
    "xfsprogs",
  ]);
  const refs = document().components.map((one) => one["bom-ref"]);
  const libuuid = "pkg:deb/debian/libuuid1@2%3A2.38.1-5?arch=amd64&distro=debian-12";
  const libc = "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12";
  assert.ok(refs.includes(libuuid) && refs.includes("debian-12"), refs.join("\n"));
  assert.deepEqual(
    needsOf("pkg:deb/debian/xfsprogs@6.1.0-1%2Bb1?arch=amd64&distro=debian-12"),
    [libc, libuuid],
  );
  const supplier = document().components.find(({ name }) => name === "xfsprogs")?.supplier;
  assert.deepEqual(supplier, { name: "XFS Team" });
});

Deno.test("sbomOf() names each component once and depends on named ones only", () => {
  const { components, dependencies, metadata } = document();
  const refs = [metadata.component, ...components].map((one) => one["bom-ref"]);
  assert.equal(new Set(refs).size, refs.length);
  for (const { ref, dependsOn } of dependencies) {
    for (const one of [ref, ...dependsOn]) assert.ok(refs.includes(one), one);
  }
  assert.deepEqual(document(), document());
});

Deno.test("sbomOf() refuses an import that deno.lock does not know", () => {
  assert.throws(
    () => sbomOf({ version: "1", denoVersion: "2", lock: LOCK, imported: ["x@1.0.0"] }),
    /^Error: deno\.lock has no npm package x@1\.0\.0: run deno install$/,
  );
});
