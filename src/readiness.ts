/**
 * What readiness may tell anybody of one thing, in a word: `suspended` gets no new volumes,
 * `listing` reads its volumes, `waiting` has not answered yet, `refusing` answers and takes no
 * change, `denied` does not take our credentials or shows another certificate, `wrong` is not the
 * array that its address stood for, `unusable` lacks something on this host. `no arrays`: none is
 * configured. `draining` was taken out of the configuration and still holds something, `kept` is
 * asked by its last good entry, because the changed one is of no use.
 * `leader` may change the arrays, `standby` waits until it may.
 */
export type ReadyState =
  | "ok"
  | "suspended"
  | "draining"
  | "kept"
  | "listing"
  | "waiting"
  | "refusing"
  | "unreachable"
  | "denied"
  | "wrong"
  | "failed"
  | "unusable"
  | "leader"
  | "standby"
  | "no arrays";

/** One thing that readiness depends on, such as an array or a protocol of a node. */
export interface ReadinessCheck {
  /** As the configuration calls it. */
  name: string;
  ok: boolean;
  state: ReadyState;
  /**
   * Why it is not ok, or what is known of it: it may quote arrays and tools, and is not for
   * everybody.
   */
  reason?: string;
  /** Shown, but readiness does not hang on it. */
  optional?: boolean;
}
