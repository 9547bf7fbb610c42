/** mkfs options on their whole road: values file, controller, volume_context, node, mkfs. */
import assert from "node:assert/strict";
import { loadConfig } from "../../src/config/load.ts";
import { testRun } from "../../src/simulator/fixture_test.ts";
import { TestNode } from "../support/test_node.ts";
import { ProvisionerBed } from "./provisioner_bed.ts";

async function mkfsOptionsOf(values: string): Promise<readonly string[]> {
  const { config } = await loadConfig({
    valuesFile: "values.yaml",
    mode: "node",
    readTextFile: () => Promise.resolve(values),
  });
  return config.flasharray.defaultMkfsOptions;
}

/**
 * The label of the file system that a node with these default options makes when a volume comes
 * with this volume_context.
 */
async function labelOf(
  volumeContext: Record<string, string>,
  defaults: readonly string[],
): Promise<string> {
  let label = "";
  await TestNode.use(async (test) => {
    test.restart(testRun, { flasharray: { defaultMkfsOptions: defaults } });
    const volume = await test.volume();
    await test.node.stage(test.stageRequest(volume, { volumeContext }));
    label = (await testRun("xfs_admin", ["-l", volume.image])).stdout.trim();
    await test.node.unstage(volume);
  });
  return label;
}

for (
  const { name, values, parameters, label } of [
    {
      name: "flasharray.defaultFSOpt with a quoted word",
      values: `flasharray: {defaultFSOpt: '-q -L "my label"'}`,
      parameters: {},
      label: "my label",
    },
    {
      name: "flasharray.defaultFSOpt as a list of texts",
      values: `flasharray: {defaultFSOpt: ["-q", "-L 'my label'"]}`,
      parameters: {},
      label: "my label",
    },
    {
      name: "createoptions of a class",
      values: `flasharray: {defaultFSOpt: "-L default"}`,
      parameters: { createoptions: `-q -L"one label"` },
      label: "one label",
    },
    {
      name: "createoptions of a class that wants none",
      values: `flasharray: {defaultFSOpt: "-L default"}`,
      parameters: { createoptions: "" },
      label: "",
    },
  ]
) {
  Deno.test(`${name} reaches mkfs word by word`, async () => {
    const defaultMkfsOptions = await mkfsOptionsOf(values);
    await ProvisionerBed.run({ settings: { flasharray: { defaultMkfsOptions } } }, async (bed) => {
      const request = bed.request("pvc-1", { parameters });
      const { volumeContext } = await bed.provisioner.createVolume(request, bed.signal);
      assert.equal(await labelOf(volumeContext, defaultMkfsOptions), `label = "${label}"`);
    });
  });
}
