import { equal, match, rejects } from "node:assert/strict";
import { runAdminVerb, VERB_LIST } from "./commands.ts";

function bed(files: Record<string, string> = {}) {
  const printed: string[] = [];
  const readTextFile = (path: string) => {
    const text = files[path];
    return text === undefined
      ? Promise.reject(new Deno.errors.NotFound(path))
      : Promise.resolve(text);
  };
  return {
    context: {
      print: (text: string) => void printed.push(text),
      readTextFile,
      env: () => undefined,
    },
    said: () => printed.join(""),
  };
}

const FLEET = `
arrays:
  FlashArrays:
    - MgmtEndPoint: 127.0.0.1:1
      APIToken: 11111111-2222-3333-4444-555555555555
`;

Deno.test("runAdminVerb() names the nearest verb for one that does not exist", async () => {
  await rejects(runAdminVerb("chek", [], bed().context), {
    code: "invalid",
    message: 'Unknown verb "chek": did you mean check?',
  });
});

Deno.test("VERB_LIST holds the verbs that runAdminVerb() knows", async () => {
  for (const { name } of VERB_LIST) {
    const { context, said } = bed();
    equal(await runAdminVerb(name, ["--help"], context), 0);
    match(said(), new RegExp(`Usage: pso-bin admin ${name} `));
  }
  equal(VERB_LIST.map(({ name }) => name).join(), "check");
});

Deno.test("runAdminVerb() prints a verb's help", async () => {
  const { context, said } = bed();
  equal(await runAdminVerb("check", ["--help"], context), 0);
  match(said(), /Usage: pso-bin admin check -f values\.yaml/);
});

Deno.test("admin check refuses wrong use with what would be right", async () => {
  await rejects(runAdminVerb("check", [], bed().context), {
    message: "admin check needs a values file: pso-bin admin check -f values.yaml",
  });
  await rejects(runAdminVerb("check", ["--node", "--host-tools", "ssh"], bed().context), {
    message: '--host-tools is "ssh", wanted one of direct, chroot, nsenter',
  });
  await rejects(runAdminVerb("check", ["-f", "v", "--offlin"], bed().context), {
    message: /^Unknown argument --offlin of admin check/,
  });
});

Deno.test("admin check --offline says OK for a right file and asks no array", async () => {
  const { context, said } = bed({ v: FLEET });
  equal(await runAdminVerb("check", ["-f", "v", "--offline"], context), 0);
  match(said(), /OK {3}v: 1 array, volumes are named k8s-…\n$/);
});

Deno.test("admin check is strict about unknown keys, and prints every problem without a token", async () => {
  const { context, said } = bed({ v: `${FLEET}      Lables: {}\nflasharay: {}\n` });
  equal(await runAdminVerb("check", ["-f", "v"], context), 2);
  match(said(), /FAIL .*Lables.*Labels/);
  match(said(), /FAIL flasharay .*flasharray/);
  equal(said().includes("1111"), false);
});

Deno.test("admin check says FAIL for an array that does not answer, and why", async () => {
  const { context, said } = bed({ v: FLEET });
  equal(await runAdminVerb("check", ["-f", "v"], context), 1);
  match(said(), /FAIL arrays\.FlashArrays\[0\] 127\.0\.0\.1:1: .*ECONNREFUSED/);
});

Deno.test("admin check --node says FAIL when the host's root is not where it is looked for, and how to mount it in its help", async () => {
  const { context, said } = bed();
  equal(await runAdminVerb("check", ["--node", "--host-root", "/nowhere"], context), 1);
  match(
    said(),
    /^FAIL host: mounts cannot be read from \/nowhere\/proc\/1\/mountinfo: .*--host-root names\n1 FAIL, 0 WARN, 0 OK; usable: nothing/,
  );
  await runAdminVerb("check", ["--help"], context);
  match(said(), /mount --rbind \/ \/host/);
});

Deno.test("admin check --node with a values file checks both, and wants what its arrays need", async () => {
  const root = await Deno.makeTempDir();
  await Deno.mkdir(`${root}/proc/self`, { recursive: true });
  await Deno.writeTextFile(`${root}/proc/self/mountinfo`, "");
  const { context, said } = bed({ v: `${FLEET}flasharray:\n  sanType: NVMEOF-TCP\n` });
  equal(
    await runAdminVerb("check", [
      "-f",
      "v",
      "--offline",
      "--node",
      "--host-root",
      root,
      "--host-tools",
      "chroot",
    ], context),
    1,
  );
  match(said(), /^OK {3}v: 1 array/);
  match(
    said(),
    /^FAIL nvme: tool nvme is not installed; install the package nvme-cli on this node$/m,
  );
  match(said(), /^WARN iscsi: tool iscsiadm is not installed/m);
  await Deno.remove(root, { recursive: true });
});
