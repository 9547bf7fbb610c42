// Where a controller has its configuration from, and what is said of it.
import { type ConfigFrom, SERVICE_ACCOUNT } from "./src/cli/kube.ts";
import { loadConfig, type LoadedConfig, SECRET_FOLDER } from "./src/config/load.ts";
import { namedFileReader } from "./src/config/arrays/named_files.ts";
import { readPlainFile } from "./src/config/plain_file.ts";
import { watchConfig } from "./src/config/watch.ts";
import { ConfigObjects, configPathOf } from "./src/kube/config_objects.ts";
import type { Kube } from "./main_kube.ts";
import type { Logger } from "./src/log.ts";
import type { ReadinessCheck } from "./src/readiness.ts";

/** What a source of configuration is made of. */
interface SourceSetup {
  valuesFile?: string;
  configFrom: readonly ConfigFrom[];
  /** Needed where `configFrom` names something. */
  kube?: Kube;
  /** Where the account of this pod is: no token and no certificate of an array is read there. */
  credentials?: string;
  log: Logger;
}

/** The configuration of one controller, from files or from objects of the cluster. */
export interface ConfigSource {
  /**
   * The configuration to start with; ConfigError when it cannot be used. Undefined: it comes from
   * the cluster, perhaps later.
   */
  first(): Promise<LoadedConfig | undefined>;
  /**
   * Takes up changes until the signal. Without `current` the first good configuration is a change
   * too.
   */
  watch(current: LoadedConfig | undefined, options: SourceWatch): Promise<void>;
  /** How the configuration stands, for /readyz; of files only what is wrong with them. */
  readiness(): ReadinessCheck[];
  /** Whether the configuration in use is what its source holds. */
  readonly isCurrent: boolean;
}

/** Who takes up what a source gives. */
interface SourceWatch {
  onConfig: (loaded: LoadedConfig) => void;
  signal: AbortSignal;
}

/** The source that the command line names. */
export function configSource(setup: SourceSetup): ConfigSource {
  const { valuesFile, configFrom, kube, credentials = SERVICE_ACCOUNT, log } = setup;
  const env = (name: string) => Deno.env.get(name);
  const named = {
    never: [credentials, SERVICE_ACCOUNT],
    readTextFile: readPlainFile,
    realPath: Deno.realPath,
  };
  if (configFrom.length === 0 || !kube) {
    const readNamedFile = namedFileReader(named);
    const readTextFile = readPlainFile;
    const load = () =>
      loadConfig({ valuesFile, mode: "controller", readTextFile, readNamedFile, env });
    return new Source({ load, log, kube });
  }
  const objects = new ConfigObjects({
    kube: kube.client,
    objects: configFrom,
    secretFolder: SECRET_FOLDER,
    readTextFile: readPlainFile,
    readNamedFile: namedFileReader({ ...named, within: SECRET_FOLDER }),
    log,
  });
  const pathOf = (kind: ConfigFrom["kind"]) => {
    const from = configFrom.find((one) => one.kind === kind);
    return from && configPathOf(from);
  };
  const load = () =>
    loadConfig({
      secretFile: pathOf("Secret"),
      appConfigFile: pathOf("ConfigMap"),
      mode: "controller",
      readTextFile: objects.readTextFile,
      readNamedFile: objects.readNamedFile,
      advice: "create it with that key; it is taken up within 10 seconds",
      env,
    });
  return new Source({ load, log, kube, objects });
}

/** How a source is read. */
interface SourceParts {
  load: () => Promise<LoadedConfig>;
  log: Logger;
  kube?: Kube;
  /** Absent: files. */
  objects?: ConfigObjects;
}

class Source implements ConfigSource {
  readonly #parts: SourceParts;
  #problem: string | undefined;
  #isTaken = false;

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  get isCurrent(): boolean {
    return this.#isTaken && this.#problem === undefined &&
      this.#parts.objects?.problem === undefined;
  }

  async first(): Promise<LoadedConfig | undefined> {
    if (this.#parts.objects) return undefined;
    const loaded = await this.#parts.load();
    this.#isTaken = true;
    return loaded;
  }

  async watch(
    current: LoadedConfig | undefined,
    { onConfig, signal }: SourceWatch,
  ): Promise<void> {
    const { load, objects } = this.#parts;
    const looking = watchConfig(current, {
      load,
      onConfig: (loaded) => {
        onConfig(loaded);
        this.#isTaken = true;
        this.#tellTaken(loaded);
      },
      onProblem: (problem) => this.#tellRefused(problem),
      onMended: () => this.#problem = undefined,
      signal,
      ...objects && { wait: (ms, signal) => objects.changed(ms, signal) },
    });
    await Promise.all([looking, objects?.run(signal)]);
  }

  readiness(): ReadinessCheck[] {
    const { objects } = this.#parts;
    const name = "configuration";
    const reason = this.#problem ?? objects?.problem;
    if (!this.#isTaken) return [{ name, ok: false, state: "waiting", reason }];
    if (reason === undefined) return objects ? [{ name, ok: true, state: "ok" }] : [];
    return [{ name, ok: false, state: "failed", optional: true, reason }];
  }

  #tellTaken({ config: { arrays } }: LoadedConfig): void {
    this.#parts.kube?.tell({
      type: "Normal",
      reason: "ConfigurationTakenUp",
      action: "ReadConfiguration",
      note: `the configuration is in use, with ${arrays.length} arrays`,
    });
  }

  #tellRefused(problem: string): void {
    this.#problem = problem;
    const { log, kube } = this.#parts;
    const what = this.#isTaken
      ? "configuration refused, the last good one stays"
      : "configuration cannot be used, waiting for another one";
    log.error(what, { problem });
    kube?.tell({
      type: "Warning",
      reason: "ConfigurationRefused",
      action: "ReadConfiguration",
      note: `${what}: ${problem}`,
    });
  }
}
