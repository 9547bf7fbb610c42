import assert from "node:assert/strict";
import { withFleet } from "../../fixture_test.ts";
import { MiB, withVolume } from "../fixture_test.ts";

interface Item {
  name: string;
  services: string[];
  eth: { address: string | null; subtype: string | null };
}

Deno.test("an alert is raised, flagged and closed, and stays in the list", async () => {
  await withFleet({}, async ({ array, control }) => {
    assert.deepEqual((await array.ok("GET /alerts")).items, []);
    const alert = { array: "fa-1", severity: "warning", summary: "a fan is slow", code: 42 };
    await control("POST /alerts", { ...alert, component_name: "CT0.FAN0" });
    await control("POST /alerts", { array: "fa-1", summary: "a drive failed" });
    const critical = "GET /alerts?filter=state='open' and severity='critical'";
    const [found] = (await array.ok(critical)).items;
    assert.deepEqual([found.summary, found.component_name, found.closed], [
      "a drive failed",
      "fa-1",
      null,
    ]);
    const [seen] = (await array.ok(`PATCH /alerts?ids=${found.id}`, { flagged: false })).items;
    assert.equal(seen.flagged, false);
    await control("DELETE /alerts?array=fa-1");
    assert.deepEqual((await array.ok(critical)).items, []);
    const all = (await array.ok("GET /alerts")).items;
    assert.deepEqual(all.map(({ state, code }: { state: string; code: number }) => [state, code]), [
      ["closed", 42],
      ["closed", 1],
    ]);
    const { status, body } = await control("POST /alerts", { array: "fa-9", summary: "x" });
    assert.deepEqual([status, body.message], [400, "no array is named fa-9: there are fa-1"]);
    assert.equal((await control("POST /alerts", { array: "fa-1" })).status, 400);
  });
});

Deno.test("a controller is not ready for as long as somebody says so", async () => {
  await withFleet({}, async ({ array, control }) => {
    array.version = "2.38";
    const ready = async () =>
      (await array.ok("GET /controllers?filter=status='ready'")).items.map(({ name }: Item) =>
        name
      );
    assert.deepEqual(await ready(), ["CT0", "CT1"]);
    await control("POST /controllers", { array: "fa-1", name: "CT1", status: "not ready" });
    assert.deepEqual(await ready(), ["CT0"]);
    await array.ok("POST /hosts?names=h1", { iqns: ["iqn.2024-01.org.example:h1"] });
    const paths = async () => (await array.ok("GET /hosts?names=h1")).items[0].port_connectivity;
    assert.deepEqual(await paths(), { details: "Single Controller", status: "unhealthy" });
    await control("DELETE /controllers");
    assert.deepEqual(await ready(), ["CT0", "CT1"]);
    assert.deepEqual(await paths(), { details: "Redundant", status: "healthy" });
    const wrong = await control("POST /controllers", {
      array: "fa-1",
      name: "CT7",
      status: "ready",
    });
    assert.match(wrong.body.message, /name must be one of CT0, CT1; found CT7/);
    const [first] = (await array.ok("GET /controllers")).items;
    assert.ok(Math.abs(first.mode_since - Date.now()) < 3_600_000);
  });
});

Deno.test("all ports: RoCE, NVMe over FC, IPv6 and a bond, each with its service", async () => {
  await withFleet({ allPorts: true }, async ({ array }) => {
    const interfaces: Item[] = (await array.ok("GET /network-interfaces")).items;
    const byService = Object.groupBy(interfaces, ({ services }) => services[0] ?? "none");
    const names = (service: string) => byService[service]?.map(({ name }) => name);
    assert.deepEqual(names("nvme-roce"), ["ct0.eth8", "ct1.eth8"]);
    assert.deepEqual(names("nvme-fc"), ["CT0.FC1", "CT1.FC1"]);
    assert.deepEqual(names("none"), ["ct0.eth10", "ct0.eth11"]);
    const ports = (await array.ok("GET /ports?names=CT0.ETH9,LACP0,CT0.FC1")).items;
    assert.deepEqual(
      ports.map(({ name, portal }: { name: string; portal: string | null }) => [name, portal]),
      [["CT0.ETH9", "[2001:db8::10]:3260"], ["CT0.FC1", null], ["LACP0", "192.0.2.30:3260"]],
    );
    const [nvme] = (await array.ok("GET /ports?names=CT0.FC1")).items;
    assert.ok(nvme.nqn && nvme.wwn, JSON.stringify(nvme));
    const [bond] = (await array.ok("GET /network-interfaces?filter=eth.subtype='lacp_bond'")).items;
    assert.deepEqual(bond.eth.subinterfaces, [{ name: "ct0.eth10" }, { name: "ct0.eth11" }]);
  });
});

