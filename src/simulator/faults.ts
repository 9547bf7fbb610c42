import { Fields } from "./body.ts";
import { refused } from "./rest_error.ts";

/** What a fault can do to a call; docs/simulator.md explains them too. */
export const FAULT_ACTIONS = [
  /** Waits `value` ms before the call is done. */
  "delay",
  /** Answers with status `value` and does nothing. */
  "status",
  /** Closes the connection without doing the call. */
  "drop-before",
  /** Does the call, then closes the connection without an answer. */
  "drop-after",
  /** Lists are from before the last change. */
  "stale",
  /** The array reports and behaves as full. */
  "full",
  /** Kills process `value` with SIGKILL before the call is done. */
  "kill-before",
  /** Does the call, then kills process `value` with SIGKILL; no answer is sent. */
  "kill-after",
  /** The whole array is gone: no answer, no data, and its stretched pods go on without it. */
  "down",
] as const;
type FaultAction = (typeof FAULT_ACTIONS)[number];

/** What a fault does; `value` is ms, an HTTP status or a process id, as the action says. */
export interface Fault {
  action: FaultAction;
  value: number;
  /** Of `status`: the text that the array answers with; `undefined` = one that names the fault. */
  message?: string;
  /** Of `status`: the object that the text is about; `undefined` = none. */
  context?: string;
}

/** A fault that waits for its calls. */
interface FaultRule extends Fault {
  /** Name of one array; `undefined` = all. */
  array: string | undefined;
  method: string | undefined;
  /**
   * Path without `/api/2.N`, such as `/volumes`; `*` stands for any text; `undefined` = all. POST
   * /faults takes it with that too.
   */
  path: string | undefined;
  /** So many matching calls pass first. */
  after: number;
  /** Then so many are hit. */
  times: number;
}

/** A call as the rules see it. */
interface FaultCall {
  array: string;
  method: string;
  path: string;
}

/**
 * States rather than events: they last until DELETE /faults when `times` is not given. The others
 * happen once.
 */
const LASTING: FaultAction[] = ["delay", "stale", "full", "down"];
const NEEDS_VALUE: FaultAction[] = ["delay", "status", "kill-before", "kill-after"];

/** Reads the body of POST /faults; RestError 400 says what is wrong. */
export function parseFaultRule(body: unknown): FaultRule {
  const fields = new Fields(body);
  const text = fields.text("action");
  const action = FAULT_ACTIONS.find((one) => one === text);
  if (action === undefined) {
    throw refused(`action must be one of ${FAULT_ACTIONS.join(", ")}; found ${text ?? "nothing"}`);
  }
  const value = fields.integer("value");
  if (value === undefined && NEEDS_VALUE.includes(action)) {
    throw refused(`action ${action} needs a number in value`);
  }
  if (action === "status" && ((value ?? 0) < 400 || (value ?? 0) > 599)) {
    throw refused(`status must be 400 to 599; found ${value}`);
  }
  if (action === "down" && ["match", "after", "times"].some((field) => fields.has(field))) {
    throw refused(
      "action down is about a whole array until DELETE /faults: it takes no match, after or times",
    );
  }
  const { message, context } = saidIn(fields, action);
  const [after, times] = [
    fields.integer("after") ?? 0,
    fields.integer("times") ?? (LASTING.includes(action) ? Infinity : 1),
  ];
  if (after < 0 || times < 1) throw refused("after must be at least 0 and times at least 1");
  // Process 1 and groups (negative ids) are never a caller of ours.
  if (action.startsWith("kill") && (value ?? 0) <= 1) {
    throw refused(`value of ${action} must be a process id above 1; found ${value}`);
  }
  const match = fields.object("match");
  return {
    array: fields.text("array") || undefined,
    method: match?.text("method")?.toUpperCase(),
    path: pathAsSeen(match?.text("path")),
    after,
    times,
    action,
    value: value ?? 0,
    message,
    context,
  };
}

function saidIn(fields: Fields, action: FaultAction): Pick<Fault, "message" | "context"> {
  const said = { message: fields.text("message"), context: fields.text("context") };
  if (action !== "status" && (said.message ?? said.context) !== undefined) {
    throw refused(`message and context belong to action status, not to ${action}`);
  }
  if (said.context !== undefined && said.message === undefined) {
    throw refused("context needs a message that is about it");
  }
  return said;
}

/**
 * A path that would never match because it is written with the version or without its first slash,
 * as calls are seen.
 */
function pathAsSeen(path: string | undefined): string | undefined {
  return path?.replace(/^(?=[^/*])/, "/").replace(/^\/api\/2\.[\d*]+(?=\/)/, "");
}

function matchesPath(pattern: string, path: string): boolean {
  const source = pattern.split("*").map((piece) => piece.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
    .join(".*");
  return new RegExp(`^${source}$`).test(path);
}

/** The faults asked for, over all arrays. */
export class Faults {
  #rules: { rule: FaultRule; seen: number }[] = [];

  add(rule: FaultRule): void {
    this.#rules.push({ rule, seen: 0 });
  }

  /** Ends the faults of one array, or all. */
  clear(array?: string): void {
    this.#rules = this.#rules.filter(({ rule }) => array !== undefined && rule.array !== array);
  }

  /** Whether the array is gone as a whole. */
  isDown(array: string): boolean {
    return this.#rules.some(({ rule }) =>
      rule.action === "down" && (rule.array === undefined || rule.array === array)
    );
  }

  /** Counts this call against every rule that it matches, and returns the faults that hit it. */
  take(call: FaultCall): Fault[] {
    const hit: Fault[] = [];
    for (const entry of this.#rules) {
      const { rule } = entry;
      if (rule.array !== undefined && rule.array !== call.array) continue;
      if (rule.method !== undefined && rule.method !== call.method) continue;
      if (rule.path !== undefined && !matchesPath(rule.path, call.path)) continue;
      entry.seen++;
      if (entry.seen > rule.after && entry.seen <= rule.after + rule.times) hit.push(rule);
    }
    this.#rules = this.#rules.filter(({ rule, seen }) => seen < rule.after + rule.times);
    return hit;
  }
}
