/** Pauses up to this long only wait for the next look at a fact; longer timers are deadlines. */
const PAUSE_MAX_MS = 500;

export interface TestClock {
  /** Moves the clock on, and fires the timers that are due by then. */
  move: (ms: number) => void;
}

/**
 * Runs `work` under a clock of its own, so that what takes half a minute takes as long as its looks
 * at files. A pause between two looks at a fact ends at once and moves the clock on by its length;
 * a deadline passes when the clock has come so far, and never by waiting.
 */
export async function withTestClock<T>(work: (clock: TestClock) => Promise<T>): Promise<T> {
  const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  const timers = new Map<number, { dueMs: number; fire: () => void }>();
  /** Timers of the real clock that look at a pause; none may outlive the work. */
  const looks = new Set<ReturnType<typeof setTimeout>>();
  let nowMs = performance.now();
  let last = 0;
  const moveTo = (ms: number) => {
    nowMs = Math.max(nowMs, ms);
    const due = [...timers].filter(([, timer]) => timer.dueMs <= nowMs);
    for (const [id, { fire }] of due.sort(([, one], [, other]) => one.dueMs - other.dueMs)) {
      if (timers.delete(id)) fire();
    }
  };
  const setTimer = (fire: () => void, ms = 0): number => {
    const id = ++last;
    const dueMs = nowMs + ms;
    timers.set(id, { dueMs, fire });
    if (ms <= PAUSE_MAX_MS) {
      const look = real.setTimeout(() => {
        looks.delete(look);
        if (timers.has(id)) moveTo(dueMs);
      }, 0);
      looks.add(look);
    }
    return id;
  };
  Object.assign(globalThis, {
    setTimeout: setTimer,
    clearTimeout: (id: number) => timers.delete(id),
  });
  performance.now = () => nowMs;
  try {
    return await work({ move: (ms) => moveTo(nowMs + ms) });
  } finally {
    Object.assign(globalThis, real);
    Reflect.deleteProperty(performance, "now");
    for (const look of looks) clearTimeout(look);
  }
}