Deno.test("an interface that is no port for hosts is no error among ports, an unknown name is", async () => {
  await withFleet({}, async ({ array }) => {
    assert.deepEqual((await array.ok("GET /ports?names=VIR0")).items, []);
    const [port] = (await array.ok("GET /ports?names=VIR0,CT0.ETH4")).items;
    assert.equal(port.name, "CT0.ETH4");
    assert.equal(
      await array.refused("GET /ports?names=CT7.ETH4"),
      "400 Port does not exist. (CT7.ETH4)",
    );
  });
});

withVolume("hosts show what their volumes carry, interfaces nothing", async ({ array }) => {
  await array.ok("POST /hosts?names=h1", { iqns: ["iqn.2024-01.a:1"] });
  await array.ok("POST /connections?host_names=h1&volume_names=v1", {});
  const { items, total } = await array.ok("GET /hosts/performance");
  assert.deepEqual([items[0].name, items[0].writes_per_sec, total[0].name], ["h1", 0, null]);
  const traffic = (await array.ok("GET /network-interfaces/performance")).items;
  assert.ok(traffic.some(({ interface_type: type }: { interface_type: string }) => type === "fc"));
});

withVolume(
  "performance of the past has a sample for each step of the window",
  async ({ array }) => {
    const now = Date.now();
    const window = `start_time=${now - 300_000}&end_time=${now}&resolution=30000`;
    const { items } = await array.ok(`GET /volumes/performance?names=v1&${window}`);
    assert.equal(items.length, 10);
    assert.equal(items[1].time - items[0].time, 30_000);
    const hour = await array.ok(
      `GET /arrays/performance?start_time=${
        now - 3_600_000
      }&end_time=${now}&resolution=30000&total_item_count=true`,
    );
    assert.equal(hour.total_item_count, 120);
    assert.match(
      await array.refused("GET /volumes/performance?resolution=1000"),
      /^400 Invalid value for resolution: expected 30000, /,
    );
  },
);

withVolume("snapshots carry tags of their own", async ({ array }) => {
  await array.ok("POST /volume-snapshots?source_names=v1", { suffix: "a" });
  const put = "PUT /volume-snapshots/tags/batch?resource_names=v1.a";
  await array.ok(put, [{ key: "k", value: "v" }, { key: "l", value: "w", namespace: "n" }]);
  await array.ok(put, [{ key: "k", value: "v2" }]);
  const tags = (await array.ok("GET /volume-snapshots/tags?namespaces=default")).items;
  assert.deepEqual(
    tags.map(({ key, value, resource }: { key: string; value: string; resource: Item }) => [
      ...[key, value],
      resource.name,
    ]),
    [["k", "v2", "v1.a"]],
  );
  await array.ok("DELETE /volume-snapshots/tags?resource_names=v1.a&keys=k");
  assert.equal((await array.ok("GET /volume-snapshots/tags")).items.length, 1);
  assert.deepEqual((await array.ok("GET /volumes/tags")).items, []);
  assert.equal(
    await array.refused("GET /volume-snapshots/tags?resource_names=v1.none"),
    "400 No such volume or snapshot. (v1.none)",
  );
});

withVolume("volumes of different sizes are made in one call, all or none", async ({ array }) => {
  array.version = "2.38";
  const made = await array.ok("POST /volumes/batch", [
    { name: "b1", provisioned: MiB, qos: { iops_limit: 500 } },
    { name: "b2", provisioned: 2 * MiB },
    { name: "b3", source: { name: "v1" } },
  ]);
  assert.deepEqual(
    made.items.map(({ name, provisioned }: { name: string; provisioned: number }) => [
      name,
      provisioned / MiB,
    ]),
    [["b1", 1], ["b2", 2], ["b3", 8]],
  );
  const half = [{ name: "b4", provisioned: MiB }, { name: "v1", provisioned: MiB }];
  assert.equal(
    await array.refused("POST /volumes/batch", half),
    "400 Volume already exists. (v1)",
  );
  assert.equal(
    await array.refused("POST /volumes/batch", [{ name: "b4" }, { name: "B4" }]),
    "400 Duplicate names are not allowed. (B4)",
  );
  const names = (await array.ok("GET /volumes")).items.map(({ name }: Item) => name);
  assert.deepEqual(names, ["b1", "b2", "b3", "v1"]);
  array.version = "2.26";
  assert.match(await array.refused("POST /volumes/batch", half), /^404 /);
});
