import { equal } from "node:assert/strict";
import { fileFault, fileReason } from "./errors.ts";

Deno.test("fileFault() says of a file what a person can act on, and nothing of the runtime", async () => {
  const faultOf = (path: string) => Deno.readTextFile(path).then(() => "", fileFault);
  equal(await faultOf("/nowhere/values.yaml"), "does not exist");
  equal(await faultOf("/tmp"), "cannot be read (Is a directory (os error 21))");
  const locked = new Deno.errors.PermissionDenied("Permission denied (os error 13): open 'a'");
  equal(fileFault(locked), "cannot be read (permission denied)");
  const device = new Deno.errors.NotCapable(
    'Requires all access to "/dev/stdin", run again with the --allow-all flag',
  );
  equal(fileReason(device), "of devices and of the kernel's files this program uses none");
});
