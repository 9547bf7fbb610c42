import { deepEqual, equal, rejects } from "node:assert/strict";
import { PsoError } from "../errors.ts";
import { pluginCredential, type RunPlugin } from "./exec_plugin.ts";
import type { ExecPlugin, KubeEndpoint } from "./kubeconfig.ts";
import { kubeconfigServer } from "./kubeconfig_server.ts";

const ENDPOINT: KubeEndpoint = {
  scheme: "https",
  address: "10.0.0.1:6443",
  pathPrefix: "",
  isUnverified: false,
  caPem: "ca",
};
const PLUGIN: ExecPlugin = {
  shown: 'user "u" of /k/config',
  command: "login",
  args: ["--now"],
  env: { PROFILE: "p" },
  apiVersion: "client.authentication.k8s.io/v1",
  wantsCluster: true,
};

/** What a plugin prints. */
function printed(status: Record<string, unknown>): string {
  return JSON.stringify({ kind: "ExecCredential", status });
}

Deno.test("pluginCredential() runs the plugin with its variables and the cluster, and takes a token or a certificate", async () => {
  const calls: unknown[] = [];
  const run: RunPlugin = (command, { args, env }) => {
    const { KUBERNETES_EXEC_INFO = "", ...rest } = env;
    calls.push([command, args, rest, JSON.parse(KUBERNETES_EXEC_INFO)]);
    return Promise.resolve(
      printed({ token: "plugin-token-word", expirationTimestamp: "2030-01-01T00:00:00Z" }),
    );
  };
  const credential = await pluginCredential(PLUGIN, { run, endpoint: ENDPOINT });
  equal(credential.token?.reveal(), "plugin-token-word");
  equal(credential.expiresMs, Date.parse("2030-01-01T00:00:00Z"));
  deepEqual(calls, [["login", ["--now"], { PROFILE: "p" }, {
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: {
      interactive: false,
      cluster: {
        server: "https://10.0.0.1:6443",
        "insecure-skip-tls-verify": false,
        "certificate-authority-data": btoa("ca"),
      },
    },
  }]]);
  const pair = { clientCertificateData: "cert", clientKeyData: "plugin-key-word" };
  const certificate = await pluginCredential(PLUGIN, {
    run: () => Promise.resolve(printed(pair)),
    endpoint: ENDPOINT,
  });
  deepEqual([certificate.certPem, certificate.keyPem?.reveal()], ["cert", "plugin-key-word"]);
});

Deno.test("pluginCredential() tells a plugin that fails with its hint, and nothing of what it printed", async () => {
  await rejects(
    pluginCredential({ ...PLUGIN, installHint: "install login" }, {
      run: () => Promise.reject(new PsoError("unavailable", "tool login is missing")),
      endpoint: ENDPOINT,
    }),
    {
      code: "denied",
      message: 'the plugin of user "u" of /k/config gives no credentials: tool login is missing: ' +
        "install login",
    },
  );
  for (
    const text of ["secret-word", "{}", printed({ token: 7 }), printed({ clientKeyData: "k" })]
  ) {
    await rejects(
      pluginCredential(PLUGIN, { run: () => Promise.resolve(text), endpoint: ENDPOINT }),
      {
        code: "denied",
        message: 'the plugin of user "u" of /k/config prints no ExecCredential with a token or a ' +
          "certificate: run login by hand",
      },
    );
  }
});

Deno.test("kubeconfigServer() runs a plugin once for all who wait, and not again after it failed", async () => {
  let asked = 0;
  const serverOf = (answer: () => Promise<string>) =>
    kubeconfigServer({ name: "here", endpoint: ENDPOINT, user: { exec: PLUGIN } }, {
      readTextFile: () => Promise.reject(new Deno.errors.NotFound()),
      runPlugin: () => {
        asked++;
        return answer();
      },
    });
  const good = serverOf(() => Promise.resolve(printed({ token: "plugin-token-word" })));
  await Promise.all([good.access(), good.access()]);
  equal(asked, 1);
  good.close();
  const bad = serverOf(() => Promise.reject(new PsoError("unavailable", "no such tool")));
  for (let time = 0; time < 3; time++) await rejects(bad.access(), { code: "denied" });
  equal(asked, 2);
  bad.close();
});

Deno.test("kubeconfigServer() asks the plugin when it is first needed, and again when its credential expires", async () => {
  let [asked, now] = [0, 0];
  const server = kubeconfigServer(
    { name: "here", endpoint: ENDPOINT, user: { exec: PLUGIN } },
    {
      readTextFile: () => Promise.reject(new Deno.errors.NotFound()),
      runPlugin: () => {
        asked++;
        const expirationTimestamp = new Date(now + 60_000).toISOString();
        return Promise.resolve(printed({ token: `plugin-token-${asked}`, expirationTimestamp }));
      },
      now: () => now,
    },
  );
  const token = async () => (await server.access()).token?.reveal();
  equal(await token(), "plugin-token-1");
  equal(await token(), "plugin-token-1");
  now = 55_000;
  equal(await token(), "plugin-token-2");
  server.close();
});

Deno.test("a plugin's hint of any length is told in short, on one line", async () => {
  const hint = `install\n${"x".repeat(2 ** 20)}`;
  await rejects(
    pluginCredential({ ...PLUGIN, installHint: hint }, {
      run: () => Promise.reject(new PsoError("unavailable", "no such tool")),
      endpoint: ENDPOINT,
    }),
    { code: "denied", message: /no such tool: install x{280,293}…$/ },
  );
});
