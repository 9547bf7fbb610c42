// docs/host-preparation.md: what it tells people to copy is what the check wants.
import assert from "node:assert/strict";
import {
  blacklistFindings,
  parseMultipathConfig,
  settingFindings,
  WANTED_SETTINGS,
} from "./multipath_settings.ts";
import { withHostRoot } from "../../../tests/support/test_host.ts";
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
