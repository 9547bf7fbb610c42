// `pso-bin admin check` against simulated arrays.
import { equal, match } from "node:assert/strict";
import { TestClient, testFleet } from "../../src/simulator/fixture_test.ts";
import { type AdminResult, runAdmin } from "../support/admin_bed.ts";

/** An entry of the values file. */
interface Entry {
  MgmtEndPoint: string;
  APIToken: string;
}

/** How `admin check` ends for these entries. */
function checked(entries: Entry[], ...words: string[]): Promise<AdminResult> {
  const v = JSON.stringify({ arrays: { FlashArrays: entries }, clusterID: "k8s" });
  return runAdmin(["check", "-f", "v", ...words], { files: { v } });
}

Deno.test("admin check tells each thing that it looked at of a healthy array", async () => {
  const served = await testFleet({ flasharrays: 1 });
  try {
    const [array] = served.arrays;
    const entry = { MgmtEndPoint: `http://${array?.address}`, APIToken: array?.token ?? "" };
    const { code, said } = await checked([entry]);
    equal(code, 0, said);
    const looks = [...said.matchAll(/^ {2}OK {4}([a-z]+) /gm)].map(([, check]) => check);
    equal(
      looks.join(" "),
      "values name tcp tls rest token array role alerts room data clock identity prefix",
    );
    match(said, /^ {2}OK {4}rest +it offers 2\.0 to 2\.56, and REST 2\.56 is used$/m);
    match(said, /^ {2}OK {4}array +fa-1, FA-X20R4, Purity 6\.8\.2, features: clone, qos$/m);
    equal(said.includes(entry.APIToken), false);
    const { arrays } = JSON.parse((await checked([entry], "-o", "json")).said);
    equal(arrays[0].model, "FA-X20R4");
    equal(arrays[0].mayChange, true);
    equal(arrays[0].dataPorts.length, 8);
  } finally {
    await served.stop();
  }
});

Deno.test("15.11: admin check tells how a pod is stretched, and which of its arrays is missing", async () => {
  const served = await testFleet({ flasharrays: 2 });
  const [array, other] = served.arrays.map((entry) => new TestClient(entry));
  try {
    if (!array || !other) throw new Error("two arrays are served");
    for (const client of [array, other]) await client.login();
    const [{ connection_key }] = (await other.ok("GET /array-connections/connection-key")).items;
    const type = "sync-replication";
    const wanted = { connection_key, management_address: "192.0.2.2", type };
    await array.ok("POST /array-connections", wanted);
    await array.ok("POST /pods?names=p1", {});
    await array.ok("POST /pods/arrays?group_names=p1&member_names=fa-2");
    const entries = served.arrays.map(({ address, token }) => ({
      MgmtEndPoint: `http://${address}`,
      APIToken: token,
    }));
    const { said } = await checked(entries);
    match(said, /^ {2}OK {4}pods +pod p1 is stretched over fa-2 too, and in sync$/m);
    match(said, /^ {2}OK {4}pods +pod p1 is stretched over fa-1 too, and in sync$/m);
    const alone = await checked(entries.slice(0, 1));
    match(
      alone.said,
      /^ {2}WARN {2}pods +pod p1 is stretched over fa-2 too, to which no entry leads: nodes have its volumes by fa-1 alone$/m,
    );
    const down = { method: "POST", body: JSON.stringify({ array: "fa-2", action: "down" }) };
    await (await fetch(`${served.control}/faults`, down)).body?.cancel();
    match((await checked(entries)).said, /^ {2}WARN {2}pods +pod p1 is offline on fa-2: /m);
  } finally {
    array?.close();
    other?.close();
    await served.stop();
  }
});

Deno.test("admin check fails when one array is listed by its address and by its name", async () => {
  const served = await testFleet({ flasharrays: 1 });
  try {
    const [array] = served.arrays;
    const entries = ["127.0.0.1", "localhost"].map((host) => ({
      MgmtEndPoint: `http://${array?.address.replace("127.0.0.1", host)}`,
      APIToken: array?.token ?? "",
    }));
    equal((await checked(entries.slice(0, 1))).code, 0);
    const { code, said } = await checked(entries);
    equal(code, 1);
    match(
      said,
      /^ {2}FAIL {2}identity +localhost:\d+ is the same array as 127\.0\.0\.1:\d+ \(fa-1\): remove one of the two entries$/m,
    );
  } finally {
    await served.stop();
  }
});

