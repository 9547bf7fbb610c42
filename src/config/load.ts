import { ARRAYS_KEY_PATH, readArrays } from "./arrays/entries.ts";
import { LABEL_KEY } from "./arrays/labels.ts";
import { CHART_SECTIONS } from "./chart_keys.ts";
import { FileReader, type FileReaders, parseMapping } from "./files.ts";
import { readMkfsOptions, readMountOptions } from "./format_defaults.ts";
import { type ArrayConfig, type Config, CONFIG_LIMITS } from "./model.ts";
import { type ConfigKey, DRIVER_SECTIONS, PSO_EXPORT_RULES } from "./keys.ts";
import { NAMED_FILES_FOLDER } from "./arrays/named_files.ts";
import { ConfigError, type Problem, ProblemList, shown } from "./problems.ts";
import { Settings } from "./settings.ts";
import { isMapping, KeyTree, type Mapping } from "./tree.ts";
import { fileFault, isPsoError } from "../errors.ts";
import { sanTypeOf } from "../protocols.ts";
import { GiB } from "../size.ts";
import { TOPOLOGY_PREFIX, topologyLabels } from "./arrays/topology_labels.ts";

/** Where the charts mount the Secret. */
export const SECRET_FOLDER = NAMED_FILES_FOLDER;
/** The Secret as the charts mount it: PSO's JSON, the content of `arrays`. */
export const SECRET_FILE = `${SECRET_FOLDER}/pure.json`;
/**
 * The ConfigMap as the charts mount it: `exportRules` as PSO 6 has it, and driver keys as in the
 * values file.
 */
export const APP_CONFIG_FILE = "/etc/config/appconfig.json";

/**
 * Where loadConfig() reads. With `valuesFile` only what is named here is read; without it the files
 * that the chart mounts.
 */
export interface LoadOptions extends FileReaders {
  /** A values file, as for Helm. */
  valuesFile?: string;
  /**
   * Default without a values file: the variable PURE_DISCOVERY_CONF, else SECRET_FILE. Never read
   * in node mode.
   */
  secretFile?: string;
  /** Default without a values file: APP_CONFIG_FILE if it exists. */
  appConfigFile?: string;
  /** A node needs no arrays and no tokens: it throws them away with a warning. */
  mode: "controller" | "node" | "admin";
  /** Every unknown key is an error; default: only inside an array's entry. */
  strict?: boolean;
  /** What to do about a file that is missing; default: mount it, or name another. */
  advice?: string;
  /** Environment variables, by which PSO's charts gave some keys; the files count before them. */
  env?: (name: string) => string | undefined;
}

/** A configuration without errors. */
export interface LoadedConfig {
  config: Config;
  warnings: readonly Problem[];
  /**
   * SHA-256 of all files that were read, those with tokens and certificates included: equal
   * digests, equal configuration.
   */
  digest: string;
}

const KEYS: readonly ConfigKey[] = [...DRIVER_SECTIONS, ...CHART_SECTIONS].flatMap(({ keys }) =>
  keys
);
const TREE = new KeyTree([...KEYS, {
  path: ARRAYS_KEY_PATH,
  type: "mapping",
  meaning: "The fleet.",
  usedBy: "driver",
}]);

