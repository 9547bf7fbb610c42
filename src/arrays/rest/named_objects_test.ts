import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Fetch } from "../../net/https.ts";
import { silentLogger } from "../../log.ts";
import { Secret } from "../../secret.ts";
import { Exports } from "../flashblade/exports.ts";
import { FLASHARRAY_DIALECT } from "../flasharray/status.ts";
import type { FileSystemItem } from "../flashblade/wire.ts";
import { RestClient } from "./client.ts";
import { flag, name, record, text } from "./shape.ts";
import {
  type ArrayContext,
  isAskedFor,
  NamedObjects,
  nameFilter,
  type Resource,
} from "./named_objects.ts";

interface Item {
  id?: string;
  name?: string;
  destroyed?: boolean;
}

const VOLUMES: Resource<Item> = {
  path: "volumes",
  noun: "volume",
  nameKey: "names",
  item: record<Item>({ id: text(), name, destroyed: flag }, ["name"]),
  recovery: () => "recover it",
};

/** A text of status 400, or items. */
type Answer = string | { id?: string; name: string; destroyed?: boolean }[];

/** An array that gives `answers` in order, and what was asked of it. */
function scripted(...answers: Answer[]): { context: ArrayContext; asked: string[] } {
  const asked: string[] = [];
  const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    Promise.resolve({ status, headers, text: JSON.stringify(body) });
  const fetch: Fetch = ({ method, path }) => {
    if (path === "/api/api_version") return json(200, { version: ["2.26"] });
    if (path.endsWith("/login")) return json(200, { items: [] }, { "x-auth-token": "session" });
    asked.push(`${method} ${path.replace("/api/2.26/", "")}`);
    const answer = answers.shift();
    if (answer === undefined) return Promise.reject(new Error("no more answers"));
    if (typeof answer !== "string") return json(200, { items: answer });
    return json(400, { errors: [{ message: answer, context: "k8s-1" }] });
  };
  const token = new Secret("token");
  const label = () => "fa-1";
  const options = { fetch, dialect: FLASHARRAY_DIALECT, token, label, log: silentLogger };
  return { context: { rest: new RestClient(options), label }, asked };
}

function volumesOf(...answers: Answer[]) {
  const { context, asked } = scripted(...answers);
  return {
    context,
    volumes: new NamedObjects<Item>(context, VOLUMES),
    asked,
  };
}

const UNCLEAR = {
  code: "unavailable",
  message: /Pod is demoted.*does not say whether volume k8s-1 is there/,
};

for (const text of ["Volume does not exist.", "No such volume or snapshot."]) {
  Deno.test(`find() takes "${text}" for a volume that is not there`, async () => {
    const { volumes, asked } = volumesOf(text, text);
    equal(await volumes.find("k8s-1"), undefined);
    equal(await volumes.find("k8s-1", { destroyed: true }), undefined);
    equal(asked.length, 2);
  });
}

Deno.test("find() is `unavailable` after a refusal about the name that does not say that it is gone", async () => {
  for (const destroyed of [false, true]) {
    const { volumes, asked } = volumesOf("Pod is demoted.");
    await rejects(volumes.find("k8s-1", { destroyed }), UNCLEAR);
    equal(asked.length, 1);
  }
});

Deno.test("find() tells a destroyed object by its item, in one call, and prefers a live one", async () => {
  const destroyed = { name: "k8s-1", destroyed: true };
  const live = { name: "k8s-1", destroyed: false };
  const { volumes, asked } = volumesOf([destroyed], [destroyed], [destroyed, live]);
  equal(await volumes.find("k8s-1"), undefined);
  deepEqual(await volumes.find("k8s-1", { destroyed: true }), destroyed);
  deepEqual(await volumes.find("k8s-1", { destroyed: true }), live);
  deepEqual(asked, Array(3).fill("GET volumes?names=k8s-1"));
});

Deno.test("destroy() and afterRefusedCreate() are `unavailable` when the look after a refusal is unclear", async () => {
  const { volumes } = volumesOf("Pod is demoted.", "Pod is demoted.", "Pod is demoted.");
  await rejects(volumes.destroy("k8s-1"), UNCLEAR);
  const refused = await volumes.find("k8s-1").catch((error) => error.cause);
  const { volumes: others } = volumesOf("Pod is demoted.");
  await rejects(others.afterRefusedCreate("k8s-1", { error: refused }), UNCLEAR);
});

Deno.test("destroy() with changes reads the object after a refusal: what they name may be missing", async () => {
  const missing = "NFS export policy does not exist.";
  const changes = { nfs: {} };
  const live = volumesOf(missing, [{ name: "k8s-1", destroyed: false }]);
  await rejects(live.volumes.destroy("k8s-1", { changes }), /NFS export policy does not exist/);
  const gone = volumesOf("Volume does not exist.", "Volume does not exist.");
  equal(await gone.volumes.destroy("k8s-1", { changes }), false);
  const plain = volumesOf("Volume does not exist.");
  equal(await plain.volumes.destroy("k8s-1"), false);
});

