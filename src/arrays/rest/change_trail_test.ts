import { equal, ok } from "node:assert/strict";
import { PsoError } from "../../errors.ts";
import { TransportError } from "../../net/https.ts";
import { NothingMadeError } from "../array.ts";
import { ChangeTrail } from "./change_trail.ts";
import { type RestError, restErrorOf } from "./refusals.ts";

const UNSENT = new TransportError("unavailable", "nothing listens there", { sent: false });
const LOST = new TransportError("unavailable", "reset", { sent: true });
const LOGIN = new PsoError("denied", "the token is refused");

function answer(status: number, text: string): RestError {
  return restErrorOf({ status, headers: {}, text }, { array: "fa-1", call: "POST volumes" });
}

function own(status: number, message: string): RestError {
  return answer(status, JSON.stringify({ errors: [{ message }] }));
}

function trailOf(attempts: PsoError[]): ChangeTrail {
  const trail = new ChangeTrail();
  for (const error of attempts) {
    trail.begin();
    if (error === LOGIN) continue;
    if (error instanceof TransportError) trail.lost(error);
    else trail.refused(error as RestError);
  }
  return trail;
}

/** What is thrown after attempts of a create that ended so. */
function judged(...attempts: PsoError[]): PsoError {
  const trail = trailOf(attempts);
  const thrown = trail.judged(attempts.at(-1));
  ok(thrown instanceof PsoError);
  return thrown;
}

const ROLE = own(403, "Operation not permitted.");
const PAGE = answer(403, "<html>Forbidden</html>");
const BUSY = own(503, "Service unavailable.");

const PROOFS: { name: string; attempts: PsoError[]; code: string }[] = [
  { name: "no connection was made", attempts: [UNSENT, UNSENT], code: "unavailable" },
  { name: "the login was refused", attempts: [LOGIN], code: "denied" },
  { name: "the array refuses the role", attempts: [ROLE], code: "denied" },
  { name: "the array is full", attempts: [own(400, "Out of space.")], code: "exhausted" },
  {
    name: "the array's limit is reached",
    attempts: [own(400, "Too many volumes.")],
    code: "exhausted",
  },
  { name: "it was told to slow down before", attempts: [own(429, "Slow."), ROLE], code: "denied" },
  {
    name: "the session had ended and the login is refused",
    attempts: [own(401, "No session."), LOGIN],
    code: "denied",
  },
];

for (const { name, attempts, code } of PROOFS) {
  Deno.test(`nothing was made when ${name}`, () => {
    const thrown = judged(...attempts);
    ok(thrown instanceof NothingMadeError);
    equal(thrown.code, code);
    equal(thrown.message, attempts.at(-1)?.message);
  });
}

const UNCLEAR: { name: string; attempts: PsoError[]; code: string }[] = [
  { name: "the answer was lost", attempts: [LOST], code: "unavailable" },
  {
    name: "the answer was lost and then no connection made",
    attempts: [LOST, UNSENT],
    code: "unavailable",
  },
  {
    name: "the array was busy and then full",
    attempts: [BUSY, own(400, "Out of space.")],
    code: "unavailable",
  },
  {
    name: "the array was busy and then refused the role",
    attempts: [BUSY, ROLE],
    code: "unavailable",
  },
  { name: "a proxy refused", attempts: [PAGE], code: "unavailable" },
  { name: "a proxy refused, then the array", attempts: [PAGE, ROLE], code: "unavailable" },
  { name: "the array failed", attempts: [own(500, "Internal error.")], code: "unavailable" },
  { name: "the name is taken", attempts: [own(400, "Volume already exists.")], code: "conflict" },
];

for (const { name, attempts, code } of UNCLEAR) {
  Deno.test(`something may have been made when ${name}`, () => {
    const thrown = judged(...attempts);
    ok(!(thrown instanceof NothingMadeError));
    equal(thrown.code, code);
  });
}

const GONE = own(400, "Volume does not exist.");
const SETTLED: { name: string; attempts: PsoError[]; code: string }[] = [
  { name: "the array refused", attempts: [GONE], code: "not_found" },
  {
    name: "no connection was made, and the array refused",
    attempts: [UNSENT, GONE],
    code: "not_found",
  },
  {
    name: "the answer was lost, and the array refused",
    attempts: [LOST, GONE],
    code: "unavailable",
  },
  { name: "the array was busy, and refused", attempts: [BUSY, GONE], code: "unavailable" },
  { name: "a proxy refused, and the array", attempts: [PAGE, GONE], code: "unavailable" },
];

for (const { name, attempts, code } of SETTLED) {
  Deno.test(`a change that is no create ends with ${code} when ${name}`, () => {
    const thrown = trailOf(attempts).settled(attempts.at(-1));
    ok(thrown instanceof PsoError);
    equal(thrown.code, code, thrown.message);
  });
}
