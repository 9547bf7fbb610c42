import { equal, match, ok, rejects } from "node:assert/strict";
import { adminBed, runAdmin } from "../../../tests/support/admin_bed.ts";
import { runAdminVerb, VERB_LIST } from "./commands.ts";

const FLEET = `
arrays:
  FlashArrays:
    - MgmtEndPoint: 127.0.0.1:1
      APIToken: 11111111-2222-3333-4444-555555555555
`;

const KUBECONFIG = JSON.stringify({
  "current-context": "prod",
  contexts: [{ name: "prod", context: { cluster: "prod" } }],
  clusters: [{ name: "prod", cluster: { server: "http://127.0.0.1:1" } }],
});

Deno.test("runAdminVerb() names the nearest verb for one that does not exist", async () => {
  await rejects(runAdmin(["chek"]), {
    code: "invalid",
    message: 'Unknown verb "chek": did you mean check?',
  });
});

Deno.test("every verb has a help with its use, its flags, one example and the exit codes", async () => {
  for (const { name, flags, example } of VERB_LIST) {
    const { code, said } = await runAdmin([name, "--help"]);
    equal(code, 0);
    match(said, new RegExp(`\n\nUsage: pso-bin admin ${name}( |\n)`));
    for (const flag of flags) match(said, new RegExp(`^  -{1,2}${flag.name}\\b`, "m"));
    equal(said.match(/^Example: /gm)?.length, 1, name);
    ok(example.line.includes(`pso-bin admin ${name}`), name);
    match(said, /^Exit codes: 0 /m, name);
    for (const line of said.split("\n")) ok([...line].length <= 100, `${name}: ${line}`);
  }
});

Deno.test("the help of every verb keeps to the width of a narrow terminal, and breaks no command", async () => {
  for (const { name, example } of VERB_LIST) {
    const { said } = await runAdmin([name, "--help"], { columns: 80 });
    ok(said.includes(`\n  ${example.line}\n`), name);
    for (const line of said.split("\n")) ok([...line].length <= 80, `${name}: ${line}`);
  }
});

Deno.test("a verb that fails takes its progress away before the fault is told", async () => {
  const { context, progress } = adminBed({ files: { k: KUBECONFIG } });
  const words = ["--kubeconfig", "k", "--restore", "/nowhere"];
  await rejects(runAdminVerb("takeover", words, context));
  equal(progress.at(-1), "");
});

Deno.test("a file of the command line may be standard input, once", async () => {
  const piped = await runAdmin(["check", "-f", "-", "--offline"], { piped: FLEET });
  equal(piped.code, 0);
  match(piped.said, /^standard input\n {2}OK {4}values {2}1 array/);
  await rejects(runAdmin(["place", "-f", "-", "--values", "-"]), {
    message: "-f and --values are both standard input: name a file for one of them",
  });
  await rejects(runAdmin(["takeover", "-f", "-"]), {
    message: "-f is -, which is standard input: helm reads the same values afterwards; name a file",
  });
  const missing = await runAdmin(["arrays", "-f", "v"]);
  match(missing.said, /v does not exist: name a values file that can be read, or - for standard/);
  await rejects(runAdmin(["place", "-f", "v"]), {
    message: "v does not exist: give the file of a claim, or - for standard input",
  });
});

Deno.test("a kubeconfig that is meant and cannot be used is told, and not passed over", async () => {
  await rejects(runAdmin(["check"], { env: { KUBECONFIG: "nosuch" } }), {
    message: "kubeconfig nosuch does not exist: name another one by --kubeconfig",
  });
  await rejects(runAdmin(["doctor"], { env: { KUBECONFIG: "a:b" } }), {
    message: "none of the kubeconfigs a, b exists: correct KUBECONFIG, or name one by --kubeconfig",
  });
  const { context } = adminBed({ env: { HOME: "/home/a" } });
  const readTextFile = (path: string) =>
    Promise.reject(
      path.endsWith("/.kube/config")
        ? new Deno.errors.PermissionDenied("Permission denied (os error 13)")
        : new Deno.errors.NotFound(path),
    );
  await rejects(runAdminVerb("check", [], { ...context, readTextFile }), {
    message:
      "kubeconfig /home/a/.kube/config cannot be read (permission denied): name another one " +
      "by --kubeconfig",
  });
});