/**
 * Reads and checks the whole configuration, by the one table of keys that also makes the chart's
 * schema and docs/configuration.md. Throws ConfigError (`invalid`) with every problem at once. Safe
 * to repeat: it reads files and changes nothing.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const problems = new ProblemList();
  const files = new FileReader(options);
  const sources = await readSources(options, { problems, files });
  const given = sources.flatMap((source) =>
    TREE.collect(source, { problems, strict: options.strict ?? false })
  );
  const settings = new Settings({
    keys: KEYS,
    given,
    problems,
    env: options.env ?? (() => undefined),
    strict: options.strict ?? false,
  });
  const sections = given.filter(({ key }) => key.path === ARRAYS_KEY_PATH).map(({ value }) =>
    value
  );
  let arrays: readonly ArrayConfig[] = [];
  if (options.mode !== "node") {
    arrays = await readArrays(sections, { problems, readTextFile: files.readNamed });
  } else if (sections.length > 0) {
    problems.warn("arrays", {
      found: "stands in a node's configuration and was thrown away",
      fix: "nodes need no arrays and no API tokens, take them out",
    });
  }
  const config = { ...readDriverKeys(settings), arrays };
  checkTogether(config, problems);
  const digest = files.digest();
  if (problems.hasErrors) throw new ConfigError(problems.all, digest);
  return { config, warnings: problems.all, digest };
}

interface Reading {
  problems: ProblemList;
  files: FileReader;
}

/** The files that are there, as values trees; what comes first counts first. */
async function readSources(options: LoadOptions, reading: Reading): Promise<Mapping[]> {
  const { valuesFile, appConfigFile, mode, advice } = options;
  const sources: (Mapping | undefined)[] = [];
  const needed = { ...reading, needed: true, advice };
  if (valuesFile !== undefined) sources.push(await readSource(valuesFile, needed));
  const secretFile = options.secretFile ??
    (valuesFile === undefined ? options.env?.("PURE_DISCOVERY_CONF") ?? SECRET_FILE : undefined);
  if (secretFile !== undefined && mode !== "node") {
    const arrays = await readSource(secretFile, needed);
    sources.push(arrays && { [ARRAYS_KEY_PATH]: arrays });
  }
  const appConfig = appConfigFile ?? (valuesFile === undefined ? APP_CONFIG_FILE : undefined);
  if (appConfig !== undefined) {
    const tree = await readSource(appConfig, { ...needed, needed: appConfigFile !== undefined });
    sources.push(tree && fromAppConfig(tree));
  }
  return sources.filter((source) => source !== undefined);
}

const MOUNT_ADVICE =
  "give a values file with -f, or mount the Secret and the ConfigMap of the chart";

async function readSource(
  file: string,
  { needed, problems, files, advice = MOUNT_ADVICE }: Reading & {
    needed: boolean;
    advice?: string;
  },
): Promise<Mapping | undefined> {
  try {
    return parseMapping(await files.read(file), { file, problems });
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    if (missing && !needed) return undefined;
    problems.error(file, {
      found: fileFault(error),
      // Who is not answered, or not let in, is told what to do by the error itself.
      fix: isPsoError(error, "unavailable", "timeout", "denied") ? undefined : advice,
    });
    return undefined;
  }
}

/** PSO 6 has the export rule at the top of this file; everything else is as in the values file. */
function fromAppConfig({ exportRules, ...tree }: Mapping): Mapping {
  const flashblade = tree.flashblade ?? {};
  if (exportRules === undefined || !isMapping(flashblade)) return tree;
  return { ...tree, flashblade: { exportRules, ...flashblade } };
}

function readDriverKeys(settings: Settings): Omit<Config, "arrays"> {
  const exportRules = settings.text("flashblade.exportRules");
  return {
    clusterId: readClusterId(settings),
    deleteImported: settings.switch("deleteImported"),
    deletePrefixes: settings.texts("deletePrefixes"),
    eradicateOnDelete: settings.switch("eradicateOnDelete"),
    maxVolumesPerNode: settings.integer("maxVolumesPerNode"),
    flasharray: {
      sanType: sanTypeOf(settings.text("flasharray.sanType")),
      defaultFsType: settings.text("flasharray.defaultFSType"),
      defaultMkfsOptions: readMkfsOptions(settings),
      defaultMountOptions: readMountOptions(settings),
      preemptAttachments: settings.switch("flasharray.preemptAttachments"),
      iscsiLoginTimeoutSeconds: settings.integer("flasharray.iSCSILoginTimeout"),
      iscsiAllowedCidrs: settings.cidrs("flasharray.iSCSIAllowedCIDR"),
      multipath: settings.switch("flasharray.multipath"),
    },
    flashblade: {
      snapshotDirectoryEnabled: settings.switch("flashblade.snapshotDirectoryEnabled"),
      exportRules: exportRules === "" || exportRules === PSO_EXPORT_RULES ? undefined : exportRules,
    },
    topology: {
      enable: settings.switch("storagetopology.enable"),
      strict: settings.switch("storagetopology.strictTopology"),
      nodeLabels: readNodeLabels(settings),
    },
    placement: {
      headroomPercent: settings.integer("placement.headroom"),
      volumesPerArray: settings.integer("placement.volumesPerArray"),
    },
    ephemeral: {
      enable: settings.switch("ephemeral.enabled"),
      maxBytes: settings.integer("ephemeral.maxSizeGiB") * GiB,
      namespaceBytes: settings.integer("ephemeral.namespaceGiB") * GiB,
      namespaceVolumes: settings.integer("ephemeral.namespaceVolumes"),
      allowExportRules: settings.switch("ephemeral.allowExportRules"),
      chapSecret: settings.text("ephemeral.chapSecret"),
    },
    debug: settings.switch("app.debug"),
  };
}

