/**
 * Measurements as Prometheus reads them: counters, gauges and histograms with labels, written in
 * the text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). By hand,
 * because a library costs 20 MB of memory.
 *
 * ```ts
 * const metrics = new Metrics();
 * const labels = ["array", "code"];
 * const calls = metrics.counter("pso_rest_requests_total", { help: "REST calls", labels });
 * calls.add({ array: "fa-1", code: "200" });
 * metrics.gauge("pso_locks_held", { help: "Volumes locked now", collect: () => locks.size });
 * ```
 */

/** Values by label name; every label that was registered must be there. */
export type Labels = Readonly<Record<string, string>>;

/**
 * The buckets of the CSI sidecars in seconds (csi-lib-utils), so that one graph can show both.
 */
export const SIDECAR_BUCKETS: readonly number[] = [
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  15,
  25,
  50,
  120,
  300,
  600,
];
/** Buckets in seconds for single calls to an array. */
export const REST_BUCKETS: readonly number[] = [
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  60,
];

interface MetricOptions {
  help: string;
  labels?: readonly string[];
  /** What makes it change, in a sentence for docs/metrics.md; a test wants it of every metric. */
  moves?: string;
  /** What to alert on, for docs/metrics.md; absent when nothing about it calls for a person. */
  alert?: string;
}

/** A metric as it was registered. */
export interface MetricFacts extends Required<Pick<MetricOptions, "help" | "labels">> {
  name: string;
  kind: "counter" | "gauge" | "histogram";
  moves?: string;
  alert?: string;
}

interface GaugeOptions extends MetricOptions {
  /**
   * Asked at every scrape: a number, or a list of label values and numbers that replaces all that
   * was set.
   */
  collect?: () => number | Iterable<readonly [Labels, number]>;
}

interface HistogramOptions extends MetricOptions {
  /** Upper bounds in rising order, without +Inf. */
  buckets: readonly number[];
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}

function number(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

/** What all kinds share: one name, and one series per combination of label values. */
abstract class Metric<Series> {
  readonly name: string;
  readonly labels: readonly string[];
  readonly #options: MetricOptions;
  readonly #series = new Map<string, { labels: string; series: Series }>();

  constructor(name: string, options: MetricOptions) {
    if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) throw new TypeError(`${name} is no metric name`);
    const bad = options.labels?.find((label) =>
      !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label) || label.startsWith("__")
    );
    if (bad !== undefined) throw new TypeError(`${bad} is no label name`);
    this.name = name;
    this.labels = options.labels ?? [];
    this.#options = options;
  }

  abstract readonly kind: MetricFacts["kind"];
  protected abstract empty(): Series;
  protected abstract lines(series: Series, labels: string): string[];
  /** Called before a scrape. */
  protected collect(): void {}

  protected at(labels: Labels): { labels: string; series: Series } {
    const text = this.labels.map((label) => {
      const value = labels[label];
      if (value === undefined) throw new TypeError(`${this.name} needs the label ${label}`);
      return `${label}="${escapeLabel(value)}"`;
    }).join(",");
    let found = this.#series.get(text);
    if (found === undefined) this.#series.set(text, found = { labels: text, series: this.empty() });
    return found;
  }

  protected clear(): void {
    this.#series.clear();
  }

  facts(): MetricFacts {
    const { name, kind, labels } = this;
    const { help, moves, alert } = this.#options;
    return { name, kind, labels, help, moves, alert };
  }

  /** The lines of this metric, with HELP and TYPE. */
  text(): string {
    this.collect();
    const samples = [...this.#series.values()].flatMap(({ series, labels }) =>
      this.lines(series, labels)
    );
    return [
      `# HELP ${this.name} ${escapeHelp(this.#options.help)}`,
      `# TYPE ${this.name} ${this.kind}`,
      ...samples,
      "",
    ].join("\n");
  }
}

function sample(name: string, { labels, value }: { labels: string; value: number }): string {
  return labels === "" ? `${name} ${number(value)}` : `${name}{${labels}} ${number(value)}`;
}

/** A number that only grows. */
class Counter extends Metric<{ value: number }> {
  override readonly kind = "counter";

  /** Adds `by` (default 1, never negative). */
  add(labels: Labels = {}, by: number = 1): void {
    if (by < 0) throw new RangeError(`${this.name} cannot fall by ${-by}`);
    this.at(labels).series.value += by;
  }

  protected override empty(): { value: number } {
    return { value: 0 };
  }

