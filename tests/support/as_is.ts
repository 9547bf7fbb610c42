/** Reads an item of an answer as it is: for what a test asks an array itself. */
export function asIs<T>(value: unknown): T {
  return value as T;
}