/** PSO 6 ships REPLACE_CLUSTER_ID_WITH_… as the default, which nobody may keep. */
const PLACEHOLDER = /^REPLACE_|^.{50,}$/s;

function readClusterId(settings: Settings): string {
  const clusterId = settings.text("clusterID");
  const { path, problems } = settings.at("clusterID");
  const wanted = `1 to ${CONFIG_LIMITS.clusterIdChars} letters, digits and _`;
  if (PLACEHOLDER.test(clusterId)) {
    const fix =
      "choose an ID for this cluster that no other cluster on these arrays has, and never " +
      "change it again";
    problems.error(path, {
      found: "still holds the placeholder of PSO's values file",
      wanted,
      fix,
    });
  } else if (clusterId.length > CONFIG_LIMITS.clusterIdChars) {
    const fix =
      "a longer one leaves no room for `-pvc-<UUID>` in the 63 characters of a volume name";
    problems.error(path, { found: `has ${clusterId.length} characters`, wanted, fix });
  } else if (!/^[A-Za-z0-9_-]+$/.test(clusterId)) {
    problems.error(path, { found: `is ${JSON.stringify(clusterId)}`, wanted });
  } else if (!/^[A-Za-z0-9]/.test(clusterId)) {
    problems.error(path, {
      found: `is ${JSON.stringify(clusterId)}`,
      wanted: "a letter or digit first",
      fix: "arrays refuse other names",
    });
  } else if (clusterId.includes("-")) {
    const fix = "keep it if PSO 5 made volumes under it, else choose one without";
    problems.warn(path, { found: `is ${JSON.stringify(clusterId)}, with a hyphen`, wanted, fix });
  }
  return clusterId;
}

function readNodeLabels(settings: Settings): readonly string[] {
  const labels = settings.texts("storagetopology.nodeLabels");
  const { path, problems } = settings.at("storagetopology.nodeLabels");
  if (labels.length > CONFIG_LIMITS.nodeLabels) {
    problems.error(path, {
      found: `names ${labels.length} labels`,
      wanted: `at most ${CONFIG_LIMITS.nodeLabels}`,
    });
  }
  for (const label of labels) {
    if (LABEL_KEY.test(label)) continue;
    problems.error(path, {
      found: `holds ${shown(label)}`,
      wanted: "names of labels, such as topology.kubernetes.io/zone",
    });
  }
  return labels;
}

/** Rules that need more than one key. */
function checkTogether({ topology, arrays }: Config, problems: ProblemList): void {
  if (topology.strict && !topology.enable) {
    problems.warn("storagetopology.strictTopology", {
      found: "has no effect without storagetopology.enable",
      fix: "set both, or none",
    });
  }
  if (!topology.enable) return;
  for (const { path, labels } of arrays) {
    if (Object.keys(topologyLabels(labels, topology.nodeLabels)).length > 0) continue;
    problems.warn(`${path}.Labels`, {
      found: `holds no label ${[`${TOPOLOGY_PREFIX}*`, ...topology.nodeLabels].join(" or ")}`,
      fix: "without one the array counts as reachable from every node",
    });
  }
}
