// docs/host-preparation.md: what it tells people to copy is what the check wants.
import assert from "node:assert/strict";
import type { Area } from "./finding.ts";
import {
  blacklistFindings,
  parseMultipathConfig,
  settingFindings,
  WANTED_SETTINGS,
} from "./multipath_settings.ts";
import { findingsOf } from "../../../tests/support/prepared_host.ts";
import { Transcripts, withHostRoot } from "../../../tests/support/test_host.ts";
import { PROTOCOL_FACTS, REAL_PROTOCOLS } from "../../protocols.ts";
import { udevFindings } from "./udev_check.ts";

const text = await Deno.readTextFile(new URL("../../../docs/host-preparation.md", import.meta.url));
const [multipathConf = "", pureRules = "", uaRules = ""] = [...text.matchAll(/^```\n(.*?)^```$/gms)]
  .map(([, block = ""]) => block);

Deno.test("docs/host-preparation.md lists every setting of multipath that is checked, as it is checked", () => {
  const rows = [...text.matchAll(/^\| `(\w+)` \| `(.+)` \| (.+) \|$/gm)].map(([, ...columns]) =>
    columns
  );
  assert.deepEqual(rows, WANTED_SETTINGS.map(({ key, wanted, why }) => [key, wanted, why]));
});

/** The rows of "What is looked at": areas and the rest of the row. */
const looks = [...text.matchAll(/^\| ([a-z, ]+) \| (.+) \|$/gm)].map((
  [, areas = "", row = ""],
) => ({
  areas: areas.split(", "),
  row,
}));

Deno.test("docs/host-preparation.md lists tools and modules of each protocol, and every area of a report", async () => {
  const wanted: { area: Area; name: string }[] = REAL_PROTOCOLS.flatMap((protocol) => {
    const { area, tools, modules } = PROTOCOL_FACTS[protocol];
    return [...tools, ...modules].map((name) => ({ area, name: `\`${name}\`` }));
  });
  assert.ok(wanted.length > 5);
  const findings = await findingsOf(await Transcripts.of("debian12"));
  wanted.push(...findings.map(({ area }) => ({ area, name: "" })));
  const missing = wanted.filter(({ area, name }) =>
    !looks.some(({ areas, row }) => areas.includes(area) && row.includes(name))
  );
  assert.deepEqual(missing, []);
});

Deno.test("the multipath.conf of docs/host-preparation.md is as wanted", () => {
  const config = parseMultipathConfig(multipathConf);
  assert.ok(config);
  assert.deepEqual(
    [...settingFindings(config), ...blacklistFindings(config)].map(({ level }) => level),
    ["ok"],
  );
});

Deno.test("the udev rules of docs/host-preparation.md are as wanted", () => {
  const files = {
    "/etc/udev/rules.d/99-pure-storage.rules": pureRules,
    "/etc/udev/rules.d/90-scsi-ua.rules": uaRules,
  };
  return withHostRoot(
    files,
    async (host) =>
      assert.deepEqual((await udevFindings(host)).map(({ level }) => level), ["ok", "ok"]),
  );
});
