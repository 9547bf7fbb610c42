/**
 * The results of all works, in their order. As Promise.all(), but a failure is thrown only when
 * every one has ended: nothing goes on behind the back of whoever begins again then. The first
 * failure in the order of the works is thrown.
 */
export async function allEnded<T extends readonly unknown[] | []>(
  works: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(works);
  return await Promise.all(works);
}
