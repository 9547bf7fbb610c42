import { deepEqual, equal } from "node:assert/strict";
import { containersOf } from "../flasharray/containers.ts";
import { GiB, MiB } from "../../size.ts";
import {
  absentContainerFault,
  containerLimitsFault,
  groupLimitsOf,
  groupToMake,
} from "./group_limits.ts";

const GROUP = { what: "volume group", name: "g1" } as const;
const LIMITS = { iops: 20_000, bandwidthBytes: 100 * MiB };

/** An array that has the group with what it shows of its limits. */
function having(qos?: Record<string, number | null>) {
  return containersOf({ groups: [{ name: "G1", ...(qos ? { qos } : {}) }] }, "id");
}

Deno.test("15.11: groupLimitsOf() takes null, nothing and the largest number for no limit", () => {
  deepEqual(groupLimitsOf(undefined), {});
  deepEqual(groupLimitsOf({ iops_limit: null }), {});
  deepEqual(groupLimitsOf({ iops_limit: 100_000_000, bandwidth_limit: 512 * GiB }), {});
  const shown = { iops_limit: 20_000, bandwidth_limit: 100 * MiB };
  deepEqual(groupLimitsOf(shown), LIMITS);
});

Deno.test("15.11: containerLimitsFault() names both sides of what differs", () => {
  const faultOf = (qos: Record<string, number | null> | undefined, groupLimits = {}) =>
    containerLimitsFault(having(qos), { container: GROUP, groupLimits });
  const shown = { iops_limit: 20_000, bandwidth_limit: 100 * MiB };
  equal(faultOf(shown, LIMITS), undefined);
  equal(faultOf(shown, {}), undefined);
  equal(faultOf(undefined, { iops: null, bandwidthBytes: 512 * GiB }), undefined);
  const begin = "has the volume group G1 with other limits than the class: ";
  equal(
    faultOf(shown, { ...LIMITS, iops: 5000 }),
    `${begin}IOPS 20000 there, 5000 in volumeGroupIopsLimit`,
  );
  equal(
    faultOf({ iops_limit: 20_000 }, { iops: null, bandwidthBytes: GiB }),
    `${begin}IOPS 20000 there, none in volumeGroupIopsLimit, ` +
      "bandwidth none there, 1 GiB/s in volumeGroupBandwidthLimit",
  );
});

Deno.test("15.11: a group is made for a class with its limits, and in no pod", () => {
  const wanted = { container: GROUP, groupLimits: LIMITS };
  const without = containersOf({ groups: [], pods: [] }, "id");
  deepEqual(groupToMake(without, wanted), { name: "g1", limits: LIMITS });
  equal(absentContainerFault(without, wanted), undefined);
  equal(groupToMake(having(), wanted), undefined);
  equal(groupToMake(without, { container: GROUP }), undefined);
  equal(absentContainerFault(without, { container: GROUP }), "has no volume group g1");
  const inPod = { container: { ...GROUP, name: "p1::g1" }, groupLimits: LIMITS };
  equal(groupToMake(without, inPod), undefined);
  equal(absentContainerFault(without, inPod), "has no volume group p1::g1");
});
