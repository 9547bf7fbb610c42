// Who writes the arrays' Secret of a cluster must not reach files and Secrets by the hands of the
// administrator who looks at it.
import { deepEqual, equal, match } from "node:assert/strict";
import { ROOT } from "../../scripts/program.ts";
import { runAdmin } from "../support/admin_bed.ts";
import { fakeCluster, installIn } from "../support/fake_cluster.ts";
import { pathOf, pso62 } from "../support/pso_objects.ts";

const LOCAL = "/tmp/vault-token";
const SECRETS = "/api/v1/namespaces/pso/secrets";
const FIX = "put the token into a Secret, and name that by APITokenSecret";

/** An entry of the Secret, and how it is refused. */
const ENTRIES: readonly [title: string, entry: Record<string, unknown>, refusal: string][] = [
  [
    "a token file of this machine",
    { APITokenFile: LOCAL },
    `APITokenFile names ${LOCAL}, which is outside /etc/pure, and a configuration from the ` +
    `cluster may name no file elsewhere: ${FIX}`,
  ],
  [
    "a token file by a way around",
    { APITokenFile: `/etc/pure/tokens/../../..${LOCAL}` },
    `APITokenFile names /etc/pure/tokens/../../..${LOCAL}, which leads to ${LOCAL}, outside ` +
    "/etc/pure, ",
  ],
  [
    "a certificate of this machine",
    { APIToken: "0a1b2c3d-0000-4000-8000-0123456789ab", CACert: LOCAL },
    `CACert names ${LOCAL}, which is outside /etc/pure, and a configuration from the cluster may ` +
    "name no file elsewhere: write the certificate itself there, ",
  ],
  [
    "a Secret that the controller does not mount",
    { APITokenSecret: { name: "other" } },
    "APITokenSecret names /etc/pure/tokens/other/token, which the Deployment " +
    "pso/pure-provisioner mounts from no Secret: name the Secret in controllerServer.tokenSecrets " +
    "of the values, and upgrade",
  ],
  [
    "such a Secret by its file",
    { APITokenFile: "/etc/pure/tokens/other/token" },
    "APITokenFile names /etc/pure/tokens/other/token, which the Deployment pso/pure-provisioner " +
    "mounts from no Secret: ",
  ],
];

/** The Secrets of the cluster, the one with the token of a neighbour among them. */
interface Theft {
  entry: Record<string, unknown>;
  words: readonly string[];
}

/** What a verb said, what it opened here, which Secrets it asked for, and what left for the array. */
async function look({ entry, words }: Theft) {
  const heard: string[] = [];
  const evil = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    heard.push(JSON.stringify([...request.headers]));
    const isFirst = new URL(request.url).pathname === "/api/api_version";
    return isFirst ? Response.json({ version: ["2.26"] }) : new Response("", { status: 401 });
  });
  const cluster = fakeCluster();
  const opened: string[] = [];
  try {
    const MgmtEndPoint = `http://127.0.0.1:${evil.addr.port}`;
    installIn(cluster, {
      arrays: JSON.stringify({ FlashArrays: [{ MgmtEndPoint, ...entry }] }),
      now: Date.now(),
    });
    cluster.items.get(SECRETS)?.push(
      { metadata: { name: "other" }, data: { token: btoa("of-a-neighbour") } },
      { metadata: { name: "fa1" }, data: { token: btoa("of-this-driver") } },
    );
    cluster.items.set("/apis/apps/v1/namespaces/pso/deployments", [controller()]);
    const files = {
      "/k/config": cluster.kubeconfig,
      get [LOCAL]() {
        opened.push(LOCAL);
        return "of-the-workstation";
      },
    };
    const { said, written } = await runAdmin([...words, "--kubeconfig", "/k/config"], { files });
    const asked = cluster.asked.filter((path) => path.startsWith(`${SECRETS}/`));
    const kept = [...written.values()].map((bytes) => new TextDecoder().decode(bytes)).join("");
    return { said, opened, asked, heard: heard.join(""), kept };
  } finally {
    await cluster.stop();
    await evil.shutdown();
  }
}

