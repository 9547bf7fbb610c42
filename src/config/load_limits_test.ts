// What a values file may hold at most. Each of these once took minutes, gigabytes or the process.
import assert from "node:assert/strict";
import { faultsOf, FLEET, loadValues, TOKEN } from "../../tests/support/test_values.ts";
import { PROBLEMS_MAX, problemText } from "./problems.ts";

const many = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join("");
const bomb = (depth: number, line: (index: number) => string) =>
  `a0: &a0 [x, x, x, x]\n${many(depth, (index) => line(index + 1))}`;

const REFUSED: [string, string, RegExp][] = [
  [
    "aliases of aliases in lists",
    bomb(12, (at) => `a${at}: &a${at} [${many(10, () => `*a${at - 1}, `)}]\n`),
    /^values\.yaml stands for more than 50000 values: write it with fewer aliases/,
  ],
  [
    "aliases of aliases in mappings",
    bomb(30, (at) => `a${at}: &a${at} {b: *a${at - 1}, c: *a${at - 1}}\n`),
    /stands for more than 50000 values/,
  ],
  [
    "aliases of aliases beside a key that stands twice",
    bomb(30, (at) => `a${at}: &a${at} {b: *a${at - 1}, c: *a${at - 1}}\n`) + "app: 1\napp: 2\n",
    /duplicated mapping key/,
  ],
  ["an alias of itself", "a: &a [*a]\n", /holds an alias that stands for itself/],
  ["a million characters more", `${"#".repeat(1_100_000)}\n`, /cannot be read \(it is larger than/],
  [
    "a text of the wrong length",
    `flashblade: {exportRules: ${"x".repeat(5000)}}\n`,
    /at most 4096/,
  ],
  ...[
    `flasharray: {defaultFSOpt: "${"-K ".repeat(1400)}"}`,
    `flasharray: {defaultFSOpt: [${"-K, ".repeat(1400)}]}`,
    `flasharray: {defaultMountOpt: "${"ro,".repeat(1400)}"}`,
    `flasharray: {defaultMountOpt: [${"'', ".repeat(4098)}]}`,
    `storagetopology: {nodeLabels: ${"x".repeat(5000)}}`,
  ].map((text): [string, string, RegExp] => [
    `${text.slice(0, 32)}… of the wrong length`,
    `${text}\n`,
    /has \d+ characters, wanted at most 4096/,
  ]),
  [
    "too many blocks",
    `flasharray: {iSCSIAllowedCIDR: "${many(1001, () => "10.0.0.0/8 ")}"}\n`,
    /holds 1001 address blocks, wanted at most 1000/,
  ],
];

for (const [what, text, fault] of REFUSED) {
  Deno.test(`loadConfig() refuses a file with ${what}`, async () => {
    const faults = await faultsOf(loadValues(text + FLEET));
    assert.ok(faults.some((one) => fault.test(one)), faults.join("\n").slice(0, 500));
  });
}

Deno.test("loadConfig() refuses JSON that is nested without end", async () => {
  const faults = await faultsOf(loadValues(`{"x":${"[".repeat(1e5)}${"]".repeat(1e5)}}`));
  assert.match(faults.join(), /is nested more than 50 levels deep/);
});

Deno.test("loadConfig() reads at most 256 arrays and 64 labels of each", async () => {
  const entry = (at: number) => `  - {MgmtEndPoint: fa-${at}.example, APIToken: ${TOKEN}}\n`;
  const arrays = `clusterID: k8s\narrays:\n  FlashArrays:\n${many(257, entry)}`;
  assert.match(
    (await faultsOf(loadValues(arrays))).join(),
    /arrays lists 257 arrays, wanted at most/,
  );
  const labels = FLEET.replace("MgmtEndPoint", `Labels: {${many(65, (at) => `l${at}: v, `)}}, $&`);
  assert.match(
    (await faultsOf(loadValues(labels))).join(),
    /Labels holds 65 labels, wanted at most 64/,
  );
});

for (
  const [keys, fault] of [
    [`Labels: {${"a".repeat(64)}: v}`, /has a name of 64 characters, wanted at most 63/],
    [`Labels: {a/${"a".repeat(64)}: v}`, /has a name of 64 characters, wanted at most 63/],
    [`Labels: {${"a".repeat(254)}/a: v}`, /has a domain of 254 characters, wanted at most 253/],
    [`Labels: {a: ${"v".repeat(64)}}`, /has a value of 64 characters, wanted at most 63/],
    [`NFSEndPoint: ${"v".repeat(4097)}`, /NFSEndPoint has 4097 characters, wanted at most 4096/],
    [`CertFingerprint: ${"a".repeat(4097)}`, /Fingerprint has 4097 characters, wanted at most/],
    [`APITokenSecret: {name: ${"v".repeat(254)}}`, /APITokenSecret is a mapping, wanted/],
  ] as const
) {
  Deno.test(`loadConfig() refuses an array with ${keys.slice(0, 32)}…`, async () => {
    const key = keys.startsWith("APIToken") ? /APIToken: [^}]*/ : /MgmtEndPoint: fa1/;
    const flashblade = FLEET.replace("FlashArrays", "FlashBlades");
    const given = flashblade.replace(key, keys.startsWith("APIToken") ? keys : `${keys}, $&`);
    const faults = await faultsOf(loadValues(given));
    assert.equal(faults.filter((one) => fault.test(one)).length, 1, faults.join("\n"));
    assert.ok(faults.length <= 2, faults.join("\n"));
  });
}

