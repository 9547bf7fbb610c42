/**
 * `pso-bin admin` against a real API server by each kind of kubeconfig: a token, a client
 * certificate, an exec plugin that gives either, a file, and what must be refused or warned of.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { parse } from "@std/yaml";
import { runTool } from "../../scripts/shell.ts";
import { type AdminResult, runAdmin } from "../support/admin_bed.ts";
import { NEW_KEY, openssl } from "../support/openssl.ts";
import { KUBE } from "../support/kube.ts";

/** The first call builds Kubernetes, and another one may hold the cache meanwhile. */
const BUILD_MS = 45 * 60_000;

/** A control plane without nodes, which takes certificates of an authority of this test too. */
interface Server {
  dir: string;
  /** Of its kubeconfig. */
  cluster: Record<string, unknown>;
  token: string;
}

async function withServer(work: (server: Server) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "kc-" });
  await openssl(dir, [
    "req",
    "-x509",
    ...NEW_KEY,
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-subj",
    "/CN=people",
  ]);
  await openssl(dir, [
    "req",
    ...NEW_KEY,
    "-keyout",
    "admin.key",
    "-out",
    "admin.csr",
    "-subj",
    "/O=system:masters/CN=anna",
  ]);
  await openssl(dir, [
    "x509",
    "-req",
    "-in",
    "admin.csr",
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-out",
    "admin.crt",
  ]);
  const kube = (...words: string[]) =>
    runTool(KUBE, [...words, "--dir", `${dir}/kube`], {
      env: { PSO_KUBE_APISERVER: `--client-ca-file=${dir}/ca.crt` },
      timeoutMs: BUILD_MS,
    });
  await kube("up", "--no-nodes");
  try {
    const text = await Deno.readTextFile(`${dir}/kube/kubeconfig`);
    const { clusters, users } = parse(text) as {
      clusters: { cluster: Record<string, unknown> }[];
      users: { user: { token: string } }[];
    };
    await work({ dir, cluster: clusters[0]?.cluster ?? {}, token: users[0]?.user.token ?? "" });
  } finally {
    await kube("down");
    await Deno.remove(dir, { recursive: true });
  }
}

/** How `admin check` ends with a kubeconfig of this cluster and this user. */
async function checked(
  { dir, cluster }: Pick<Server, "dir" | "cluster">,
  user: Record<string, unknown>,
): Promise<AdminResult> {
  await Deno.writeTextFile(
    `${dir}/config`,
    JSON.stringify({
      "current-context": "here",
      contexts: [{ name: "here", context: { cluster: "c", user: "u" } }],
      clusters: [{ name: "c", cluster }],
      users: [{ name: "u", user }],
    }),
  );
  return await runAdmin(["check", "--kubeconfig", `${dir}/config`], {
    real: true,
    env: { PATH: Deno.env.get("PATH") ?? "", FROM: "outside" },
  });
}

const GETS_IN = /^ {2}OK {4}server +Kubernetes v1\./m;

/** A plugin that prints what `status` says, if it is given the variables that it needs. */
async function plugin(dir: string, status: string): Promise<Record<string, unknown>> {
  await Deno.writeTextFile(
    `${dir}/plugin`,
    `#!/bin/bash
[ "$FROM/$OWN/$1" = outside/inside/now ] || { echo "FROM=$FROM OWN=$OWN" >&2; exit 3; }
case "$KUBERNETES_EXEC_INFO" in *'"server":"https://'*) ;; *) echo "no cluster" >&2; exit 4 ;; esac
cat <<'END'
{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": ${status}}
END
`,
    { mode: 0o755 },
  );
  return {
    exec: {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "./plugin",
      args: ["now"],
      env: [{ name: "OWN", value: "inside" }],
      interactiveMode: "IfAvailable",
      provideClusterInfo: true,
    },
  };
}

Deno.test("admin reaches a real API server by token, certificate, file and exec plugin, and by nothing else", () =>
  withServer(async (server) => {
    const { dir, cluster, token } = server;
    const read = (name: string) => Deno.readTextFile(`${dir}/${name}`);
    const [certificate, key] = [await read("admin.crt"), await read("admin.key")];
    const data = (text: string) => Buffer.from(text).toString("base64");
    await Deno.writeTextFile(`${dir}/token`, `${token}\n`);
    const ways: Record<string, Record<string, unknown>> = {
      token: { token },
      "a token in a file": { tokenFile: "token" },
      "a certificate": {
        "client-certificate-data": data(certificate),
        "client-key-data": data(key),
      },
      "a certificate in files": { "client-certificate": "admin.crt", "client-key": "admin.key" },
      "a plugin's token": await plugin(dir, JSON.stringify({ token })),
    };
    for (const [what, user] of Object.entries(ways)) {
      const { said } = await checked(server, user);
      assert.match(said, GETS_IN, `${what}: ${said}`);
      assert.equal(said.includes(token), false, what);
    }
    const pair = { clientCertificateData: certificate, clientKeyData: key };
    const byPlugin = await checked(server, await plugin(dir, JSON.stringify(pair)));
    assert.match(byPlugin.said, GETS_IN);

    const nobody = await checked(server, { token: "nobody-has-this-token" });
    assert.equal(nobody.code, 1);
    assert.match(nobody.said, /FAIL {2}\S+ +.* is answered 401 /);
    assert.equal(nobody.said.includes("nobody-has-this-token"), false);
    const broken = await checked(server, await plugin(dir, `{"token": ""}`));
    assert.match(broken.said, /prints no ExecCredential with a token or a certificate/);
    const { "certificate-authority-data": _, ...untrusted } = cluster;
    const strange = await checked({ dir, cluster: untrusted }, { token });
    assert.equal(strange.code, 1);
    assert.match(strange.said, /FAIL {2}server +.*the certificate of .* is not trusted/);
    const blind = { ...untrusted, "insecure-skip-tls-verify": true };
    const unchecked = await checked({ dir, cluster: blind }, { token });
    assert.match(unchecked.said, GETS_IN);
    assert.match(unchecked.said, /WARN {2}kubeconfig +.*insecure-skip-tls-verify/);
  }));
