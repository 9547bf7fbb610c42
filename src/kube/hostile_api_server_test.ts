import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { AUTHORITY, SERVER, TlsAuthority } from "../../tests/support/tls_authority.ts";
import { isPsoError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { KubeClient } from "./client.ts";
import { type KubeServer, podServer } from "./credentials.ts";
import type { KubeEndpoint } from "./kubeconfig.ts";
import { kubeconfigServer } from "./kubeconfig_server.ts";
import { KUBE_LIMITS } from "./limits.ts";

// Servers with TLS that are not the API server of this cluster, or that send more than one does.

const PATH = "/apis/coordination.k8s.io/v1/namespaces/pso/leases/leader";
const TOKEN = "token-of-a-service-account";
const ELSEWHERE = SERVER.replace("IP:127.0.0.1", "IP:127.0.0.2,DNS:api.example");

/** A server, and how each request to it said who it is. */
interface Listening {
  address: string;
  tokens: (string | null)[];
}

/** Serves with that certificate; answers an empty object unless it is told otherwise. */
async function withServer(
  { authority, certificate, answer = () => new Response("{}") }: {
    authority: TlsAuthority;
    certificate: string;
    answer?: () => Response;
  },
  test: (server: Listening) => Promise<void>,
): Promise<void> {
  const tokens: (string | null)[] = [];
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert: authority.pem(certificate),
    key: authority.key(certificate),
    onListen: () => {},
  }, (request) => {
    tokens.push(request.headers.get("authorization"));
    return answer();
  });
  try {
    await test({ address: `127.0.0.1:${server.addr.port}`, tokens });
  } finally {
    await server.shutdown();
  }
}

/** The ways to an API server; each trusts the authority `ca` alone, and brings its token. */
const WAYS: Record<string, (address: string, authority: TlsAuthority) => KubeServer> = {
  "a pod": (address, authority) => {
    const [host, port] = address.split(":");
    return podServer({
      env: (name) => name === "KUBERNETES_SERVICE_HOST" ? host : port,
      readTextFile: (path) =>
        Promise.resolve(path.endsWith("/token") ? TOKEN : authority.pem("ca")),
      folder: "/sa",
    });
  },
  "a kubeconfig": (address, authority) => workstation({ address, caPem: authority.pem("ca") }),
};

function workstation(endpoint: Partial<KubeEndpoint>): KubeServer {
  return kubeconfigServer({
    name: "here",
    endpoint: { scheme: "https", address: "", pathPrefix: "", isUnverified: false, ...endpoint },
    user: { token: new Secret(TOKEN) },
  }, {
    readTextFile: () => Promise.reject(new Deno.errors.NotFound()),
    runPlugin: () => Promise.reject(new Error("unused")),
  });
}

/** What one call through this way came to. */
async function called(server: KubeServer): Promise<unknown> {
  try {
    return await new KubeClient(server).get(PATH);
  } catch (error) {
    return error;
  } finally {
    server.close();
  }
}

function isDenied(result: unknown): void {
  ok(isPsoError(result, "denied"), String(result));
  match(result.message, /^no answer to GET \/apis\/coordination/);
}

for (const [way, open] of Object.entries(WAYS)) {
  Deno.test(`the token of ${way} goes to a server whose certificate the cluster's CA signed for that address, and to no other`, async () => {
    await TlsAuthority.use(async (authority) => {
      await authority.make("other-ca", { extensions: AUTHORITY, name: "other", issuer: "self" });
      await authority.make("own");
      await authority.make("foreign", { issuer: "other-ca" });
      await authority.make("elsewhere", { extensions: ELSEWHERE });
      await authority.make("expired", { end: "20200201000000Z" });
      await withServer({ authority, certificate: "own" }, async ({ address, tokens }) => {
        deepEqual(await called(open(address, authority)), {});
        deepEqual(tokens, [`Bearer ${TOKEN}`]);
      });
      for (const certificate of ["foreign", "elsewhere", "expired"]) {
        await withServer({ authority, certificate }, async ({ address, tokens }) => {
          isDenied(await called(open(address, authority)));
          deepEqual(tokens, [], certificate);
        });
      }
    });
  });
}

Deno.test("a kubeconfig's tls-server-name is the name that the certificate must have, and only insecure-skip-tls-verify leaves the check out", async () => {
  await TlsAuthority.use(async (authority) => {
    await authority.make("own");
    await authority.make("elsewhere", { extensions: ELSEWHERE });
    const caPem = authority.pem("ca");
    const serverName = "api.example";
    await withServer({ authority, certificate: "elsewhere" }, async ({ address, tokens }) => {
      deepEqual(await called(workstation({ address, caPem, serverName })), {});
      isDenied(await called(workstation({ address, caPem, serverName: "api2.example" })));
      equal(tokens.length, 1);
      deepEqual(await called(workstation({ address, isUnverified: true })), {});
    });
    await withServer({ authority, certificate: "own" }, async ({ address, tokens }) => {
      isDenied(await called(workstation({ address, caPem, serverName })));
      isDenied(await called(workstation({ address })));
      deepEqual(tokens, []);
    });
  });
});

/** Runs a test over both ways to a server that always answers this text. */
async function withText(text: string, test: (kube: KubeClient) => Promise<void>): Promise<void> {
  await TlsAuthority.use(async (authority) => {
    await authority.make("own");
    const answer = () => new Response(text);
    await withServer({ authority, certificate: "own", answer }, async ({ address }) => {
      for (const open of Object.values(WAYS)) {
        const server = open(address, authority);
        try {
          await test(new KubeClient(server));
        } finally {
          server.close();
        }
      }
    });
  });
}

/** JSON of so many bytes. */
function json(bytes: number): string {
  const empty = JSON.stringify({ type: "BOOKMARK", object: { text: "" } });
  return empty.replace(`""`, `"${"x".repeat(bytes - empty.length)}"`);
}

Deno.test("an answer has at most 4 MiB", async () => {
  const { answerBytes } = KUBE_LIMITS;
  await withText(json(answerBytes), async (kube) => {
    equal((await kube.get(PATH)).type, "BOOKMARK");
  });
  await withText(json(answerBytes + 1), async (kube) => {
    await rejects(kube.get(PATH), /larger than 4194304 bytes/);
    await rejects(kube.text(PATH), /larger than 4194304 bytes/);
  });
});

Deno.test("an event of a watch has at most 2 MiB, whatever an answer may have", async () => {
  const { eventBytes } = KUBE_LIMITS;
  const events = (kube: KubeClient) => {
    const lines: string[] = [];
    return {
      lines,
      end: kube.watch({ path: "/api/v1/namespaces/pso/secrets" }, {
        resourceVersion: "1",
        onLine: (line) => lines.push(line),
        onOpen: () => {},
        signal: new AbortController().signal,
      }),
    };
  };
  const good = json(eventBytes - 1);
  await withText(`${good}\n${good}\n${good}\n`, async (kube) => {
    const { lines, end } = events(kube);
    await end;
    deepEqual(lines.map(({ length }) => length), [good, good, good].map(({ length }) => length));
  });
  await withText(`${json(1_000)}\n${json(3 * 1024 * 1024)}\n`, async (kube) => {
    const { lines, end } = events(kube);
    await rejects(end, /larger than 2097152 bytes/);
    deepEqual(lines.map(({ length }) => length), [1_000]);
  });
});
