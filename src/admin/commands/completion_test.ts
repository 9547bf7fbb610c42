import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { runAdmin } from "../../../tests/support/admin_bed.ts";
import { VERB_LIST } from "./commands.ts";
import { typed } from "./verb_flags.ts";

async function script(shell: string): Promise<string> {
  const { code, said } = await runAdmin(["completion", shell]);
  equal(code, 0);
  return said;
}

/** What bash offers for the last of these words, sorted. */
async function offered(...words: string[]): Promise<string[]> {
  const line = words.map((word) => `'${word}'`).join(" ");
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: [
      "-c",
      `${await script("bash")}
COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_pso_bin; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ],
  }).output();
  equal(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).split("\n").filter((one) => one !== "").sort();
}

Deno.test("the completion of bash offers modes, verbs, flags and the values that a flag takes", async () => {
  deepEqual(await offered("pso-bin", ""), ["admin", "controller"]);
  deepEqual(await offered("pso-bin", "controller", ""), ["--endpoint", "-f"]);
  deepEqual(await offered("pso-bin", "admin", "c"), ["check", "completion"]);
  deepEqual(await offered("pso-bin", "admin", "check", "--o"), ["--offline"]);
  deepEqual(await offered("pso-bin", "admin", "check", "-o", ""), ["json", "table", "yaml"]);
  deepEqual(await offered("pso-bin", "admin", "check", "--host-tools", "c"), ["chroot"]);
  deepEqual(await offered("pso-bin", "admin", "check", "--context", ""), []);
  deepEqual(await offered("pso-bin", "admin", "completion", "f"), ["fish"]);
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/values.yaml`, "");
  await Deno.mkdir(`${folder}/my values`);
  for (
    const words of [["admin", "check", "-f"], ["controller", "-f"], ["admin", "check", "-f", "="]]
  ) {
    deepEqual(await offered("pso-bin", ...words, `${folder}/v`), [`${folder}/values.yaml`]);
  }
  deepEqual(await offered("pso-bin", "admin", "check", "-f", `${folder}/my`), [
    `${folder}/my values`,
  ]);
  deepEqual(await offered("pso-bin", "admin", "check", "-o", "="), ["json", "table", "yaml"]);
  deepEqual(await offered("pso-bin", "controller", "--endpoint", ""), []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the completions of zsh and fish have every verb and every flag", async () => {
  const [zsh, fish] = [await script("zsh"), await script("fish")];
  for (const { name, flags } of VERB_LIST) {
    match(zsh, new RegExp(`^ {4}${name}\\) compadd -- .*`, "m"));
    match(fish, new RegExp(`and __pso_bin_at 2' -a ${name} -d `));
    for (const flag of flags) {
      ok(zsh.includes(` ${typed(flag)}`), `${name} ${flag.name}`);
      const form = flag.name.length === 1 ? `-s ${flag.name}` : `-l ${flag.name}`;
      ok(fish.includes(`'__pso_bin_is admin ${name}' ${form} `), `${name} ${flag.name}`);
    }
  }
});

Deno.test("admin completion needs one shell that it knows", async () => {
  await rejects(runAdmin(["completion"]), {
    message: "admin completion needs one shell: pso-bin admin completion bash|zsh|fish",
  });
  await rejects(runAdmin(["completion", "csh"]), {
    message: 'Unknown argument "csh" of admin completion: wanted bash, zsh, fish; see pso-bin ' +
      "admin completion --help",
  });
});
