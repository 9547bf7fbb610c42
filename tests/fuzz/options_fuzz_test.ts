import { ok } from "node:assert/strict";
import { TEST_SECONDS } from "./fuzz_main.ts";
import { fuzzOptions } from "./options_fuzz.ts";
import { mkfsHarm, mountHarm } from "./option_oracles.ts";

for (const seed of [13, 7351]) {
  Deno.test(`options of classes that pass their judges are harmless, seed ${seed}`, async () => {
    const { mkfs, mount } = await fuzzOptions({ seed, seconds: TEST_SECONDS });
    ok(mkfs.judged > 1000 && mkfs.passed > 20 && mkfs.real > 0, JSON.stringify(mkfs));
    ok(mount.judged > 1000 && mount.passed > 20, JSON.stringify(mount));
  });
}

Deno.test("the oracles see the harm that they look for", () => {
  for (const words of [["-qd", "/etc"], ["x"], ["-L"], ["-J", "device=x"], ["-E", "a,offset=1"]]) {
    ok(mkfsHarm("ext4", words), words.join(" "));
  }
  for (const words of [["-p/x"], ["-mcrc=1,uuid=x"], ["-l", "logdev=sdb"], ["-f"]]) {
    ok(mkfsHarm("xfs", words), words.join(" "));
  }
  for (const text of ["ro,loop", 'x="a,loop,b"', 'x=\\",loop,\\"', "X-mount.mkdir", " BG"]) {
    ok(mountHarm(text), text);
  }
});
