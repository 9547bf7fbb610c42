import { deepEqual, equal, throws } from "node:assert/strict";
import { Metrics, SIDECAR_BUCKETS } from "./metrics.ts";

Deno.test("a counter is written with HELP, TYPE and one line per label values", () => {
  const metrics = new Metrics();
  const calls = metrics.counter("calls_total", { help: "Calls", labels: ["array", "code"] });
  calls.add({ array: "fa-1", code: "200" });
  calls.add({ array: "fa-1", code: "200" }, 2);
  calls.add({ code: "500", array: "fb-1" });
  equal(
    metrics.text(),
    '# HELP calls_total Calls\n# TYPE calls_total counter\ncalls_total{array="fa-1",code="200"} 3\ncalls_total{array="fb-1",code="500"} 1\n',
  );
});

Deno.test("a metric without labels has no braces, one without values only its header", () => {
  const metrics = new Metrics();
  metrics.counter("seen_total", { help: "Seen" }).add();
  metrics.gauge("idle", { help: "Idle" });
  equal(
    metrics.text(),
    "# HELP seen_total Seen\n# TYPE seen_total counter\nseen_total 1\n# HELP idle Idle\n# TYPE idle gauge\n",
  );
});

Deno.test("label values and help are escaped as the format wants", () => {
  const metrics = new Metrics();
  metrics.gauge("odd", { help: 'a\\b\n"c"', labels: ["x"] }).set(1, { x: 'a\\b\n"c"' });
  equal(metrics.text(), '# HELP odd a\\\\b\\n"c"\n# TYPE odd gauge\nodd{x="a\\\\b\\n\\"c\\""} 1\n');
});

Deno.test("a gauge asks its callback at every scrape and forgets what is no longer told", () => {
  const metrics = new Metrics();
  let arrays: [{ array: string }, number][] = [[{ array: "a" }, 1], [{ array: "b" }, 0]];
  metrics.gauge("up", { help: "Up", labels: ["array"], collect: () => arrays });
  deepEqual(metrics.text().split("\n").slice(2), ['up{array="a"} 1', 'up{array="b"} 0', ""]);
  arrays = [[{ array: "b" }, 1]];
  deepEqual(metrics.text().split("\n").slice(2), ['up{array="b"} 1', ""]);
});

Deno.test("a gauge writes infinities and NaN as Prometheus spells them", () => {
  const metrics = new Metrics();
  const gauge = metrics.gauge("g", { help: "G", labels: ["x"] });
  gauge.set(Infinity, { x: "1" });
  gauge.set(-Infinity, { x: "2" });
  gauge.set(NaN, { x: "3" });
  deepEqual(metrics.text().split("\n").slice(2), [
    'g{x="1"} +Inf',
    'g{x="2"} -Inf',
    'g{x="3"} NaN',
    "",
  ]);
});

Deno.test("a histogram is cumulative, counts a bound into its bucket and ends in +Inf, _sum and _count", () => {
  const metrics = new Metrics();
  const seconds = metrics.histogram("s", { help: "S", labels: ["m"], buckets: [0.1, 1] });
  for (const value of [0.1, 0.5, 1, 7]) seconds.observe(value, { m: "x" });
  deepEqual(metrics.text().split("\n"), [
    "# HELP s S",
    "# TYPE s histogram",
    's_bucket{m="x",le="0.1"} 1',
    's_bucket{m="x",le="1"} 3',
    's_bucket{m="x",le="+Inf"} 4',
    's_sum{m="x"} 8.6',
    's_count{m="x"} 4',
    "",
  ]);
});

Deno.test("a histogram without labels has only le in braces", () => {
  const metrics = new Metrics();
  metrics.histogram("s", { help: "S", buckets: [1] }).observe(0.5);
  deepEqual(metrics.text().split("\n").slice(2), [
    's_bucket{le="1"} 1',
    's_bucket{le="+Inf"} 1',
    "s_sum 0.5",
    "s_count 1",
    "",
  ]);
});

Deno.test("asking again gives the same metric; as another kind or with other labels it is refused", () => {
  const metrics = new Metrics();
  const first = metrics.counter("a_total", { help: "A", labels: ["x"] });
  equal(metrics.counter("a_total", { help: "A", labels: ["x"] }), first);
  throws(
    () => metrics.gauge("a_total", { help: "A", labels: ["x"] }),
    /a_total is a counter with the labels \[x\] already/,
  );
  throws(() => metrics.counter("a_total", { help: "A" }), TypeError);
});

Deno.test("wrong use is refused: a missing label, a falling counter, bad names, buckets that do not rise", () => {
  const metrics = new Metrics();
  const counter = metrics.counter("a_total", { help: "A", labels: ["x"] });
  throws(() => counter.add({ y: "1" }), /a_total needs the label x/);
  throws(() => counter.add({ x: "1" }, -1), RangeError);
  throws(() => metrics.counter("1st", { help: "" }), /1st is no metric name/);
  throws(() => metrics.counter("ok", { help: "", labels: ["le-gal"] }), /le-gal is no label name/);
  throws(() => metrics.histogram("h", { help: "", buckets: [1, 1] }), /the buckets of h must rise/);
});

Deno.test("the buckets of calls are those of csi-lib-utils", () => {
  deepEqual(SIDECAR_BUCKETS, [.1, .25, .5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600]);
});