  protected override lines(series: { value: number }, labels: string): string[] {
    return [sample(this.name, { labels, value: series.value })];
  }
}

/** A number that is set, or asked for at each scrape. */
class Gauge extends Metric<{ value: number }> {
  override readonly kind = "gauge";
  readonly #collect: GaugeOptions["collect"];

  constructor(name: string, options: GaugeOptions) {
    super(name, options);
    this.#collect = options.collect;
  }

  set(value: number, labels: Labels = {}): void {
    this.at(labels).series.value = value;
  }

  protected override collect(): void {
    const collected = this.#collect?.();
    if (collected === undefined) return;
    this.clear();
    if (typeof collected === "number") this.set(collected);
    else for (const [labels, value] of collected) this.set(value, labels);
  }

  protected override empty(): { value: number } {
    return { value: 0 };
  }

  protected override lines(series: { value: number }, labels: string): string[] {
    return [sample(this.name, { labels, value: series.value })];
  }
}

interface Distribution {
  /** Per bucket, not cumulative; the last one is +Inf. */
  counts: number[];
  sum: number;
}

/** How often a value fell below each bound. */
export class Histogram extends Metric<Distribution> {
  override readonly kind = "histogram";
  readonly buckets: readonly number[];

  constructor(name: string, options: HistogramOptions) {
    super(name, options);
    const { buckets } = options;
    if (
      buckets.length === 0 ||
      buckets.some((bound, i) => i > 0 && bound <= (buckets[i - 1] ?? Infinity))
    ) {
      throw new RangeError(`the buckets of ${name} must rise`);
    }
    this.buckets = buckets;
  }

  observe(value: number, labels: Labels = {}): void {
    const { series } = this.at(labels);
    const found = this.buckets.findIndex((bound) => value <= bound);
    const bucket = found === -1 ? this.buckets.length : found;
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.sum += value;
  }

  protected override empty(): Distribution {
    return { counts: new Array(this.buckets.length + 1).fill(0), sum: 0 };
  }

  protected override lines({ counts, sum }: Distribution, labels: string): string[] {
    const before = labels === "" ? "" : `${labels},`;
    let total = 0;
    const buckets = [...this.buckets, Infinity].map((bound, i) => {
      total += counts[i] ?? 0;
      return sample(`${this.name}_bucket`, {
        labels: `${before}le="${number(bound)}"`,
        value: total,
      });
    });
    return [
      ...buckets,
      sample(`${this.name}_sum`, { labels, value: sum }),
      sample(`${this.name}_count`, { labels, value: total }),
    ];
  }
}

/**
 * All measurements of one process. A name that is registered again gives the same metric, and a
 * TypeError when the kind is another one.
 */
export class Metrics {
  readonly #metrics = new Map<string, Counter | Gauge | Histogram>();

  counter(name: string, options: MetricOptions): Counter {
    const found = this.#known(name, { kind: "counter", labels: options.labels });
    return found instanceof Counter ? found : this.#add(new Counter(name, options));
  }

  gauge(name: string, options: GaugeOptions): Gauge {
    const found = this.#known(name, { kind: "gauge", labels: options.labels });
    return found instanceof Gauge ? found : this.#add(new Gauge(name, options));
  }

  histogram(name: string, options: HistogramOptions): Histogram {
    const found = this.#known(name, { kind: "histogram", labels: options.labels });
    return found instanceof Histogram ? found : this.#add(new Histogram(name, options));
  }

  /** Everything in the text format; its content type is `METRICS_CONTENT_TYPE`. */
  text(): string {
    return [...this.#metrics.values()].map((metric) => metric.text()).join("");
  }

  /** Every metric as it was registered, in that order. */
  facts(): MetricFacts[] {
    return [...this.#metrics.values()].map((metric) => metric.facts());
  }

  #known(
    name: string,
    { kind, labels = [] }: Pick<MetricOptions, "labels"> & { kind: MetricFacts["kind"] },
  ): Counter | Gauge | Histogram | undefined {
    const found = this.#metrics.get(name);
    if (
      found !== undefined &&
      (found.kind !== kind || found.labels.join() !== labels.join())
    ) {
      throw new TypeError(
        `${name} is a ${found.kind} with the labels [${found.labels.join()}] already`,
      );
    }
    return found;
  }

  #add<T extends Counter | Gauge | Histogram>(metric: T): T {
    this.#metrics.set(metric.name, metric);
    return metric;
  }
}

/** The Content-Type that Prometheus expects of its text format, version 0.0.4. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
