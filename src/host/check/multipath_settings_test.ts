import assert from "node:assert/strict";
import { blockReasons, textOf } from "./finding.ts";
import {
  blacklistFindings,
  effectiveSettings,
  parseMultipathConfig,
  settingFindings,
  WANTED_SETTINGS,
} from "./multipath_settings.ts";
import { DEBIANS, Transcripts } from "../../../tests/support/test_host.ts";

function parsed(text: string) {
  const config = parseMultipathConfig(text);
  assert.ok(config);
  return config;
}

/**
 * A configuration as multipathd prints it, with these lines in its blacklist and its exceptions.
 */
function withLists(blacklist: string, exceptions = "") {
  return parsed(
    `defaults {\n}\nblacklist {\n${blacklist}\n}\nblacklist_exceptions {\n${exceptions}\n}\n`,
  );
}

for (const debian of DEBIANS) {
  const transcripts = await Transcripts.of(debian);
  const config = (name: string) => parsed(transcripts.result(name).stdout);

  Deno.test(`${debian}: a multipath.conf that is right for FlashArray volumes gives no finding but what the distribution's defaults leave`, () => {
    const good = config("multipathd config");
    assert.equal(effectiveSettings(good).get("path_grouping_policy"), "group_by_prio");
    assert.deepEqual(blacklistFindings(good), []);
    const left = debian === "debian12" ? ["detect_prio", "skip_kpartx"] : ["skip_kpartx"];
    assert.deepEqual(settingFindings(good).map(({ what }) => what.split(" ")[0]), left);
  });

  Deno.test(`${debian}: each setting that is wrong is told with its value, why and the fix; overrides win over device entries`, () => {
    const wrong = config("multipathd config that is wrong");
    const said = settingFindings(wrong).map(textOf);
    for (
      const line of [
        "path_grouping_policy is multibus for FlashArray volumes: paths of the wrong " +
        "controller carry I/O; set path_grouping_policy group_by_prio",
        "no_path_retry is queue for FlashArray volumes: a volume that lost all paths makes " +
        "its processes hang for ever",
        "fast_io_fail_tmo is off for FlashArray volumes: ",
        "failback is manual for FlashArray volumes: ",
        "user_friendly_names is yes for FlashArray volumes: ",
        "find_multipaths is strict for FlashArray volumes: ",
        "polling_interval is 30 for FlashArray volumes: ",
      ]
    ) assert.ok(said.some((one) => one.startsWith(line)), `${line}\n${said.join("\n")}`);
  });

  Deno.test(`${debian}: a blacklist that hits FlashArray volumes blocks iSCSI and FC, and names the rule`, () => {
    const [finding, ...more] = blacklistFindings(config("multipathd config that is wrong"));
    assert.deepEqual(more, []);
    assert.equal(
      finding?.what,
      'the blacklist of multipathd hits every FlashArray volume by device { vendor "PURE" ' +
        'product ".*" }',
    );
    assert.deepEqual(Object.keys(blockReasons(finding ? [finding] : [])), ["iscsi", "fc"]);
  });

  Deno.test(`${debian}: a blacklist of everything with an exception for FlashArray volumes is right`, () => {
    assert.deepEqual(blacklistFindings(config("multipathd config that allows Pure alone")), []);
  });

  Deno.test(`${debian}: the answer of a dead multipathd is no configuration`, () => {
    assert.equal(
      parseMultipathConfig(transcripts.result("multipathd cannot be asked").stdout),
      undefined,
    );
  });
}

for (
  const { name, blacklist, exceptions, hit } of [
    { name: "all devices by name", blacklist: '\tdevnode "^sd"', hit: 'devnode "^sd"' },
    { name: "the host's own disk alone", blacklist: '\tdevnode "^sda$"' },
    { name: "all but some", blacklist: '\tdevnode "!^(sd[a-z]|dasd[a-z])"' },
    { name: "all but NVMe", blacklist: '\tdevnode "!^nvme"', hit: 'devnode "!^nvme"' },
    { name: "one other volume", blacklist: "\twwid 3624a9370aaaaaaaaaaaaaaaa00000001" },
    { name: "Pure by WWID", blacklist: "\twwid 3624a9370", hit: 'wwid "3624a9370"' },
    { name: "iSCSI and FC", blacklist: '\tprotocol "scsi"', hit: 'protocol "scsi"' },
    { name: "FC alone", blacklist: '\tprotocol "scsi:fcp"' },
    {
      name: "another kind's exception",
      blacklist: '\tdevnode "^sd"',
      exceptions: "\twwid 3624a9370",
      hit: 'devnode "^sd"',
    },
    {
      name: "every vendor",
      blacklist: "\tdevice {\n\t\tvendor .*\n\t}",
      hit: 'device { vendor ".*" }',
    },
    {
      name: "every vendor but Pure",
      blacklist: "\tdevice {\n\t\tvendor .*\n\t}",
      exceptions: '\tdevice {\n\t\tvendor PURE\n\t\tproduct "FlashArray"\n\t}',
    },
    { name: "a rule that cannot be read", blacklist: '\tdevnode "sd["' },
  ]
) {
  Deno.test(`blacklistFindings() with ${name}`, () => {
    const said = blacklistFindings(withLists(blacklist, exceptions)).map(({ what }) => what);
    assert.deepEqual(
      said,
      hit === undefined
        ? []
        : [`the blacklist of multipathd hits every FlashArray volume by ${hit}`],
    );
  });
}

Deno.test("effectiveSettings() takes the last device entry that fits, as libmultipath does", () => {
  const entry = (vendor: string, value: string) =>
    `\tdevice {\n\t\tvendor "${vendor}"\n\t\tproduct ".*"\n\t\tno_path_retry ${value}\n\t}\n`;
  const text = `defaults {\n\tno_path_retry 1\n}\ndevices {\n${entry("PURE", "2")}${
    entry(".*", "3")
  }${entry("IBM", "4")}}\n`;
  assert.equal(effectiveSettings(parsed(text)).get("no_path_retry"), "3");
});

Deno.test("settingFindings() says so when all settings are as wanted", () => {
  const lines = WANTED_SETTINGS.map(({ key, wanted }) => `\t${key} "${wanted}"`).join("\n");
  const findings = settingFindings(parsed(`defaults {\n${lines}\n}\n`));
  assert.deepEqual(findings.map(({ level, what }) => [level, what]), [[
    "ok",
    "multipathd's settings for FlashArray volumes are as recommended",
  ]]);
});

Deno.test("parseMultipathConfig() reads a blacklist whose devices lack their closing brace, as multipath-tools 0.9.4 prints one without product", () => {
  const device = '\tdevice {\n\t\tvendor "PURE"\n';
  const other = '\tdevice {\n\t\tvendor "SGI"\n\t\tproduct "Universal Xport"\n\t}\n';
  const rest = 'blacklist_exceptions {\n\tproperty "(SCSI_IDENT_|ID_WWN)"\n}\ndevices ' +
    "{\n}\noverrides {\n\tno_path_retry 3\n}\n";
  for (const devices of [device + other, other + device]) {
    const config = parsed(`defaults {\n\tverbosity 2\n}\nblacklist {\n${devices}}\n${rest}`);
    assert.match(blacklistFindings(config)[0]?.what ?? "", /by device \{ vendor "PURE" \}$/);
    assert.equal(effectiveSettings(config).get("no_path_retry"), "3");
  }
});
