import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { stringify } from "@std/yaml";
import { kubeconfigFiles, type KubeContext, readKubeconfig } from "./kubeconfig.ts";

const CA = "-----BEGIN CERTIFICATE-----\nca\n-----END CERTIFICATE-----\n";

/** A kubeconfig of one context, with what a test changes of its cluster and its user. */
function config(
  { cluster = {}, user = {}, context = {} }: Record<string, Record<string, unknown>> = {},
): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "here",
    contexts: [{ name: "here", context: { cluster: "c", user: "u", ...context } }],
    clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443", ...cluster } }],
    users: [{ name: "u", user }],
  });
}

function read(files: Record<string, string>, context?: string): Promise<KubeContext> {
  return readKubeconfig({
    files: Object.keys(files).filter((file) => file.endsWith("config")),
    context,
    readTextFile: (path) => {
      const text = files[path];
      return text === undefined
        ? Promise.reject(new Deno.errors.NotFound(path))
        : Promise.resolve(text);
    },
  });
}

Deno.test("readKubeconfig() says of a file without contexts that it is no kubeconfig", async () => {
  await rejects(read({ "/values.config": "arrays: {}\n" }), {
    message: "/values.config names no contexts, as a kubeconfig does: name another one by " +
      "--kubeconfig",
  });
});

Deno.test("kubeconfigFiles() takes the flag, else KUBECONFIG, else the home folder", () => {
  const env = (vars: Record<string, string>) => (name: string) => vars[name];
  deepEqual(kubeconfigFiles("/a", env({ KUBECONFIG: "/b" })), ["/a"]);
  deepEqual(kubeconfigFiles(undefined, env({ KUBECONFIG: "/b::/c", HOME: "/h" })), ["/b", "/c"]);
  deepEqual(kubeconfigFiles(undefined, env({ HOME: "/h" })), ["/h/.kube/config"]);
  deepEqual(kubeconfigFiles(undefined, env({})), []);
});

Deno.test("readKubeconfig() takes CA and certificates as data and as files beside the kubeconfig", async () => {
  const data = (text: string) => btoa(text);
  const inline = await read({
    "/k/config": config({
      cluster: { "certificate-authority-data": data(CA), "tls-server-name": "kube" },
      user: { "client-certificate-data": data("cert"), "client-key-data": data("key") },
      context: { namespace: "storage" },
    }),
  });
  equal(inline.name, "here");
  equal(inline.namespace, "storage");
  deepEqual(inline.endpoint, {
    scheme: "https",
    address: "10.0.0.1:6443",
    pathPrefix: "",
    isUnverified: false,
    caPem: CA,
    serverName: "kube",
  });
  equal(inline.user.certPem, "cert");
  equal(inline.user.keyPem?.reveal(), "key");
  const files = await read({
    "/k/config": config({
      cluster: { server: "https://rancher/k8s/c-1/", "certificate-authority": "ca.pem" },
      user: { "client-certificate": "/pki/cert", "client-key": "pki/key" },
    }),
    "/k/ca.pem": CA,
    "/pki/cert": "cert",
    "/k/pki/key": "key",
  });
  deepEqual([files.endpoint.address, files.endpoint.pathPrefix], ["rancher:443", "/k8s/c-1"]);
  equal(files.endpoint.caPem, CA);
  equal(files.user.keyPem?.reveal(), "key");
});

Deno.test("readKubeconfig() puts several files together, and the first one counts", async () => {
  const token = (text: string) => config({ user: { token: text } });
  const two = { "/a/config": token("first"), "/b/config": token("second") };
  equal((await read(two)).user.token?.reveal(), "first");
  const other = stringify({ contexts: [{ name: "far", context: { cluster: "c", user: "u" } }] });
  equal((await read({ "/a/config": other, "/b/config": token("t") }, "far")).name, "far");
});

Deno.test("readKubeconfig() reads an exec plugin with what it is to be run with", async () => {
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "./login",
    args: ["--for", "c"],
    env: [{ name: "PROFILE", value: "p" }],
    interactiveMode: "IfAvailable",
    provideClusterInfo: true,
  };
  deepEqual((await read({ "/k/config": config({ user: { exec } }) })).user.exec, {
    shown: 'user "u" of /k/config',
    command: "/k/./login",
    args: ["--for", "c"],
    env: { PROFILE: "p" },
    apiVersion: "client.authentication.k8s.io/v1",
    wantsCluster: true,
  });
});

const REFUSALS: [string, Parameters<typeof config>[0], RegExp][] = [
  [
    "proxy-url",
    { cluster: { "proxy-url": "http://proxy" } },
    /cluster "c" of \/k\/config has proxy-url/,
  ],
  [
    "no server",
    { cluster: { server: "10.0.0.1" } },
    /has no server of the form https:\/\/HOST:PORT/,
  ],
  [
    "a password",
    { user: { username: "a", password: "secret-word" } },
    /has username, which is not taken here/,
  ],
  ["auth-provider", { user: { "auth-provider": { name: "gcp" } } }, /has auth-provider.*use exec/],
  ["impersonation", { user: { as: "admin" } }, /has as, which is not taken here/],
  [
    "half a certificate",
    { user: { "client-certificate-data": btoa("c") } },
    /only one of client-certificate and client-key/,
  ],
  ["credentials over plain HTTP", {
    cluster: { server: "http://10.0.0.1" },
    user: { token: "t0ken-word" },
  }, /plain HTTP, and the credentials of user "u"/],
  ["an old exec", {
    user: { exec: { command: "a", apiVersion: "client.authentication.k8s.io/v1alpha1" } },
  }, /exec without a command, or not of/],
  ["an exec that asks", {
    user: {
      exec: {
        command: "a",
        apiVersion: "client.authentication.k8s.io/v1",
        interactiveMode: "Always",
      },
    },
  }, /interactiveMode Always/],
  [
    "a user that is not there",
    { context: { user: "x" } },
    /there is no user "x" in \/k\/config: there is u/,
  ],
];

for (const [what, changed, message] of REFUSALS) {
  Deno.test(`readKubeconfig() refuses ${what} by its name`, async () => {
    await rejects(read({ "/k/config": config(changed) }), (error: Error) => {
      match(error.message, message);
      equal(/secret-word|t0ken-word/.test(error.message), false);
      return true;
    });
  });
}

Deno.test("readKubeconfig() names the contexts that there are, and a file that is not there", async () => {
  await rejects(read({ "/k/config": config() }, "far"), {
    message: 'there is no context "far" in /k/config: there is here',
  });
  await rejects(
    readKubeconfig({
      files: ["/none"],
      readTextFile: () => Promise.reject(new Deno.errors.NotFound()),
    }),
    { message: "kubeconfig /none does not exist: name another one by --kubeconfig" },
  );
  await rejects(readKubeconfig({ files: [], readTextFile: () => Promise.resolve("") }), {
    message: "there is no kubeconfig: name one by --kubeconfig, or set KUBECONFIG",
  });
});
