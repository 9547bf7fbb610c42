/** What an array, a proxy or a network may make of an answer. */
import type { HttpRequest, HttpResponse } from "../../src/net/https.ts";
import { Random } from "./random.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const STATUSES = [100, 201, 204, 206, 207, 226, 301, 304, 400, 401, 403, 404, 405, 408, 409, 410]
  .concat([412, 418, 422, 425, 429, 431, 450, 451, 499, 500, 501, 502, 503, 504, 511, 599, 999]);

const TEXTS = [
  "",
  "null",
  "[]",
  "{}",
  "7",
  '"text"',
  '{"items":{}}',
  '{"items":[null]}',
  '{"items":[[]]}',
  '{"items":[{}]}',
  '{"items":[],"continuation_token":"again","more_items_remaining":true}',
  '{"errors":[]}',
  '{"errors":[null]}',
  '{"errors":{"message":7}}',
  '{"errors":[{"message":7,"context":{}}]}',
  '{"message":null}',
  '{"version":[{"toString":1}],"versions":[[]]}',
  "<html><body>502 Bad Gateway</body></html>",
  "\u0000\ufffd\u2028",
];

/** Larger than what may be read of one; made when it is needed. */
const FLOODS = [
  () => `{"items":[${"{},".repeat(200_000)}{}]}`,
  () => `{"items":${"[".repeat(200_000)}${"]".repeat(200_000)}}`,
  () => JSON.stringify({ errors: [{ message: "out of ".repeat(20_000) }] }),
  () => JSON.stringify({ errors: [{ message: "a. ".repeat(20_000) + "x" }] }),
  () => `<html>${"maximum ".repeat(20_000)}</html>`,
];

const VALUES: Json[] = [
  null,
  true,
  -1,
  0.5,
  7,
  1e300,
  "",
  "a,b",
  "*",
  "../../x",
  "-x",
  "two\nlines",
  "\ud800",
  [],
  {},
  [null],
  { name: null },
  { name: 7, id: [] },
  "x".repeat(5_000),
];

/** A place in a JSON value that can be replaced. */
interface Place {
  holder: Json[] | { [key: string]: Json };
  key: string;
}

function placesIn(value: Json, found: Place[] = []): Place[] {
  if (typeof value !== "object" || value === null) return found;
  for (const [key, member] of Object.entries(value)) {
    found.push({ holder: value, key });
    placesIn(member, found);
  }
  return found;
}

/** The text with one of its values replaced, left out, or quoting what was sent. */
function bentJson(random: Random, text: string, echo: string): string {
  let body: Json;
  try {
    body = JSON.parse(text);
  } catch {
    return random.pick(TEXTS);
  }
  const places = placesIn(body);
  if (places.length === 0) return random.pick(TEXTS);
  const { holder, key } = random.pick(places);
  if (random.oneIn(4)) Reflect.deleteProperty(holder, key);
  else Reflect.set(holder, key, random.oneIn(4) ? echo : random.pick(VALUES));
  return JSON.stringify(body);
}

function bentText(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  return text.slice(0, at) + random.pick(["", "\0", '"', "{", "]", ",", "\\", "9"]) +
    text.slice(at + random.below(3));
}

/** All that was sent, as a careless array quotes it. */
function echoOf({ method, path, headers, body }: HttpRequest): string {
  return `cannot do ${method} ${path} ${JSON.stringify(headers)} ${body ?? ""}`;
}

/** An answer that somebody spoilt. */
export function bentAnswer(
  random: Random,
  { request, response }: { request: HttpRequest; response: HttpResponse },
): HttpResponse {
  const echo = echoOf(request);
  const { text } = response;
  switch (random.below(7)) {
    case 0:
      return { ...response, status: random.pick(STATUSES) };
    case 1:
      return { ...response, text: random.pick(TEXTS) };
    case 2:
      return { ...response, text: bentText(random, text) };
    case 3: {
      const status = random.pick([500, 502, 403, 429, 200]);
      const message = random.oneIn(2) ? JSON.stringify({ errors: [{ message: echo }] }) : echo;
      return { ...response, status, text: message };
    }
    case 4: {
      const session = random.pick(["", "two\nlines", "é", "x".repeat(5_000), "other"]);
      return { ...response, headers: { ...response.headers, "x-auth-token": session } };
    }
    case 5:
      return random.oneIn(5)
        ? { status: random.pick([200, 400, 500]), headers: {}, text: random.pick(FLOODS)() }
        : { ...response, text: bentJson(random, text, echo) };
    default:
      return { ...response, text: bentJson(random, text, echo) };
  }
}
