// Files of the host and answers of its tools, of any length.
import { judgedApart } from "../../../tests/support/long_texts.ts";

Deno.test("lvmFindings() ends for a filter that is begun without end", async () => {
  await judgedApart(
    {
      "lvmFindings": import.meta.resolve("./lvm_check.ts"),
      "withHostRoot": import.meta.resolve("../../../tests/support/test_host.ts"),
    },
    `for (const repeated of ["filter=[", 'filter=["r|', "filter ", ...REPEATED]) {
      const files = { "/usr/sbin/vgchange": "", "/etc/lvm/lvm.conf": longText(repeated, 5_000_000) };
      await withHostRoot(files, (host) => lvmFindings(host));
    }`,
  );
});

Deno.test("readIqn() and parseMultipathConfig() end for long blanks", async () => {
  await judgedApart(
    {
      "readIqn": import.meta.resolve("./initiator_names.ts"),
      "parseMultipathConfig": import.meta.resolve("./multipath_settings.ts"),
      "withHostRoot": import.meta.resolve("../../../tests/support/test_host.ts"),
    },
    `for (const repeated of [" ", "\\t", "\\r", "\\n", "a ", ...REPEATED]) {
      const text = longText(repeated, 500_000);
      await withHostRoot({ "etc/iscsi/initiatorname.iscsi": text + "InitiatorName" + text }, (host) =>
        readIqn(host));
      parseMultipathConfig("defaults {\\n" + text + "x" + text + "x {\\n");
      parseMultipathConfig("key" + text + "x" + text + "x");
    }`,
  );
});
