import assert from "node:assert/strict";
import { Metrics } from "../../metrics/metrics.ts";
import { registerHealth } from "./metrics.ts";
import { FakeHost } from "../../../tests/support/fake_host.ts";
import { withTestClock } from "../../../tests/support/test_clock.ts";
import { PORTALS } from "../../../tests/support/fake_iscsi.ts";

Deno.test("paths, unhealthy volumes, leftovers and heals are shown as metrics", () =>
  withTestClock(() =>
    FakeHost.use(async (fake) => {
      for (const [index, portal] of PORTALS.entries()) fake.iscsi.addSession(index + 1, portal);
      await fake.stagedVolume(1);
      await fake.stagedVolume(2, { unstaging: true });
      fake.scsi.leave("sda", "dm-1");
      const { healer } = fake.plugin();
      const metrics = new Metrics();
      registerHealth(metrics, healer);
      await healer.round();
      await healer.idle();
      const lines = metrics.text().split("\n").filter((line) => !line.startsWith("#"));
      assert.deepEqual(lines, [
        'pso_volume_paths{state="up"} 3',
        'pso_volume_paths{state="down"} 0',
        'pso_volume_paths{state="missing"} 1',
        'pso_volumes_unhealthy{reason="PathsMissing"} 1',
        'pso_leftovers{kind="volume"} 1',
        'pso_leftovers{kind="session"} 0',
        'pso_leftovers{kind="device"} 0',
        'pso_heals_total{what="repair",outcome="ok"} 1',
        "",
      ]);
    })
  ));
