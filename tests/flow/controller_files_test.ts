// A configuration names files of the controller's pod; who writes it must not have the credentials of
// that pod, or any other file, sent to an address of their choice.
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { configSource } from "../../main_config.ts";
import { until } from "../../src/async/wait.ts";
import type { KubeEvent } from "../../src/kube/events.ts";
import { KubeClient } from "../../src/kube/client.ts";
import { silentLogger } from "../../src/log.ts";
import { FakeKubeApi } from "../support/fake_kube_api.ts";

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const SECRET = { collection: "secrets", namespace: "pso", name: "arrays" };
const TOKEN = "0a1b2c3d-0000-4000-8000-0123456789ab";
const FROM = [{ kind: "Secret" as const, namespace: "pso", name: "arrays", key: "pure.json" }];

/** Runs `test` with a folder of credentials, one file beside it, and a link beside it to the token. */
async function inFolders(test: (folder: string) => Promise<void>): Promise<void> {
  // A random name may look like a token, and is then taken out of the refusal.
  const folder = `${await Deno.realPath("/tmp")}/pso-files-${Deno.pid}`;
  await Deno.mkdir(folder);
  try {
    await Deno.mkdir(`${folder}/account`);
    await Deno.writeTextFile(`${folder}/account/token`, TOKEN);
    await Deno.writeTextFile(`${folder}/api-token`, TOKEN);
    await Deno.symlink("account/token", `${folder}/link`);
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const arraysOf = (keys: Record<string, string>) => ({
  FlashArrays: [{ MgmtEndPoint: "https://fa1.example.com", ...keys }],
});

/** What a controller says of a Secret with this entry; the configuration's size when it is taken. */
async function said(keys: Record<string, string>, credentials: string): Promise<string> {
  const api = new FakeKubeApi();
  api.put(SECRET, {
    data: { "pure.json": btoa(JSON.stringify(arraysOf(keys))), "fa1": btoa(TOKEN) },
  });
  const client = new KubeClient(api.server());
  const events: KubeEvent[] = [];
  const kube = { client, tell: (event: KubeEvent) => void events.push(event), close: () => {} };
  const source = configSource({ configFrom: FROM, kube, credentials, log: silentLogger });
  const stop = new AbortController();
  const taken: number[] = [];
  const watching = source.watch(undefined, {
    onConfig: ({ config }) => void taken.push(config.arrays.length),
    signal: stop.signal,
  });
  try {
    await until("a word on the configuration", () => events.length > 0, { timeoutMs: 10_000 });
    const [{ reason = undefined, ok = false } = {}] = source.readiness();
    equal(ok, taken.length > 0, "what is not taken is not ready");
    return taken.length > 0 ? `taken: ${taken}` : `${reason}\n${events[0]?.note}`;
  } finally {
    stop.abort();
    await watching;
  }
}

/** Keys of an entry of the Secret, and why they are refused; `FOLDER` stands for the test's. */
const ROWS: readonly [keys: Record<string, string>, refusal: string][] = [
  [{ APITokenFile: `${ACCOUNT}/token` }, `which is below ${ACCOUNT}, where the credentials of`],
  [{ APITokenFile: "FOLDER/account/token" }, "which is below FOLDER/account, where the creden"],
  [{ APITokenFile: "FOLDER/api-token" }, "which is outside /etc/pure, and a configuration from"],
  [{ APITokenFile: "FOLDER/link" }, "which is outside /etc/pure, and a configuration from"],
  [{ APITokenFile: "/etc/pure/../hostname" }, "which leads to /etc/hostname, outside /etc/pure,"],
  [{ APITokenFile: "/proc/self/environ" }, "which is outside /etc/pure, and a configuration from"],
  [{ APITokenFile: "Secret pso/arrays key pure.json" }, "outside /etc/pure, and a configuration"],
  [
    { APIToken: TOKEN, CACert: `${ACCOUNT}/ca.crt` },
    `which is below ${ACCOUNT}, where the credentials of this pod are: write the certificate`,
  ],
  [{ APIToken: TOKEN, CACert: "/etc/passwd" }, "which is outside /etc/pure, and a configuration"],
];

for (const [keys, refusal] of ROWS) {
  Deno.test(`a controller refuses a Secret with ${JSON.stringify(keys)}`, () =>
    inFolders(async (folder) => {
      const named = Object.fromEntries(
        Object.entries(keys).map(([key, text]) => [key, text.replace("FOLDER", folder)]),
      );
      const text = await said(named, `${folder}/account`);
      equal(text.split(refusal.replace("FOLDER", folder)).length, 3, text);
      match(text, /^arrays\.FlashArrays\[0\]\.(APITokenFile|CACert) names /);
    }));
}

Deno.test("a controller takes a Secret whose token is another key of it", async () => {
  equal(await said({ APITokenFile: "/etc/pure/fa1" }, ACCOUNT), "taken: 1");
});

Deno.test("a controller with a values file reads any token file but those of its own account", () =>
  inFolders(async (folder) => {
    const valuesFile = `${folder}/values.json`;
    const first = async (APITokenFile: string) => {
      await Deno.writeTextFile(
        valuesFile,
        JSON.stringify({ arrays: arraysOf({ APITokenFile }) }),
      );
      const credentials = `${folder}/account`;
      return await configSource({ valuesFile, configFrom: [], credentials, log: silentLogger })
        .first();
    };
    const loaded = await first(`${folder}/api-token`);
    deepEqual(loaded?.config.arrays.map(({ token }) => token.reveal()), [TOKEN]);
    for (const path of [`${folder}/account/token`, `${folder}/link`, `${ACCOUNT}/token`]) {
      await rejects(
        first(path),
        /APITokenFile names .* below .*, where the credentials of this pod/,
      );
    }
  }));