Deno.test("admin check fails for a user whose role lets it only read, and makes or changes nothing", async () => {
  const served = await testFleet({ flasharrays: 1 });
  try {
    const [array] = served.arrays;
    const fault = { match: { method: "PATCH" }, action: "status", value: 403 };
    await (await fetch(`${served.control}/faults`, { method: "POST", body: JSON.stringify(fault) }))
      .body?.cancel();
    const MgmtEndPoint = `http://${array?.address}`;
    const { code, said } = await checked([{ MgmtEndPoint, APIToken: array?.token ?? "" }]);
    equal(code, 1);
    match(said, /^ {2}OK {4}token +it is accepted$/m);
    match(said, /^ {2}FAIL {2}role +the array may not be changed: .*role Storage Admin$/m);
    const report = await (await fetch(`${served.control}/requests`)).json();
    const changes = report.last.filter(({ method, path }: { method: string; path: string }) =>
      method !== "GET" && !/log(in|out)$/.test(path)
    );
    equal(changes.length, 1);
  } finally {
    await served.stop();
  }
});

Deno.test("admin check fails for a token that the array does not know, and says how to make one", async () => {
  const served = await testFleet({ flasharrays: 1 });
  try {
    const APIToken = "00000000-1111-2222-3333-444444444444";
    const { code, said } = await checked([
      { MgmtEndPoint: `http://${served.arrays[0]?.address}`, APIToken },
    ]);
    equal(code, 1);
    match(said, /^ {2}FAIL {2}token +.*refuses the API token.*pureadmin create --api-token/m);
    equal(said.includes(APIToken), false);
  } finally {
    await served.stop();
  }
});

Deno.test("admin check warns of volumes of our prefix that have the tag of another cluster", async () => {
  const served = await testFleet({ flasharrays: 1 });
  try {
    const [array] = served.arrays;
    const [address, token] = [`http://${array?.address}`, array?.token ?? ""];
    const session = await fetch(`${address}/api/2.26/login`, {
      method: "POST",
      headers: { "api-token": token },
    });
    await session.body?.cancel();
    const headers = { "x-auth-token": session.headers.get("x-auth-token") ?? "" };
    const rest = async (method: string, path: string, body: unknown) => {
      const answer = await fetch(`${address}/api/2.26/${path}`, {
        method,
        headers,
        body: JSON.stringify(body),
      });
      await answer.body?.cancel();
      equal(answer.status, 200, path);
    };
    const name = (digit: string) => `k8s-pvc-${digit.repeat(8)}-0000-4000-8000-000000000000`;
    for (const digit of ["1", "2"]) {
      await rest("POST", `volumes?names=${name(digit)}`, { provisioned: 1048576 });
    }
    await rest("PUT", `volumes/tags/batch?resource_names=${name("2")}`, [
      { key: "cluster", value: "other" },
    ]);
    const { code, said } = await checked([{ MgmtEndPoint: address, APIToken: token }]);
    equal(code, 0, "it is a warning");
    match(
      said,
      /^ {2}WARN {2}prefix +2 volumes with the prefix k8s-: 1 with the tag of another cluster \(other\): k8s-pvc-22222222-/m,
    );
    match(said, /^ +-> two clusters must not share a clusterID/m);
  } finally {
    await served.stop();
  }
});

Deno.test("admin check in a pod of the chart looks at what is mounted, and asks no cluster", async () => {
  const served = await testFleet({ flasharrays: 1 });
  try {
    const [array] = served.arrays;
    const entry = { MgmtEndPoint: `http://${array?.address}`, APIToken: array?.token };
    const env = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" };
    const inPod = (arrays: unknown) =>
      runAdmin(["check"], {
        env,
        files: {
          "/etc/pure/pure.json": JSON.stringify(arrays),
          "/etc/config/appconfig.json": `{"clusterID": "prod"}`,
        },
      });
    const { code, said } = await inPod({ FlashArrays: [entry] });
    equal(code, 0, said);
    match(said, /^\/etc\/pure\/pure\.json\n/);
    match(said, /OK {4}values +1 array, volumes are named prod-…/);
    match(said, /OK {4}role /);
    const none = await inPod({ FlashArrays: [], FlashBlades: [] });
    equal(none.code, 0);
    match(none.said, /WARN {2}values +.*no array, so that no volume[^]*OK {4}values +0 arrays/);
  } finally {
    await served.stop();
  }
});