Deno.test("loadConfig() takes labels and texts that are as long as they may be", async () => {
  const label = `${"a".repeat(253)}/${"b".repeat(63)}: ${"v".repeat(63)}`;
  const { config } = await loadValues(
    FLEET.replace("MgmtEndPoint", `Labels: {${label}}, $&`) +
      `flasharray: {defaultFSOpt: "${"-K ".repeat(1365)}"}\n`,
  );
  assert.equal(config.flasharray.defaultMkfsOptions.length, 1365);
  assert.equal(Object.keys(config.arrays[0]?.labels ?? {}).length, 1);
});

Deno.test("loadConfig() tells the first of many problems and counts the others", async () => {
  const { warnings } = await loadValues(FLEET + many(20_000, (at) => `unknown${at}: 1\n`));
  assert.equal(warnings.length, PROBLEMS_MAX + 1);
  assert.equal(
    problemText(warnings.at(-1) ?? assert.fail()),
    `the configuration has ${20_000 - PROBLEMS_MAX} more problems: repair these first`,
  );
  const faults = await faultsOf(
    loadValues(`${FLEET}${many(200, (at) => `u${at}: 1\n`)}debug: 1\n`, {
      strict: true,
    }),
  );
  assert.match(faults.join("\n"), /the configuration has 101 more problems/);
});

Deno.test("loadConfig() compares a key of half a million letters with nothing", async () => {
  const { warnings } = await loadValues(`${FLEET}${"k".repeat(500_000)}: 1\n`);
  assert.equal(warnings.length, 1);
  assert.ok(problemText(warnings[0] ?? assert.fail()).length < 500);
});

for (
  const [what, values] of [
    ["as clusterID, damaged", `clusterID: ${TOKEN.slice(1)}\n${FLEET}`],
    ["as a choice", `flasharray: {sanType: ${TOKEN}0}\n${FLEET}`],
    ["as an unknown key", `"${TOKEN.slice(0, 30)}": 1\n${FLEET}`],
    ["twice as a key", `${TOKEN}: 1\n${TOKEN}: 2\n${FLEET}`],
    ["as an array's name", FLEET.replace("MgmtEndPoint", `Name: ${TOKEN.slice(1)}, $&`)],
    ["as a damaged path", FLEET.replace("APIToken:", "APITokenFile: x")],
    ["as a CA", FLEET.replace("MgmtEndPoint", `CACert: ${btoa(TOKEN)}, $&`)],
  ] as const
) {
  Deno.test(`loadConfig() never tells a token that stands ${what}`, async () => {
    const faults = (await faultsOf(loadValues(values, { strict: true }))).join("\n");
    assert.equal(faults.includes(TOKEN.slice(10, 20)), false, faults);
    assert.equal(faults.includes(btoa(TOKEN).slice(0, 10)), false, faults);
  });
}
