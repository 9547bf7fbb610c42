import assert from "node:assert/strict";
import type { ErrorCode } from "../../errors.ts";
import {
  mayBeAboutName,
  provesNothingMade,
  type Refusal,
  RestError,
  restErrorOf,
} from "./refusals.ts";

const REFUSALS: [number, unknown, Refusal, ErrorCode][] = [
  [
    400,
    { errors: [{ message: "Volume does not exist.", context: "k8s-1" }] },
    "missing",
    "not_found",
  ],
  [
    400,
    { errors: [{ message: "No such volume or snapshot.", context: "k8s-1.a" }] },
    "missing",
    "not_found",
  ],
  [
    400,
    {
      errors: [{
        message: "Volume has been destroyed. It can be recovered by purevol recover.",
        context: null,
      }],
    },
    "destroyed",
    "conflict",
  ],
  [
    400,
    { errors: [{ message: "Connection already exists.", context: "v" }] },
    "exists",
    "conflict",
  ],
  [
    400,
    { errors: [{ message: "The specified IQN is ALREADY IN USE.", context: "h" }] },
    "initiator taken",
    "in_use",
  ],
  [
    400,
    {
      errors: [{
        message: "Non-NVME connected hgroups and hosts cannot be connected to volumes already " +
          "connected to NVME connected hosts.",
        location_context: { resource_type: "remote-arrays", name: "fa-1", id: null },
      }],
    },
    "other protocol",
    "conflict",
  ],
  [
    400,
    { errors: [{ message: "Eradication is disabled.", context: null }] },
    "safe mode",
    "unavailable",
  ],
  // Parts of these sentences mean "done already" or "gone" elsewhere.
  [400, { errors: [{ message: "LUN is already in use.", context: "h" }] }, "other", "unavailable"],
  [
    400,
    {
      errors: [{ message: "Volume v is already connected to a host of the group.", context: "v" }],
    },
    "other",
    "unavailable",
  ],
  [
    400,
    { errors: [{ message: "The remote array of this volume was not found.", context: "v" }] },
    "other",
    "unavailable",
  ],
  [
    400,
    { errors: [{ message: "A member of the group has been deleted.", context: "v" }] },
    "other",
    "unavailable",
  ],
  [
    400,
    { errors: [{ message: "File system name is not fully qualified.", context: "v" }] },
    "other",
    "unavailable",
  ],
  [400, { errors: [{ message: "Volume limit reached." }] }, "limit", "exhausted"],
  [400, { errors: [{ message: "There is insufficient free space." }] }, "space", "exhausted"],
  [400, { errors: [{ message: "Size must be a multiple of 512." }] }, "range", "out_of_range"],
  [400, { errors: [{ message: "Something new." }] }, "other", "unavailable"],
  [401, {}, "session", "denied"],
  [403, { message: "Operation not permitted." }, "role", "denied"],
  [404, { errors: [{ message: "does not exist" }] }, "no such call", "unavailable"],
  [429, { message: "API rate limit exceeded" }, "rate", "busy"],
  [500, { errors: [{ message: "Volume does not exist." }] }, "trouble", "unavailable"],
  [503, "<html>Service Unavailable</html>", "trouble", "unavailable"],
];

for (const [status, body, refusal, code] of REFUSALS) {
  Deno.test(`restErrorOf() reads ${status} ${JSON.stringify(body).slice(0, 70)} as ${refusal}`, () => {
    const response = {
      status,
      headers: {},
      text: typeof body === "string" ? body : JSON.stringify(body),
    };
    const error = restErrorOf(response, { array: "fa-1", call: "POST volumes" });
    assert.ok(error instanceof RestError);
    assert.deepEqual([error.refusal, error.code], [refusal, code]);
    assert.match(error.message, /^array fa-1 refused POST volumes: /);
    assert.doesNotMatch(error.message, /\.$/);
    const isNoRoom = refusal === "limit" || refusal === "space";
    assert.equal(mayBeAboutName(error), status === 400 && !isNoRoom);
    const isOfCall = isNoRoom || refusal === "role" || refusal === "session";
    assert.equal(provesNothingMade(error), isOfCall);
  });
}
