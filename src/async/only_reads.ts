import { AsyncLocalStorage } from "node:async_hooks";

/** Work that only reads, until it is over. */
interface ReadingWork {
  isOver: boolean;
}

const READING = new AsyncLocalStorage<ReadingWork>();

/**
 * Runs work that may not change an array: whatever it calls and awaits, however deep, sees
 * `isOnlyReading`. The mark ends with the work: what it leaves behind is not bound by it.
 */
export async function onlyReading<T>(work: () => Promise<T>): Promise<T> {
  const reading = { isOver: false };
  try {
    return await READING.run(reading, work);
  } finally {
    reading.isOver = true;
  }
}

/** Whether the caller acts on behalf of work that only reads, and so may not change an array. */
export function isOnlyReading(): boolean {
  return READING.getStore()?.isOver === false;
}
