/** Why a take-over does not begin. */
export interface Problem {
  /** Its kind and its full name: `PersistentVolume pvc-1`. */
  object: string;
  /** What is so, as the rest of a sentence that begins with the object. */
  what: string;
  /** What a person does about it. */
  fix: string;
}