/** Adds a fault or a condition at the control endpoint. */
async function spoil(control: string, path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${control}/${path}`, { method: "POST", body: JSON.stringify(body) });
  equal(answer.ok, true, await answer.text());
}

Deno.test("admin check warns of critical alerts and of a controller that is not ready", async () => {
  const served = await testFleet({ flasharrays: 1 });
  try {
    const [array] = served.arrays;
    for (const [severity, summary] of [["warning", "a fan"], ["critical", "controller failed"]]) {
      const alert = { array: "fa-1", severity, summary, component_name: "CT1" };
      await spoil(served.control, "alerts", alert);
    }
    await spoil(served.control, "controllers", {
      array: "fa-1",
      name: "CT1",
      status: "not ready",
    });
    const entry = { MgmtEndPoint: `http://${array?.address}`, APIToken: array?.token ?? "" };
    const { code, said } = await checked([entry]);
    equal(code, 0, said);
    match(said, /^ {2}WARN {2}alerts +1 critical alert: CT1: controller failed$/m);
    match(said, /^ {2}WARN {2}controllers +CT1 \(not ready\): nodes are sent to the ports of the/m);
    await spoil(served.control, "faults", {
      match: { path: "/alerts" },
      action: "status",
      value: 500,
      times: 99,
    });
    match((await checked([entry])).said, /^ {2}WARN {2}alerts +they cannot be read: /m);
  } finally {
    await served.stop();
  }
});

/** What the verbs say when one of two arrays stops to answer at this call. */
async function withHanging(
  match: { method?: string; path?: string },
  work: (run: (...words: string[]) => Promise<AdminResult>) => Promise<void>,
): Promise<void> {
  const served = await testFleet({ flasharrays: 2 });
  try {
    const FlashArrays = served.arrays.map(({ address, token }) => ({
      MgmtEndPoint: `http://${address}`,
      APIToken: token,
    }));
    const v = JSON.stringify({ arrays: { FlashArrays }, clusterID: "k8s" });
    const fault = { array: "fa-1", match, action: "delay", value: 8_000 };
    await spoil(served.control, "faults", fault);
    await work((...words) => runAdmin([...words, "-f", "v"], { files: { v }, answerMs: 3_000 }));
  } finally {
    await (await fetch(`${served.control}/faults`, { method: "DELETE" })).body?.cancel();
    await served.stop();
  }
}

Deno.test("admin check ends although an array never answers, and tells the others", () =>
  withHanging({}, async (run) => {
    const { code, said } = await run("check");
    equal(code, 1);
    match(said, /^arrays\.FlashArrays\[0\][^]*^ {2}FAIL {2}rest +.* did not answer /m);
    match(said, /^arrays\.FlashArrays\[1\][^]*^ {2}OK {4}role /m);
  }));

Deno.test("the verbs ask an array nothing more that let them wait, and say of it what is not known", () =>
  withHanging({ method: "PATCH" }, async (run) => {
    const { code, said } = await run("check");
    equal(code, 1);
    match(said, /^ {2}FAIL {2}role +it is not known whether it suffices: .*fa-1/m);
    equal(/array may not be changed/.test(said), false);
    equal(said.match(/^ {2}OK {4}prefix /gm)?.length, 1, "only of the other one");
    const { arrays } = JSON.parse((await run("arrays", "-o", "json")).said);
    equal(arrays[0].name, "fa-1");
    equal("mayChange" in arrays[0], false);
    const volumes = await run("volumes");
    equal(volumes.code, 1);
    match(volumes.said, /^ {2}FAIL {2}role /m);
    const undelete = await run("undelete");
    equal(undelete.code, 1);
    match(
      undelete.said,
      /^0 destroyed volumes that can be recovered on the arrays that answered$/m,
    );
    match(undelete.said, /^ {2}FAIL {2}role /m);
  }));

Deno.test("admin check ends although the API server never answers, and tells the arrays", async () => {
  const served = await testFleet({ flasharrays: 1 });
  const { promise, resolve } = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async () => {
    await promise;
    return new Response("{}");
  });
  try {
    const [array] = served.arrays;
    const FlashArrays = [{ MgmtEndPoint: `http://${array?.address}`, APIToken: array?.token }];
    const kubeconfig = {
      "current-context": "prod",
      contexts: [{ name: "prod", context: { cluster: "prod" } }],
      clusters: [{ name: "prod", cluster: { server: `http://127.0.0.1:${server.addr.port}` } }],
    };
    const files = { v: JSON.stringify({ arrays: { FlashArrays } }), k: JSON.stringify(kubeconfig) };
    const words = ["check", "-f", "v", "--kubeconfig", "k"];
    const { code, said } = await runAdmin(words, { files, answerMs: 200 });
    equal(code, 1);
    match(said, /^cluster prod\n {2}FAIL {2}server +no answer to GET \/version/m);
    match(said, /^ {2}OK {4}role /m);
  } finally {
    resolve();
    await server.shutdown();
    await served.stop();
  }
});
