import { deepEqual, equal, match } from "node:assert/strict";
import { TlsAuthority } from "../../../tests/support/tls_authority.ts";
import type { ArrayConfig } from "../../config/model.ts";
import type { TlsTrust } from "../../net/tls_handshakes.ts";
import { lookAtApi, tellClock } from "./api_look.ts";
import { FoundList } from "./found.ts";

const DAY_MS = 86_400_000;

/** A moment in so many days, as openssl(1) writes it; and its date. */
function inDays(days: number): { end: string; date: string } {
  const text = new Date(Date.now() + days * DAY_MS + 60_000).toISOString();
  return { end: `${text.slice(0, 19).replaceAll(/[^0-9]/g, "")}Z`, date: text.slice(0, 10) };
}

/** What is told of a server with that certificate, as `level check text`. */
async function toldOf(
  authority: TlsAuthority,
  { file, tls }: { file: string; tls: TlsTrust },
): Promise<string[]> {
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert: authority.pem(file),
    key: authority.key(file),
    onListen: () => {},
  }, () => Response.json({ version: ["2.0", "2.4"] }));
  try {
    const managementAddress = `127.0.0.1:${server.addr.port}`;
    const found = new FoundList("array");
    // Only what reaches the server is looked at.
    const config = { scheme: "https", managementAddress, tls } as ArrayConfig;
    const api = await lookAtApi(config, { found, now: Date.now, answerMs: 10_000 });
    const told = found.all.map(({ level, check, what }) => `${level} ${check} ${what}`);
    return [...told, api ? api.versions.join() : "no answer"];
  } finally {
    await server.shutdown();
  }
}

Deno.test("lookAtApi() tells who signed the certificate, until when it is good, and by what it is trusted", async () => {
  await TlsAuthority.use(async (authority) => {
    const [far, soon] = [inDays(214), inDays(19)];
    await authority.make("good", { end: far.end });
    await authority.make("late", { end: soon.end });
    const caPem = authority.pem("ca");
    const [good, versions] = await toldOf(authority, {
      file: "good",
      tls: { verify: true, caPem },
    });
    match(
      good ?? "",
      new RegExp(
        `^ok tls signed by array ca, expires ${far.date} \\(214 days\\), ` +
          "SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}, trusted by CACert$",
      ),
    );
    equal(versions, "2.0,2.4");
    const [late] = await toldOf(authority, { file: "late", tls: { verify: true, caPem } });
    match(late ?? "", new RegExp(`^warn tls signed by .*, expires ${soon.date} \\(19 days\\)`));
    const [unchecked] = await toldOf(authority, { file: "good", tls: { verify: false } });
    match(unchecked ?? "", /^warn tls .* nobody checks it: TLSVerify is false$/);
    const [refused, none] = await toldOf(authority, { file: "good", tls: { verify: true } });
    match(refused ?? "", /^fail tls .*is not trusted.*its SHA-256 fingerprint is [0-9A-F:]{95}/);
    equal(none, "no answer");
    const fingerprint = /SHA-256 ([0-9A-F:]{95})/.exec(good ?? "")?.[1];
    const [pinned] = await toldOf(authority, { file: "good", tls: { verify: true, fingerprint } });
    match(pinned ?? "", /trusted by CertFingerprint$/);
  });
});

Deno.test("tellClock() tells a clock that is more than 5 seconds off, in both directions", () => {
  const told = (aheadMs?: number) => {
    const found = new FoundList("array");
    tellClock(found, { aheadMs });
    return found.all.map(({ level, what }) => `${level} ${what}`);
  };
  deepEqual(told(4_000), ["ok it agrees with the clock here"]);
  deepEqual(told(61_000), ["warn it is 61 s behind the clock here"]);
  deepEqual(told(-61_000), ["warn it is 61 s ahead of the clock here"]);
  deepEqual(told(undefined), []);
});