Deno.test("an API server without an answer is told once by every verb, with where to look", async () => {
  for (const verb of ["check", "arrays", "volumes", "nodes", "doctor", "undelete"]) {
    const { code, said } = await runAdmin([verb, "--kubeconfig", "k"], {
      files: { k: KUBECONFIG },
    });
    equal(code, 1, verb);
    match(
      said,
      /^cluster prod\n {2}FAIL {2}server {2}no answer to GET .*\n {16}-> look at the server .* kubeconfig/,
    );
    equal(said.match(/FAIL {2}/g)?.length, 1, `${verb}: ${said}`);
  }
});

Deno.test("admin check refuses wrong use with what would be right", async () => {
  await rejects(runAdmin(["check"]), {
    message:
      "admin check needs a values file or a cluster: pso-bin admin check -f values.yaml, or " +
      "--kubeconfig FILE",
  });
  await rejects(runAdmin(["check", "--node", "--host-tools", "ssh"]), {
    message: '--host-tools is "ssh", wanted one of direct, chroot, nsenter',
  });
  await rejects(runAdmin(["check", "-f", "v", "--offlin"]), {
    message:
      "Unknown argument --offlin of admin check: did you mean --offline? see pso-bin admin " +
      "check --help",
  });
  await rejects(runAdmin(["check", "values.yaml"]), {
    message: 'Unknown argument "values.yaml" of admin check: see pso-bin admin check --help',
  });
  await rejects(runAdmin(["check", "-f"]), { message: "-f needs a value: -f FILE" });
  await rejects(runAdmin(["check", "-f", "v", "-o"]), {
    message: "-o needs a value: one of table, json, yaml",
  });
  await rejects(runAdmin(["check", "-f", "v", "-o", "xml"]), {
    message: '-o is "xml", wanted one of table, json, yaml',
  });
  await rejects(runAdmin(["check", "-f", "v", "-owide"]), {
    message: '-o is "wide", wanted one of table, json, yaml; --wide is a flag of its own',
  });
  await rejects(runAdmin(["check", "-f", "a", "-f=b"]), {
    message: "-f is given 2 times, wanted once",
  });
  await rejects(runAdmin(["check", "--namespace", "pso"]), {
    message: /^Unknown argument --namespace of admin check: did you mean -n\?/,
  });
  await rejects(runAdmin(["place", "--filename", "v"]), { message: /did you mean -f\?/ });
  await rejects(runAdmin(["nodes", "-f", "v"]), {
    message: "Unknown argument -f of admin nodes: see pso-bin admin nodes --help",
  });
  await rejects(runAdmin(["check", "--offline"]), {
    message:
      "admin check --offline needs a values file: pso-bin admin check --offline -f values.yaml",
  });
  await rejects(runAdmin(["support-bundle", "-o", "a.tar"]), { message: /did you mean --out\?/ });
  await rejects(runAdmin(["check", "-f", "v", "--offline=true"]), {
    message: '--offline is "true", wanted no value',
  });
  await rejects(runAdmin(["check", "-f", "v", "--offline", "-n", "pso"]), {
    message: /^--offline asks no cluster/,
  });
});

Deno.test("admin check --offline says OK for a right file and asks no array", async () => {
  const { code, said } = await runAdmin(["check", "-f", "v", "--offline"], { files: { v: FLEET } });
  equal(code, 0);
  equal(
    said,
    "v\n  OK    values  1 array, volumes are named k8s-…\n\n1 object checked: 0 FAIL, 0 WARN, 1 OK\n",
  );
});

Deno.test("admin check is strict about unknown keys, and prints every problem without a token", async () => {
  const files = { v: `${FLEET}      Lables: {}\nflasharay: {}\n` };
  for (const format of ["table", "json", "yaml"]) {
    const { code, said } = await runAdmin(["check", "-f", "v", "-o", format], { files });
    equal(code, 2);
    match(said, /Lables.*Labels/);
    match(said, /flasharay .*flasharray/);
    equal(said.includes("1111"), false);
  }
});

Deno.test("admin check says FAIL for an array that does not answer, and why", async () => {
  const { code, said, progress } = await runAdmin(["check", "-f", "v"], { files: { v: FLEET } });
  equal(code, 1);
  match(said, /^arrays\.FlashArrays\[0\] 127\.0\.0\.1:1$/m);
  match(said, /^ {2}FAIL {2}tcp +127\.0\.0\.1:1: nothing listens there \(ECONNREFUSED\)/m);
  equal(progress[0], "asking 1 array: 0 done");
  equal(progress.at(-1), "", "what the progress showed is taken away");
});