Deno.test("a disconnect from a FlashBlade is not done when the rules are refused and the file system is there", async () => {
  const { context } = scripted("NFS export policy does not exist.", "File system does not exist.");
  const shown: FileSystemItem = {
    name: "k8s-pvc-1",
    nfs: { rules: "10.0.0.1(rw,no_root_squash)" },
  };
  let looks = 0;
  let isThere = true;
  const find = () => Promise.resolve(looks++ === 0 || isThere ? shown : undefined);
  const facts = () => Promise.reject(new Error("not asked for"));
  const exports = new Exports({ ...context, find, facts });
  const options = { known: { cluster: "k8s" } };
  await rejects(
    exports.disconnect("k8s-pvc-1", "all", options),
    /NFS export policy does not exist/,
  );
  [looks, isThere] = [0, false];
  equal(await exports.disconnect("k8s-pvc-1", "all", options), false);
});

Deno.test("find() refuses an object of another name, also beside the one that was asked for", async () => {
  for (const answer of [[{ name: "k8s-2" }], [{ name: "k8s-1" }, { name: "k8s-2" }]]) {
    const { volumes } = volumesOf(answer);
    await rejects(volumes.find("k8s-1"), {
      code: "unavailable",
      message: /about k8s-2, and k8s-1/,
    });
  }
  const { volumes } = volumesOf([{ name: "K8S-1" }]);
  equal((await volumes.find("k8s-1"))?.name, "K8S-1");
});

Deno.test("destroy() of an object that was looked at tells when the array destroyed another of its name", async () => {
  const other = { code: "unavailable", message: /k8s-1 has the id b, and it had a; .*recover/ };
  const { volumes } = volumesOf([{ id: "b", name: "k8s-1", destroyed: true }]);
  await rejects(volumes.destroy("k8s-1", { id: "a" }), other);
  const same = volumesOf([{ id: "a", name: "k8s-1", destroyed: true }]);
  equal(await same.volumes.destroy("k8s-1", { id: "a" }), true);
});

Deno.test("afterRefusedCreate() takes no final code from words that what is there contradicts", async () => {
  const cases: [string, string][] = [
    ["Volume already exists.", "unavailable"],
    ["Something new.", "unavailable"],
    ["Size must be a multiple of 512.", "out_of_range"],
  ];
  for (const [text, code] of cases) {
    const { volumes, context } = volumesOf(text, []);
    const call = { path: "volumes", query: { names: "k8s-1" }, item: VOLUMES.item };
    const error = await context.rest.create<Item>(call).catch((error) => error);
    await rejects(volumes.afterRefusedCreate("k8s-1", { error }), { code });
  }
});

Deno.test("isAskedFor() leaves out what an array lists beside what its filter asks for", () => {
  equal(isAskedFor({ name: "K8S-1" }, { prefix: "k8s-" }), true);
  equal(isAskedFor({ name: "k8s2-1" }, { prefix: "k8s-" }), false);
  equal(isAskedFor({ name: "k8s-1" }, { names: ["k8s-2", "K8s-1"], prefix: "x" }), true);
  equal(isAskedFor({ name: "k8s-1" }, { names: ["k8s-2"] }), false);
  equal(isAskedFor({ name: "k8s-1" }, {}), true);
});

Deno.test("nameFilter() looks behind pods and groups only where names have them", () => {
  equal(nameFilter({ prefix: "k8s-" }), "name='k8s-*'");
  equal(nameFilter({ prefix: "" }, VOLUMES), undefined);
  const contained = { ...VOLUMES, isContained: true } as const;
  equal(
    nameFilter({ prefix: "k8s-" }, contained),
    "name='k8s-*' or name='*::k8s-*' or name='*/k8s-*'",
  );
  equal(nameFilter({ base: "v" }, contained), "name='v' or name='*::v' or name='*/v'");
  equal(nameFilter({ names: ["p::v"] }, contained), "name='p::v'");
});

Deno.test("isAskedFor() judges by what stands behind pod and group", () => {
  const prefix = "k8s-";
  deepEqual(
    ["k8s-1", "P1::K8S-1", "vg/k8s-1", "p::vg/k8s-1", "k8s-p::other", "p1::xk8s-1"].map((name) =>
      isAskedFor({ name }, { prefix })
    ),
    [true, true, true, true, true, false],
  );
  const isBase = (name: string) => isAskedFor({ name }, { base: "k8s-1" });
  deepEqual(["k8s-1", "p::K8s-1", "p::k8s-10", "k8s-1::v"].map(isBase), [true, true, false, false]);
});
