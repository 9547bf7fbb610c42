// Long texts once froze the process for minutes, so these are judged in a process of their own.
import { equal, ok } from "node:assert/strict";
import { judgedApart, longText, REPEATED } from "../../tests/support/long_texts.ts";
import { JUDGED_CHARS_MAX, judgedPart, withoutSecrets } from "./secret_looks.ts";

const MIB = 1 << 20;

for (const repeated of REPEATED) {
  Deno.test(`judgedPart() bounds ${JSON.stringify(repeated)} without end`, () => {
    const part = judgedPart(longText(repeated, MIB));
    ok(part.length <= JUDGED_CHARS_MAX, `${part.length}`);
    equal(judgedPart(part), part);
  });
}

Deno.test("withoutSecrets() leaves no half of what it cuts", () => {
  const token = "3863f3fd-bf03-4a5b-9c1d-0e2f46a8b7c9";
  for (
    const secret of [token, `https://me:${"p.w!".repeat(8)}@fa-1`, `token: ${"t.w!".repeat(8)}`]
  ) {
    for (let before = JUDGED_CHARS_MAX - 60; before < JUDGED_CHARS_MAX + 2; before++) {
      const text = withoutSecrets(
        `${longText("a ", before)}${secret} and more ${"b ".repeat(100)}`,
      );
      equal(/3863|46a8|p\.w|t\.w/.test(text), false, `${before}: ${text.slice(-80)}`);
    }
  }
});

Deno.test("withoutSecrets() takes a run of letters that is longer than any name", () => {
  equal(withoutSecrets(`is ${"k".repeat(257)}, wanted`), "is [redacted], wanted");
  equal(withoutSecrets(`is ${"k".repeat(256)}, wanted`), `is ${"k".repeat(256)}, wanted`);
});

Deno.test("withoutSecrets(), shown(), isToken() and redactedText() end for a text of 1 MiB", async () => {
  await judgedApart(
    {
      "withoutSecrets": import.meta.resolve("./secret_looks.ts"),
      "shown, isToken": import.meta.resolve("./problems.ts"),
      "redactedText": import.meta.resolve("../admin/bundle/redaction.ts"),
    },
    `for (const repeated of REPEATED) for (const judge of [withoutSecrets, shown, isToken, redactedText]) {
      judge(longText(repeated, ${MIB}));
    }`,
  );
});

Deno.test("loadConfig() ends for a file of one long text, as a key, a value, a label and a CA", async () => {
  await judgedApart(
    {
      "loadConfig": import.meta.resolve("./load.ts"),
    },
    `for (const repeated of REPEATED) {
      const text = longText(repeated, 1_000_000);
      const entry = { MgmtEndPoint: "fa1", APIToken: "a526a4c6-18b0-a8c9-1afa-3499293574bb" };
      for (const tree of [
        { [text]: 1 },
        { [text.slice(0, 20_000)]: text },
        ...["iSCSIAllowedCIDR", "defaultMountOpt", "defaultFSOpt", "defaultFSType", "sanType"].map(
          (key) => ({ flasharray: { [key]: text } }),
        ),
        { flashblade: { exportRules: text } },
        { app: text },
        ...["CACert", "CertFingerprint", "MgmtEndPoint", "Name", "APIToken", "TLSVerify", "x"].map(
          (key) => ({ arrays: { FlashArrays: [{ ...entry, [key]: text }] } }),
        ),
        { arrays: { FlashArrays: [{ ...entry, Labels: { a: text, [text]: "b" } }] } },
        { arrays: { FlashBlades: [{ ...entry, NFSEndPoint: text }] } },
      ]) {
        await loadConfig({
          valuesFile: "values.yaml",
          mode: "controller",
          readTextFile: (path) =>
            path === "values.yaml"
              ? Promise.resolve(JSON.stringify(tree))
              : Promise.reject(new Deno.errors.NotFound("none")),
        }).catch((error) => {
          if (error.constructor.name !== "ConfigError") throw error;
        });
      }
    }`,
  );
});

Deno.test("loadConfig() ends for YAML that names an alias of any length, and JSON that is broken in one", async () => {
  await judgedApart(
    { "loadConfig": import.meta.resolve("./load.ts") },
    `for (const repeated of ["!<", ...REPEATED]) {
      const text = longText(repeated, 1_000_000);
      for (const file of ["a: *\\"" + text, "a: !<" + text, "{" + text, '{"a": ' + text]) {
        await loadConfig({
          valuesFile: "values.yaml",
          mode: "controller",
          readTextFile: () => Promise.resolve(file),
        }).catch((error) => {
          if (error.constructor.name !== "ConfigError") throw error;
        });
      }
    }`,
  );
});

Deno.test("tellSidecars() ends for images of any length", async () => {
  await judgedApart(
    {
      "tellSidecars": import.meta.resolve("../admin/check/cluster_look.ts"),
      "FoundList": import.meta.resolve("../admin/check/found.ts"),
    },
    `for (const repeated of REPEATED) {
      tellSidecars([longText(repeated, ${MIB}), longText(repeated, ${MIB}) + ":1"], new FoundList("x"));
    }`,
  );
});
