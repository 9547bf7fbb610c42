import { FLASHARRAY_DIALECT } from "../../src/arrays/flasharray/status.ts";
import { RestClient } from "../../src/arrays/rest/client.ts";
import { Limiter } from "../../src/arrays/rest/limiter.ts";
import { silentLogger } from "../../src/log.ts";
import type { Fetch } from "../../src/net/https.ts";
import { Secret } from "../../src/secret.ts";

/** A client of an array that lets it log in, and answers every other call by `answers`. */
export function clientOf(answers: Fetch, limiter = new Limiter()): RestClient {
  const answer = (value: unknown, headers = {}) =>
    Promise.resolve({ status: 200, headers, text: JSON.stringify(value) });
  return new RestClient({
    fetch: (request) => {
      if (request.path.endsWith("api_version")) return answer({ version: ["2.26"] });
      if (request.path.endsWith("login")) return answer({}, { "x-auth-token": "s" });
      return answers(request);
    },
    dialect: FLASHARRAY_DIALECT,
    token: new Secret("an api token"),
    label: () => "fa-1",
    log: silentLogger,
    limiter,
  });
}