Deno.test("admin check gives programs JSON and YAML of one content, and --wide a line for each finding", async () => {
  const files = { v: FLEET };
  const json = await runAdmin(["check", "-f", "v", "-o", "json"], { files });
  const report = JSON.parse(json.said);
  equal(report.result, "fail");
  equal((await runAdmin(["check", "-fv", "-ojson"], { files })).said, json.said);
  equal(report.counts.fail, 1);
  equal(report.arrays[0].entry, "arrays.FlashArrays[0]");
  equal(report.findings.find(({ level }: { level: string }) => level === "fail").check, "tcp");
  const yaml = await runAdmin(["check", "-f", "v", "-o", "yaml"], { files });
  match(yaml.said, /^result: fail$/m);
  const wide = await runAdmin(["check", "-f", "v", "--wide"], { files });
  match(wide.said, /^RESULT {2}OBJECT +CHECK +FOUND$/m);
  match(
    wide.said,
    /^FAIL {4}arrays\.FlashArrays\[0\] 127\.0\.0\.1:1 {2}tcp +127\.0\.0\.1:1: nothing/m,
  );
});

Deno.test("admin check has colours only where they are wanted, and never for programs", async () => {
  const files = { v: FLEET };
  const plain = await runAdmin(["check", "-f", "v"], { files });
  equal(plain.said.includes("\x1b"), false);
  const coloured = await runAdmin(["check", "-f", "v"], { files, colours: true });
  ok(coloured.said.includes("\x1b[31mFAIL\x1b[0m"));
  const json = await runAdmin(["check", "-f", "v", "-o", "json"], { files, colours: true });
  equal(json.said.includes("\x1b"), false);
});

Deno.test("admin check --node says FAIL when the host's root is not where it is looked for, and how to mount it in its help", async () => {
  const { code, said } = await runAdmin(["check", "--node", "--host-root", "/nowhere"]);
  equal(code, 1);
  match(
    said,
    /^FAIL host: mounts cannot be read: \/nowhere\/proc\/1\/mountinfo does not exist; .*--host-root names\n1 FAIL, 0 WARN, 0 OK; usable: nothing/,
  );
  match((await runAdmin(["check", "--help"])).said, /mount --rbind \/ \/host/);
});

Deno.test("admin check --node with a values file checks both, and wants what its arrays need", async () => {
  const root = await Deno.makeTempDir();
  await Deno.mkdir(`${root}/proc/self`, { recursive: true });
  await Deno.writeTextFile(`${root}/proc/self/mountinfo`, "");
  const files = { v: `${FLEET}flasharray:\n  sanType: NVMEOF-TCP\n` };
  const words = ["check", "-f", "v", "--offline", "--node", "--host-root", root];
  const { code, said } = await runAdmin([...words, "--host-tools", "chroot"], { files });
  equal(code, 1);
  match(said, /^ {2}OK {4}values {2}1 array/m);
  match(
    said,
    /^FAIL nvme: tool nvme is not installed; install the package nvme-cli on this node$/m,
  );
  match(said, /^WARN iscsi: tool iscsiadm is not installed/m);
  await Deno.remove(root, { recursive: true });
});

Deno.test("admin support-bundle refuses a name that it cannot write before it asks anybody", async () => {
  const files = { v: FLEET, "old.tar": "" };
  const bundle = (out: string) => runAdmin(["support-bundle", "-f", "v", "--out", out], { files });
  await rejects(bundle("old.tar"), {
    message: "old.tar is there already: name another file or folder by --out",
  });
  await rejects(bundle("case.tar.gz"), {
    message: '--out is "case.tar.gz", wanted an archive NAME.tar, or a new folder: case.tar.gz/',
  });
  const { written } = await bundle("case.d/");
  ok(written.has("case.d/README.txt"), [...written.keys()].join());
});

Deno.test("admin support-bundle says why it could not write", async () => {
  const { context } = adminBed({ files: { v: FLEET } });
  const writeFile = () => Promise.reject(new Deno.errors.PermissionDenied("no right"));
  await rejects(
    runAdminVerb("support-bundle", ["-f", "v", "--out", "/c.tar"], { ...context, writeFile }),
    {
      code: "invalid",
      message: "/c.tar cannot be written (permission denied): name another one by --out",
    },
  );
});
