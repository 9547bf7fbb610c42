import { equal, ok } from "node:assert/strict";
import { reasonsText, type Rejection, waitText } from "./rejections.ts";

function rejection(array: string, reason: string, passing = false): Rejection {
  return { key: array, array, reason, passing };
}

Deno.test("reasonsText() tells each reason once, those that may pass first", () => {
  equal(
    reasonsText([
      rejection("fb-1", "serves no block volumes"),
      rejection("fa-1", "has 1 GiB free"),
      rejection("fb-2", "serves no block volumes"),
      rejection("fa-2", "has not answered yet", true),
    ]),
    "fa-2 has not answered yet, each of fb-1, fb-2 serves no block volumes, fa-1 has 1 GiB free",
  );
});

Deno.test("reasonsText() of 50 arrays fits into an Event, and says how many it does not name", () => {
  const many = Array.from({ length: 50 }, (_, at) => rejection(`fa-${at}`, "has 0 bytes free"));
  equal(reasonsText(many), "each of fa-0, fa-1, fa-2 and 47 more has 0 bytes free");
  const text = reasonsText(many.map((one, at) => ({ ...one, reason: `has ${at} MiB free` })));
  ok(text.length < 600, text);
  ok(text.endsWith(", fa-7 has 7 MiB free, the controller's log has 42 more"), text);
});

Deno.test("waitText() names the arrays that may take it, and else what to do", () => {
  const down = Array.from({ length: 5 }, (_, at) => rejection(`fa-${at}`, "is down", true));
  equal(
    waitText([...down, rejection("fb-1", "is full")], "unavailable"),
    "for fa-0, fa-1, fa-2 and 2 more; it is tried again",
  );
  equal(
    waitText([rejection("fb-1", "is full")], "exhausted"),
    "until an array takes it; add space or change the class",
  );
});

Deno.test("waitText() says once what an administrator may make on an array", () => {
  const lacks = (array: string) => ({
    ...rejection(array, "has no pod p1"),
    mend: "make it there",
  });
  equal(
    waitText([lacks("fa-1"), rejection("fa-2", "is full"), lacks("fa-3")], "exhausted"),
    "until an array takes it; make it there, add space or change the class",
  );
});
