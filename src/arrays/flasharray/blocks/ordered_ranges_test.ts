import { deepEqual, equal } from "node:assert/strict";
import { OrderedRanges } from "./ordered_ranges.ts";

/** Ranges by [offset, length]. */
function ranges(...pairs: [number, number][]) {
  return pairs.map(([offset, length]) => ({ offset, length }));
}

Deno.test("15.7: ranges beside each other are joined, and what lies outside the window is cut off", () => {
  const order = new OrderedRanges(100);
  const told = ranges([50, 60], [110, 10], [130, 0], [140, 20], [190, 50], [300, 10]);
  deepEqual(order.take(told, { offset: 100, end: 200 }), ranges([100, 20], [140, 20], [190, 10]));
  equal(order.end, 200);
  deepEqual(order.take(ranges([190, 50]), { offset: 200, end: 300 }), ranges([200, 40]));
  equal(order.end, 240);
  deepEqual(order.take([], { offset: 300, end: 400 }), []);
  equal(order.end, 240);
});

Deno.test("15.7: a range before the end of another is refused, within a part and over two", () => {
  const window = { offset: 0, end: 100 };
  const disordered = [
    ranges([20, 10], [0, 10]),
    ranges([0, 10], [5, 10]),
    ranges([0, 10], [0, 10]),
  ];
  for (const told of disordered) equal(new OrderedRanges(0).take(told, window), undefined);
  const order = new OrderedRanges(0);
  order.take(ranges([40, 10]), window);
  equal(order.take(ranges([0, 10]), window), undefined);
});
