// Started by tests/tls_authorities_test.ts: asks the server at the address of its only argument
// once, by the CAs of this process. Prints the status, or what is wrong with the certificate.
import { HttpsClient } from "../../src/net/https.ts";

const client = new HttpsClient({ address: Deno.args[0] ?? "", tls: { verify: true } });
const outcome = await client.fetch({ method: "POST", path: "/", headers: { "api-token": "x" } })
  .then(({ status }) => String(status), (error) => `${error.code}: ${error.message}`);
client.close();
Deno.stdout.writeSync(new TextEncoder().encode(outcome));
