import { equal, rejects } from "node:assert/strict";
import { CONFIG_LIMITS } from "./model.ts";
import { readPlainFile } from "./plain_file.ts";

Deno.test("readPlainFile() reads a plain file, also through a link, as large as it may be", async () => {
  const folder = await Deno.makeTempDir();
  const text = "x".repeat(CONFIG_LIMITS.fileBytes);
  await Deno.writeTextFile(`${folder}/file`, text);
  await Deno.symlink("file", `${folder}/link`);
  equal(await readPlainFile(`${folder}/link`), text);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("readPlainFile() opens nothing but plain files of a right size", async () => {
  const folder = await Deno.makeTempDir();
  await new Deno.Command("mkfifo", { args: [`${folder}/fifo`] }).output();
  await Deno.writeTextFile(`${folder}/large`, "x".repeat(CONFIG_LIMITS.fileBytes + 1));
  await Deno.symlink("/dev/zero", `${folder}/link`);
  using _socket = Deno.listen({ transport: "unix", path: `${folder}/socket` });
  const odd = { code: "invalid", message: "it is a device, a pipe or a socket and no plain file" };
  for (const path of ["/dev/zero", `${folder}/fifo`, `${folder}/link`, `${folder}/socket`]) {
    await rejects(readPlainFile(path), odd, path);
  }
  await rejects(readPlainFile(folder), { message: "it is a folder and no plain file" });
  await rejects(readPlainFile(`${folder}/large`), { message: "it is larger than 1 MiB" });
  await rejects(readPlainFile(`${folder}/none`), Deno.errors.NotFound);
  _socket.close();
  await Deno.remove(folder, { recursive: true });
});
