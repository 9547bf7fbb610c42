import { rejects } from "node:assert/strict";
import { runAdmin } from "../../../tests/support/admin_bed.ts";

Deno.test("admin takeover refuses wrong use before it asks anything", async () => {
  const cases: [string[], string | RegExp][] = [
    [["--yes", "--resume", "d"], "--yes, --resume and --restore: give only one of them"],
    [["--resume", "d", "--restore", "d"], "--yes, --resume and --restore: give only one of them"],
    [["--backup", "d"], "--backup is used with --yes only"],
    [["--resume"], "--resume needs a value: --resume DIR"],
    [["--yess"], /did you mean --yes\?/],
    [["--kubeconfig", "k"], /^kubeconfig k does not exist/],
  ];
  for (const [words, message] of cases) {
    await rejects(runAdmin(["takeover", ...words]), { code: "invalid", message });
  }
});
