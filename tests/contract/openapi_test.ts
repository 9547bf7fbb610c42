import { deepEqual, equal, match, throws } from "node:assert/strict";
import { type Answer, findSpecs, OpenApiChecker, recordingFetch } from "./openapi.ts";

const VOLUME_LIST = {
  continuation_token: null,
  more_items_remaining: false,
  total_item_count: null,
  items: [{ name: "v", provisioned: 1048576 }],
};

function answer(more: Partial<Answer>): Answer {
  return {
    kind: "flasharray",
    array: "fa-1",
    method: "GET",
    path: "/api/2.26/volumes",
    query: "",
    status: 200,
    body: VOLUME_LIST,
    ...more,
  };
}

function problemsOf(more: Partial<Answer>): string[] {
  const checker = new OpenApiChecker();
  checker.record(answer(more));
  return checker.problems();
}

const ignore = !new OpenApiChecker().active;

const wrong: { name: string; given: Partial<Answer>; problem: RegExp }[] = [
  {
    name: "a number where text is wanted",
    given: { body: { ...VOLUME_LIST, items: [{ name: 7 }] } },
    problem: /^FA GET \/api\/2\.26\/volumes 200: \/items\/\*\/name must be string,null/,
  },
  {
    name: "a list that is null",
    given: {
      path: "/api/2.26/hosts",
      body: { ...VOLUME_LIST, items: [{ name: "h", iqns: null }] },
    },
    problem: /\/items\/\*\/iqns/,
  },
  {
    name: "a reference that is null",
    given: { body: { ...VOLUME_LIST, items: [{ name: "v", pod: null }] } },
    problem: /\/items\/\*\/pod must be object/,
  },
  {
    name: "a member of a later version",
    given: { body: { ...VOLUME_LIST, items: [{ name: "v", workload: {} }] } },
    problem: /must NOT have additional properties .*workload/,
  },
  {
    name: "a query parameter of a later version",
    given: { query: "allow_errors=true" },
    problem: /query parameter allow_errors does not exist/,
  },
  {
    name: "a query value of the wrong type",
    given: { query: "limit=many" },
    problem: /query limit=many: .*integer/,
  },
  {
    name: "a path that the version lacks",
    given: { path: "/api/2.26/realms" },
    problem: /no such operation/,
  },
  {
    name: "a body after a DELETE",
    given: { method: "DELETE", query: "names=v", body: {} },
    problem: /body where the specification has none/,
  },
  {
    name: "a request with a member of a later version",
    given: {
      method: "POST",
      query: "names=v",
      body: { items: [] },
      sent: { provisioned: 1048576, tags: [] },
    },
    problem: /request .*additional properties .*tags/,
  },
  { name: "a status that is none of the vendor's", given: { status: 201 }, problem: /status 201/ },
  {
    name: "an error without its list",
    given: { status: 400, body: { message: "no" } },
    problem: /no list errors/,
  },
  {
    name: "a 403 without its message",
    given: { status: 403, body: { errors: [] } },
    problem: /no top-level message/,
  },
  {
    name: "paging in FlashArray's way on a FlashBlade",
    given: {
      kind: "flashblade",
      path: "/api/2.28/file-systems",
      body: { items: [], more_items_remaining: false },
    },
    problem: /^FB .*more_items_remaining/,
  },
];

for (const { name, given, problem } of wrong) {
  Deno.test({
    name: `record() reports ${name}`,
    ignore,
    fn: () => match(problemsOf(given).join("\n"), problem),
  });
}

Deno.test({
  name: "record() accepts a right answer, its query and request and unset scalars",
  ignore,
  fn: () => {
    const body = {
      items: [{
        name: "v",
        qos: { bandwidth_limit: null, iops_limit: null },
        pod: { id: null, name: null },
      }],
    };
    deepEqual(
      problemsOf({
        query: "names=v,w&limit=5&sort=name-&destroyed=false",
        body: { ...VOLUME_LIST, ...body },
      }),
      [],
    );
    deepEqual(
      problemsOf({ method: "PATCH", query: "names=v", body, sent: { destroyed: true } }),
      [],
    );
    deepEqual(
      problemsOf({
        status: 400,
        body: { errors: [{ message: "Volume does not exist.", context: "v" }] },
      }),
      [],
    );
  },
});

Deno.test({
  name: "record() counts what it checked, and holds a version without a file against the " +
    "next newer one",
  ignore,
  fn: () => {
    const checker = new OpenApiChecker();
    checker.record(answer({}));
    checker.record(
      answer({
        path: "/api/2.38/volumes",
        body: { ...VOLUME_LIST, items: [{ name: "v", context: {}, color: 1 }] },
      }),
    );
    checker.record(answer({ path: "/api/2.99/volumes" }));
    equal(checker.checked.get("GET /api/2.26/volumes"), 1);
    match(
      checker.problems().join(),
      /^[^,]*2\.38.*additional properties .*color.*no file is as new as REST 2\.99$/,
    );
    throws(() => checker.assertClean(), /2 deviations from OpenAPI/);
  },
});

Deno.test("findSpecs() finds nothing in a folder that is not there, and a checker without specifications stays silent", () => {
  const checker = new OpenApiChecker({ folder: findSpecs("/nowhere/at/all") });
  checker.record(answer({ status: 201 }));
  deepEqual([checker.active, checker.problems()], [false, []]);
});

Deno.test({
  name: "recordingFetch() shows the answer to the checker and leaves it readable",
  ignore,
  fn: async () => {
    const checker = new OpenApiChecker();
    const inner = () => Promise.resolve(Response.json({ ...VOLUME_LIST, items: [{ name: 1 }] }));
    const response = await recordingFetch(checker, { kind: "flasharray", name: "fa-1" }, inner)(
      "https://fa-1/api/2.26/volumes?names=v",
    );
    equal((await response.json()).items.length, 1);
    equal(checker.problems().length, 1);
  },
});
