/** One thing that readiness depends on, such as an array or a protocol of a node. */
export interface ReadinessCheck {
  name: string;
  ok: boolean;
  /** Why it is not ok, or what is known of it. */
  reason?: string;
  /** Shown, but readiness does not hang on it. */
  optional?: boolean;
}
