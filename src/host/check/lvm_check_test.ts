import assert from "node:assert/strict";
import { withHostRoot } from "../../../tests/support/test_host.ts";
import { lvmFindings } from "./lvm_check.ts";

const CONF = "/etc/lvm/lvm.conf";
const LVM = { "/usr/sbin/vgchange": "" };

for (
  const { name, files, level } of [
    { name: "without LVM", files: {}, level: undefined },
    { name: "with LVM and no filter", files: LVM, level: "warn" },
    {
      name: "with a filter in a comment",
      files: { ...LVM, [CONF]: '# global_filter = [ "r|3624a9370|" ]' },
      level: "warn",
    },
    {
      name: "with a filter that hits other devices",
      files: { ...LVM, [CONF]: 'filter = [ "r|/dev/cdrom|" ]' },
      level: "warn",
    },
    {
      name: "with the filter of the documentation",
      files: { ...LVM, [CONF]: 'devices {\n  global_filter = [ "r|3624a9370|", "a|.*|" ]\n}' },
      level: "ok",
    },
    {
      name: "with a file of devices",
      files: { ...LVM, "/etc/lvm/devices/system.devices": "" },
      level: "ok",
    },
    {
      name: "with a file of devices that is not used",
      files: {
        ...LVM,
        "/etc/lvm/devices/system.devices": "",
        [CONF]: "devices {\n  use_devicesfile = 0\n}",
      },
      level: "warn",
    },
  ] as { name: string; files: Record<string, string>; level?: string }[]
) {
  Deno.test(`lvmFindings() of a host ${name} is ${level ?? "nothing"}`, () =>
    withHostRoot(files, async (host) => {
      const findings = await lvmFindings(host);
      assert.deepEqual(findings.map((one) => one.level), level === undefined ? [] : [level]);
      if (level === "warn") assert.match(findings[0]?.fix ?? "", /global_filter/);
    }));
}
