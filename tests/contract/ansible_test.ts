import { ok } from "node:assert/strict";
import { command, findPython, pip, runScript } from "./clients/python.ts";
import { onSimulated } from "./clients/simulated.ts";

/** The package that brings the vendor's collections, and 500 MB of others. */
const ANSIBLE = "ansible==12.3.0";

/** Puts the two collections of the vendor beside the packages, and nothing else of `ansible`. */
const UNPACK = `
import glob, sys, sysconfig, zipfile
[wheel] = glob.glob(sys.argv[1] + "/*.whl")
with zipfile.ZipFile(wheel) as whole:
    wanted = [name for name in whole.namelist() if name.startswith("ansible_collections/purestorage/")]
    whole.extractall(sysconfig.get_path("purelib"), wanted)
`;

async function unpackCollections(python: string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pso-ansible-" });
  try {
    await pip(python, "download", "--no-deps", "--dest", folder, ANSIBLE);
    await command(python, "-c", UNPACK, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const python = await findPython({
  folder: "ansible-venv-12.3.0",
  what: "the vendor's ansible collections against the simulator",
  // Faults of the collections: under ansible-core 2.19 a call about a deprecated parameter crashes; under
  // later SDKs the one cannot change QoS, and the other cannot import what its policies need.
  packages: ["py-pure-client==1.75.0", "ansible-core==2.18.*", "pytz", "distro"],
  finish: unpackCollections,
});

/** The least number of tasks that a script ended well with. */
const LEAST_CHECKS = { flasharray: 48, flashblade: 22 };

for (const kind of ["flasharray", "flashblade"] as const) {
  Deno.test({
    name: `15.13: the vendor's ansible collection runs the life of what a simulated ${kind} holds`,
    ignore: python === undefined,
    fn: async () => {
      await onSimulated({ kind }, async (target) => {
        const { checks } = await runScript(`ansible/${kind}.py`, {
          python: python ?? "",
          ...target,
        });
        ok(checks.length >= LEAST_CHECKS[kind], `only ${checks.length}: ${checks.join(", ")}`);
      });
    },
  });
}
