import type { Row } from "../filter.ts";
import type { Listed } from "../list.ts";
import type { Moment } from "./history.ts";

/** One row of a list of performance: an object, and from when on its row is made, a time. */
interface Sample<T> {
  of: T;
  moment?: Moment;
}

/** How samples of objects are found and shown. */
interface Sampling<T> {
  moments: (of: T) => Moment[];
  render: (of: T, moment: Moment) => Row;
  /** The sums over all objects of the list, now; absent: the resource has none. */
  total?: (objects: T[]) => Row;
}

const NEVER: Moment = { time: 0, rates: { writesPerSec: 0, writeBytesPerSec: 0 } };

/** The list of samples of the objects of another list: one for each object, or one for each time. */
export function sampled<T>(listed: Listed<T>, sampling: Sampling<T>): Listed<Sample<T>> {
  const { byName, byId, destroyed, keyOf } = listed;
  const { moments, render, total } = sampling;
  const found = (of: T | undefined) => of === undefined ? undefined : { of };
  return {
    what: listed.what,
    missing: listed.missing,
    all: () => [...listed.all()].map((of) => ({ of })),
    byName: byName && ((name) => found(byName(name))),
    byId: byId && ((id) => found(byId(id))),
    destroyed: destroyed && (({ of }) => destroyed(of)),
    expand: ({ of }) => moments(of).map((moment) => ({ of, moment })),
    keyOf: ({ of, moment = NEVER }) => `${keyOf(of)} ${String(moment.time).padStart(15, "0")}`,
    render: ({ of, moment = NEVER }) => render(of, moment),
    total: total && {
      always: true,
      of: (samples) => total([...new Set(samples.map(({ of }) => of))]),
    },
  };
}
