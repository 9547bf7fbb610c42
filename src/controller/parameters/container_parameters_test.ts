import { deepEqual, throws } from "node:assert/strict";
import { parseParameters } from "../parameters.ts";

function containerOf(parameters: Record<string, string>) {
  return parseParameters(parameters).container;
}

Deno.test("15.11: a class names a pod, a volume group or one in a pod, keys in any case", () => {
  deepEqual(containerOf({}), undefined);
  deepEqual(containerOf({ pod: " Prod_1 " }), { what: "pod", name: "Prod_1" });
  const group = (name: string) => ({ what: "volume group", name });
  deepEqual(containerOf({ volumegroup: " Data-1 " }), group("Data-1"));
  deepEqual(containerOf({ volumeGroup: "prod::data" }), group("prod::data"));
});

Deno.test("parseParameters() refuses what no pod can be called, above all what names two things", () => {
  for (const pod of ["", "a,b", "p::q", "p/q", "-p", "p*", "12", "p".repeat(64), "a b"]) {
    throws(() => containerOf({ pod }), { code: "invalid", message: /wanted the name of a pod/ });
  }
});

Deno.test("15.11: a class is refused that names what no volume group can be called", () => {
  const names = ["", "a,b", "g/h", "g/", "p::", "::g", "p::q::g", "p:g", "-g", "g*", "p::12"];
  for (const volumeGroup of [...names, "g".repeat(64), `p::${"g".repeat(64)}`, "p:: g"]) {
    throws(() => containerOf({ volumeGroup }), {
      code: "invalid",
      message: /wanted the name of a volume group.*as pod::group where it lies in a pod$/,
    });
  }
});

Deno.test("15.11: a class with a pod and a volume group is refused, in whatever order they come", () => {
  for (const class_ of [{ pod: "p1", volumeGroup: "g1" }, { volumeGroup: "g1", pod: "p1" }]) {
    throws(() => containerOf(class_), {
      code: "invalid",
      message: "the class has the parameters pod (p1) and volumeGroup (g1), wanted one of them: " +
        "for a volume group that lies in a pod write volumeGroup as pod::group alone",
    });
  }
});

Deno.test("15.11: a class says the limits of its volume group, in any order", () => {
  const limits = { volumeGroupIopsLimit: "20000", volumegroupbandwidthlimit: " 1G " };
  for (const class_ of [{ volumeGroup: "g1", ...limits }, { ...limits, volumeGroup: "g1" }]) {
    deepEqual(parseParameters(class_).groupLimits, { iops: 20_000, bandwidthBytes: 1024 ** 3 });
  }
  deepEqual(parseParameters({ volumeGroup: "g1" }).groupLimits, undefined);
  const none = { volumeGroup: "g1", volumeGroupIopsLimit: "None" };
  deepEqual(parseParameters(none).groupLimits, { iops: null });
});

Deno.test("15.11: limits of no volume group, or that no array takes, are refused", () => {
  const places: Record<string, string>[] = [{}, { pod: "p1" }];
  for (const where of places) {
    throws(() => parseParameters({ ...where, volumeGroupIopsLimit: "20000" }), {
      code: "invalid",
      message:
        /the class limits a volume group .* and names none: add volumeGroup, or use iops_limit/,
    });
  }
  const limits: Record<string, string>[] = [
    { volumeGroupIopsLimit: "99" },
    { volumeGroupBandwidthLimit: "1" },
  ];
  for (const limit of limits) {
    throws(() => parseParameters({ volumeGroup: "g1", ...limit }), {
      code: "invalid",
      message: /class parameter volumeGroup\w+Limit is "\d+", wanted /,
    });
  }
});