/** A Deployment of the chart with `controllerServer.tokenSecrets: [{name: fa1}]`. */
function controller() {
  const items = [{ key: "token", path: "tokens/fa1/token" }];
  const pod = {
    containers: [{
      args: ["controller", "--kube-config-from=pso/secret/pure-provisioner-secret/pure.json"],
      volumeMounts: [{ name: "tokens", mountPath: "/etc/pure" }],
    }],
    volumes: [{ name: "tokens", projected: { sources: [{ secret: { name: "fa1", items } }] } }],
  };
  return { metadata: { name: "pure-provisioner" }, spec: { template: { spec: pod } } };
}

for (const words of [["check"], ["arrays"], ["support-bundle"]]) {
  for (const [title, entry, refusal] of ENTRIES) {
    Deno.test(`admin ${words.join(" ")} does not follow the cluster's Secret to ${title}`, async () => {
      const { said, opened, asked, heard, kept } = await look({ entry, words });
      deepEqual(opened, []);
      deepEqual(new Set(asked), new Set([`${SECRETS}/pure-provisioner-secret`]));
      equal(heard, "");
      const text = `${said}${kept}`;
      equal(/of-the-workstation|of-a-neighbour/.test(text), false);
      equal(text.replaceAll(/\s+/g, " ").includes(refusal), true, text);
    });
  }
}

Deno.test("admin check reads a token of a Secret that the Deployment mounts", async () => {
  const entry = { APITokenSecret: { name: "fa1" } };
  const { opened, heard, said } = await look({ entry, words: ["check"] });
  match(heard, /of-this-driver/, said);
  deepEqual(opened, []);
});

Deno.test("admin check in a pod does not follow what is mounted to a file elsewhere", async () => {
  const opened: string[] = [];
  const arrays = { FlashArrays: [{ MgmtEndPoint: "http://127.0.0.1:9", APITokenFile: LOCAL }] };
  const { code, said } = await runAdmin(["check"], {
    files: {
      "/etc/pure/pure.json": JSON.stringify(arrays),
      "/etc/config/appconfig.json": "{}",
      get [LOCAL]() {
        opened.push(LOCAL);
        return "of-the-pod";
      },
    },
  });
  equal(code, 2);
  match(said, /APITokenFile names \/tmp\/vault-token, which is outside \/etc\/pure, and /);
  deepEqual(opened, []);
});

Deno.test("admin takeover does not follow the values of Helm's record to a file of this machine", async () => {
  const opened: string[] = [];
  const arrays = { FlashArrays: [{ MgmtEndPoint: "http://127.0.0.1:9", APITokenFile: LOCAL }] };
  const { objects, records } = pso62({ arrays });
  const cluster = fakeCluster();
  try {
    for (const object of [...objects, ...records]) {
      const collection = pathOf(object).replace(/\/[^/]+$/, "");
      for (const path of [collection, collection.replace(/namespaces\/[^/]+\//, "")]) {
        cluster.items.set(path, [...cluster.items.get(path) ?? [], object]);
      }
    }
    const files = {
      "/k/config": cluster.kubeconfig,
      get [LOCAL]() {
        opened.push(LOCAL);
        return "of-the-workstation";
      },
    };
    const { code, said } = await runAdmin(["takeover", "--kubeconfig", "/k/config"], { files });
    equal(code, 1);
    match(said, /APITokenFile names \/tmp\/vault-token, which is not read for values that come /);
    deepEqual(opened, []);
  } finally {
    await cluster.stop();
  }
});

Deno.test("admin check reads the local files that a local values file names", async () => {
  const values =
    `arrays: {FlashArrays: [{MgmtEndPoint: "http://127.0.0.1:9", APITokenFile: ${LOCAL}}]}`;
  const opened: string[] = [];
  await runAdmin(["check", "-f", "values.yaml"], {
    files: {
      "values.yaml": values,
      get [LOCAL]() {
        opened.push(LOCAL);
        return "of-the-workstation";
      },
    },
  });
  deepEqual(opened, [LOCAL]);
});

Deno.test("a verb whose output nobody reads any more ends in order, as before `head`", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", `${ROOT}/main.ts`, "admin", "check", "--help"],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await child.stdout.cancel();
  deepEqual([await new Response(child.stderr).text(), (await child.status).code], ["", 0]);
});
