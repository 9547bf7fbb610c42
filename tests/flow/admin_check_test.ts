// `pso-bin admin check` against simulated arrays.
import { equal, match } from "node:assert/strict";
import { runAdminVerb } from "../../src/admin/commands/commands.ts";
import { testFleet } from "../../src/simulator/fixture_test.ts";

/** Exit code and output of `admin check` for entries that `entries` makes of the fleet. */
async function checked(
  entries: { MgmtEndPoint: string; APIToken: string }[],
): Promise<{ code: number; said: string }> {
  const printed: string[] = [];
  const code = await runAdminVerb("check", ["-f", "v"], {
    print: (text) => void printed.push(text),
    readTextFile: () =>
      Promise.resolve(JSON.stringify({ arrays: { FlashArrays: entries }, clusterID: "k8s" })),
    env: () => undefined,
  });
  return { code, said: printed.join("") };
}

Deno.test("admin check fails when one array is listed by its address and by its name", async () => {
  const served = await testFleet({ flasharrays: 1 });
  try {
    const [array] = served.arrays;
    const entries = ["127.0.0.1", "localhost"].map((host) => ({
      MgmtEndPoint: `http://${array?.address.replace("127.0.0.1", host)}`,
      APIToken: array?.token ?? "",
    }));
    equal((await checked(entries.slice(0, 1))).code, 0);
    const { code, said } = await checked(entries);
    equal(code, 1);
    match(
      said,
      /^FAIL arrays\.FlashArrays\[1\] localhost:\d+ is the same array as arrays\.FlashArrays\[0\] 127\.0\.0\.1:\d+: remove one of the two entries$/m,
    );
  } finally {
    await served.stop();
  }
});

Deno.test("admin check fails for a user whose role lets it only read, and makes or changes nothing", async () => {
  const served = await testFleet({ flasharrays: 1 });
  try {
    const [array] = served.arrays;
    const fault = { match: { method: "PATCH" }, action: "status", value: 403 };
    await (await fetch(`${served.control}/faults`, { method: "POST", body: JSON.stringify(fault) }))
      .body?.cancel();
    const MgmtEndPoint = `http://${array?.address}`;
    const { code, said } = await checked([{ MgmtEndPoint, APIToken: array?.token ?? "" }]);
    equal(code, 1);
    match(said, /^OK {3}arrays\.FlashArrays\[0\]/m);
    match(said, /^FAIL arrays\.FlashArrays\[0\] .* may not be changed: .*role Storage Admin$/m);
    const report = await (await fetch(`${served.control}/requests`)).json();
    const changes = report.last.filter(({ method, path }: { method: string; path: string }) =>
      method !== "GET" && !/log(in|out)$/.test(path)
    );
    equal(changes.length, 1);
  } finally {
    await served.stop();
  }
});
