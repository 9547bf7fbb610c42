import assert from "node:assert/strict";
import { isPsoError } from "../errors.ts";
import { HttpsClient } from "../net/https.ts";
import { readCredentials } from "./certificates.ts";
import { freePorts, TestClient, testFleet, testRun } from "./fixture_test.ts";

/** A pair as `genSelfSignedCert` of a Helm chart makes it: self-signed, and no CA. */
async function makePair(folder: string): Promise<void> {
  await testRun("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=simulator"],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-keyout", `${folder}/tls.key`, "-out", `${folder}/tls.crt`],
  ]);
}

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await makePair(folder);
    Deno.writeTextFileSync(`${folder}/token`, "known-beforehand\n");
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The message of the refusal of this folder; empty when it is taken. */
function refusal(folder: string, http = false): string {
  try {
    readCredentials(folder, { http });
    return "";
  } catch (error) {
    return isPsoError(error, "invalid") ? error.message : `not invalid: ${error}`;
  }
}

Deno.test("readCredentials() takes a mounted Secret, and with http the token alone", async () => {
  await withFolder(async (folder) => {
    assert.deepEqual(readCredentials(folder, { http: false }), {
      token: "known-beforehand",
      certificate: { certPath: `${folder}/tls.crt`, keyPath: `${folder}/tls.key` },
    });
    await Deno.remove(`${folder}/tls.key`);
    assert.deepEqual(readCredentials(folder, { http: true }), { token: "known-beforehand" });
    assert.match(
      refusal(folder),
      /^\S+\/tls\.key cannot be read: .*needs the files token, tls\.crt/,
    );
  });
});

Deno.test("readCredentials() refuses each bad file by its name, and says what is wanted", async () => {
  await withFolder(async (folder) => {
    const other = await Deno.makeTempDir();
    await makePair(other);
    await Deno.copyFile(`${other}/tls.key`, `${folder}/tls.key`);
    await Deno.remove(other, { recursive: true });
    assert.match(
      refusal(folder),
      /the key in \S+\/tls\.key is not that of the certificate in \S+crt/,
    );
    for (const name of ["tls.key", "tls.crt"]) {
      await Deno.writeTextFile(`${folder}/${name}`, "no PEM");
      assert.match(
        refusal(folder),
        new RegExp(`/${name} cannot be understood: .*wanted a PEM text$`),
      );
    }
    await Deno.writeTextFile(`${folder}/token`, " \n");
    assert.match(refusal(folder), /the API token in \S+\/token is empty: write one word there/);
    await Deno.writeTextFile(`${folder}/token`, "two words");
    assert.match(refusal(folder), /\/token is no single word of ASCII: write one word there/);
    assert.match(refusal(`${folder}/none`), /^\S+\/none\/token cannot be read: /);
  });
});

Deno.test("a fleet with credentials has their token and certificate on exactly the ports of --listen, and a new token at its next start", async () => {
  await withFolder(async (folder) => {
    const stateDir = `${folder}/state`;
    const port = freePorts(2);
    const options = {
      ...{ stateDir, http: false, flasharrays: 2, credentials: folder },
      listen: { hostname: "127.0.0.1", port },
    };
    const before = await testFleet({
      ...options,
      credentials: undefined,
      listen: { ...options.listen, port: 0 },
    });
    await before.stop(); // with ports and tokens of its own
    const first = await testFleet(options);
    assert.deepEqual(first.arrays.map(({ address, token, ca }) => [address, token, ca]), [
      [`127.0.0.1:${port}`, "known-beforehand", `${folder}/tls.crt`],
      [`127.0.0.1:${port + 1}`, "known-beforehand", `${folder}/tls.crt`],
    ]);
    const caPem = await Deno.readTextFile(`${folder}/tls.crt`);
    for (const { address } of first.arrays) {
      const client = new HttpsClient({ address, tls: { verify: true, caPem } });
      const headers = { "api-token": "known-beforehand" };
      const { status } = await client.fetch({ method: "POST", path: "/api/2.26/login", headers });
      assert.equal(status, 200, address);
      client.close();
    }
    await first.stop();
    await Deno.writeTextFile(`${folder}/token`, "another");
    const second = await testFleet(options);
    const array = new TestClient({
      address: `localhost:${port}`,
      token: "another",
      ca: `${folder}/tls.crt`,
    });
    await array.login();
    assert.notEqual(array.token, "");
    array.close();
    await second.stop();
  });
});

Deno.test("a fleet with credentials does not start when the port of a later array is taken", async () => {
  await withFolder(async (folder) => {
    const port = freePorts(2);
    const holder = Deno.listen({ hostname: "127.0.0.1", port: port + 1 });
    try {
      await assert.rejects(
        testFleet({ flasharrays: 2, credentials: folder, listen: { hostname: "127.0.0.1", port } }),
        (error) =>
          isPsoError(error, "unavailable") &&
          error.message.startsWith(`cannot listen on 127.0.0.1:${port + 1}: `),
      );
    } finally {
      holder.close();
    }
  });
});
