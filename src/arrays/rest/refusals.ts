import { type ErrorCode, PsoError } from "../../errors.ts";
import { foreignText } from "../../foreign_text.ts";
import type { HttpResponse } from "../../net/https.ts";
import { REST_LIMITS } from "./limits.ts";

/** What an array's refusal means, so that callers need not read its text. */
export type Refusal =
  /** The object, or one that the call names, is not there. */
  | "missing"
  /** It is destroyed and not eradicated yet. */
  | "destroyed"
  /** The name is taken, or the connection exists. */
  | "exists"
  /** The initiator belongs to another host. */
  | "initiator taken"
  /** Hosts are still connected. */
  | "connected"
  /** The volume is connected by NVMe and the host is not an NVMe host, or the other way round. */
  | "other protocol"
  /** A limit on the number of objects. */
  | "limit"
  /** No room. */
  | "space"
  /** Nobody may eradicate before the time of what is destroyed is over. */
  | "safe mode"
  /** A number that the array does not take. */
  | "range"
  /** Session unknown or expired. */
  | "session"
  /** The role does not allow it. */
  | "role"
  /** Slow down. */
  | "rate"
  /** The array cannot answer now; a change may or may not have happened. */
  | "trouble"
  /** No such path or version. */
  | "no such call"
  /** Something else is wrong with the call. */
  | "other";

/** What an answer that is no success says. */
interface RefusalFacts {
  refusal: Refusal;
  /** HTTP status. */
  status: number;
  /** The array's own words; empty when it gave none. */
  said: string;
  /** The object that they are about; empty when the array named none. */
  context: string;
  /** The body was the array's own JSON with its reason; false for the page of a proxy. */
  isOwn: boolean;
  /** How long the array, or who stands before it, wants to be left alone; absent when it says nothing. */
  retryAfterMs?: number;
}

/** The array answered, and it was no success. */
export class RestError extends PsoError {
  readonly refusal: Refusal;
  readonly status: number;
  readonly said: string;
  readonly context: string;
  readonly isOwn: boolean;
  readonly retryAfterMs: number | undefined;
  constructor(code: ErrorCode, message: string, facts: RefusalFacts) {
    super(code, message);
    this.refusal = facts.refusal;
    this.status = facts.status;
    this.said = facts.said;
    this.context = facts.context;
    this.isOwn = facts.isOwn;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** The same refusal when it is not known what the array has done: a code that is not final. */
export function unclearRefusal(error: RestError): RestError {
  const { message, refusal, status, said, context, isOwn } = error;
  const text = `${message}; it may have been carried out all the same`;
  return new RestError("unavailable", text, { refusal, status, said, context, isOwn });
}

/** True for a RestError with one of `refusals`. */
export function isRefusal(error: unknown, ...refusals: Refusal[]): error is RestError {
  return error instanceof RestError && refusals.includes(error.refusal);
}

/**
 * True when the array refused a call for a reason that the object's name may explain (it is taken,
 * or missing): status 400, and a refusal whose row says so.
 */
export function mayBeAboutName(error: unknown): error is RestError {
  return error instanceof RestError && error.status === 400 && ROWS[error.refusal].mayBeAboutName;
}

/**
 * True for a refusal after which no object can have been made by the call, if the array itself said
 * it and no proxy before it.
 */
export function provesNothingMade(error: unknown): error is RestError {
  return error instanceof RestError && ROWS[error.refusal].provesNothingMade;
}

/** What the sentences below may be about. */
const NOUN = "(?:the )?(?:specified )?(?:volume|volume snapshot|snapshot|host|host group|" +
  "connection|pod|volume group|protection group|file system|file system snapshot|" +
  "nfs export policy|tag)";

/**
 * Sentences of status 400 after which a caller goes on, because what it wants is so already or is
 * not there any more. Each fits from its first to its last word: a part of a sentence may mean the
 * opposite. `… cannot be connected to volumes already connected to NVME connected hosts` connected
 * nothing. Recorded from arrays, or what drivers of the vendor rely on; in lower case, without the
 * full stop at the end.
 */
const SENTENCES: [RegExp, Refusal][] = [
  [
    new RegExp(`^${NOUN} has been (destroyed|deleted)(\\. it can be recovered by .+)?$`),
    "destroyed",
  ],
  [/^the specified (initiator|iqn|nqn|wwn) is already in use( by .+)?$/, "initiator taken"],
  [new RegExp(`^${NOUN} already exists( \\(.+\\))?$`), "exists"],
  [new RegExp(`^${NOUN} (does not exist|could not be found|not found)$`), "missing"],
  [/^no such volume or snapshot$/, "missing"],
  [/^eradication is disabled$/, "safe mode"],
  [
    /^(non-)?nvme connected hgroups and hosts cannot be connected to volumes already connected to (non-)?nvme connected hosts$/,
    "other protocol",
  ],
];

/** Words that stand in a text in this order, or a pattern that reads it once. */
type Part = readonly string[] | RegExp;

/**
 * Parts of other texts of status 400, which differ between releases; the first that fits counts.
 * They choose the error's code and its hint, and nobody goes on after one. An array writes these
 * texts: a pattern that goes back over one, as `out.*of.*space` does, would stop everything.
 */
const PARTS: [readonly Part[], Refusal][] = [
  [[["due to existing connections"], ["has connections"]], "connected"],
  [[
    ["limit reached"],
    ["maximum of"],
    ["maximum number of"],
    ["maximum", "connection"],
    ["maximum", "volume"],
    ["maximum", "snapshot"],
    ["maximum", "file system"],
    ["too many"],
    ["pgroup", "limit"],
  ], "limit"],
  [[
    ["no space"],
    ["insufficient", "space"],
    ["out", "of", "space"],
    /\b(array|system) is full\b/,
    ["capacity", "exceed"],
    ["quota"],
  ], "space"],
  [[
    ["multiple of 512"],
    ...["small", "large", "range", "between", "minimum"].map((word) => ["size", word]),
    ["small", "size"],
    ["large", "size"],
    ...["between", "range", "least", "most"].map((word) => ["provisioned", word]),
  ], "range"],
];

/** Whether the words stand in the text, each after the one before; looks at no letter twice. */
function hasInOrder(text: string, words: readonly string[]): boolean {
  let from = 0;
  return words.every((word) => {
    const at = text.indexOf(word, from);
    from = at + word.length;
    return at >= 0;
  });
}

function fits(text: string, part: Part): boolean {
  return part instanceof RegExp ? part.test(text) : hasInOrder(text, part);
}

/** The text without full stops and blanks at its end. */
function withoutEnd(text: string): string {
  let end = text.length;
  while (end > 0 && ". ".includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** What a status means by itself, when the array's own JSON comes with it. */
const STATUSES: Record<number, Refusal> = {
  401: "session",
  403: "role",
  404: "no such call",
  405: "no such call",
  450: "no such call",
  409: "other",
  412: "other",
  429: "rate",
};

/** The same for the page of whoever stands before the array; none of these is final to callers. */
const FOREIGN_STATUSES: Record<number, Refusal> = { 401: "session", 403: "role", 429: "rate" };

/** What follows from a refusal. */
interface RefusalRow {
  code: ErrorCode;
  /**
   * False when the object's name cannot be the reason (it is neither taken nor missing), so that
   * nothing is gained by reading the object after a status 400.
   */
  mayBeAboutName: boolean;
  /**
   * True when the array says of the call itself that it did nothing. Not for what is about the
   * object's name: that may be taken by what an earlier call made.
   */
  provesNothingMade: boolean;
  /** What to do about it. */
  hint?: string;
}

const ROWS: Record<Refusal, RefusalRow> = {
  missing: { code: "not_found", mayBeAboutName: true, provesNothingMade: false },
  destroyed: { code: "conflict", mayBeAboutName: true, provesNothingMade: false },
  exists: { code: "conflict", mayBeAboutName: true, provesNothingMade: false },
  "initiator taken": { code: "in_use", mayBeAboutName: true, provesNothingMade: false },
  connected: { code: "in_use", mayBeAboutName: true, provesNothingMade: false },
  "other protocol": { code: "conflict", mayBeAboutName: true, provesNothingMade: false },
  limit: {
    code: "exhausted",
    mayBeAboutName: false,
    provesNothingMade: true,
    hint: "eradicate what is destroyed, or use another array: " +
      "destroyed objects count until they are eradicated",
  },
  space: {
    code: "exhausted",
    mayBeAboutName: false,
    provesNothingMade: true,
    hint: "free or add space, or use another array",
  },
  "safe mode": {
    code: "unavailable",
    mayBeAboutName: true,
    provesNothingMade: false,
    hint: "SafeMode is on: what is destroyed keeps its room and its name until its time is over, " +
      "or until somebody recovers it",
  },
  range: { code: "out_of_range", mayBeAboutName: true, provesNothingMade: false },
  session: {
    code: "denied",
    mayBeAboutName: false,
    provesNothingMade: true,
    hint: "check the API token",
  },
  role: {
    code: "denied",
    mayBeAboutName: false,
    provesNothingMade: true,
    hint: "give the token's user the role Storage Admin",
  },
  rate: { code: "busy", mayBeAboutName: false, provesNothingMade: false },
  trouble: { code: "unavailable", mayBeAboutName: false, provesNothingMade: false },
  // Versions are agreed on: whoever does not know our calls is no array, or not now.
  "no such call": { code: "unavailable", mayBeAboutName: false, provesNothingMade: false },
  // Nobody knows what such a text says of the change.
  other: { code: "unavailable", mayBeAboutName: true, provesNothingMade: false },
};

function refusalOf(status: number, { said, isOwn }: Pick<RefusalFacts, "said" | "isOwn">): Refusal {
  if (!isOwn) return FOREIGN_STATUSES[status] ?? "trouble";
  const byStatus = STATUSES[status];
  if (byStatus) return byStatus;
  if (status !== 400) return "trouble";
  const text = withoutEnd(said.toLowerCase());
  return SENTENCES.find(([pattern]) => pattern.test(text))?.[1] ??
    PARTS.find(([parts]) => parts.some((part) => fits(text, part)))?.[1] ?? "other";
}

interface ErrorBody {
  errors?: { message?: unknown; context?: unknown }[];
  message?: unknown;
}

/**
 * Message and context in an error's body: the array's `errors` list, or the gateway's single
 * `message` (403, 429). Both are cut, and shown without our secrets.
 */
function readBody(text: string): Pick<RefusalFacts, "said" | "context" | "isOwn"> {
  const page = { said: foreignText(text.trim(), PAGE_CHARS), context: "" };
  if (text.length > REST_LIMITS.smallAnswerBytes.value) return { ...page, isOwn: false };
  try {
    const body: ErrorBody = JSON.parse(text);
    const first = Array.isArray(body?.errors) ? body.errors[0] : undefined;
    const said = first?.message ?? body?.message;
    return {
      said: typeof said === "string" ? foreignText(said) : "",
      isOwn: typeof said === "string" && said !== "",
      context: typeof first?.context === "string"
        ? foreignText(first.context, REST_LIMITS.nameChars.value)
        : "",
    };
  } catch {
    return { ...page, isOwn: false };
  }
}

/** What is shown of the page of a gateway. */
const PAGE_CHARS = 200;

/** A REST call as messages name it. */
export interface NamedCall {
  /** What messages call the array. */
  array: string;
  /** `POST volumes` */
  call: string;
}

/** The error of an answer that is no success: `array fa-1 refused POST volumes: …`. */
export function restErrorOf(
  response: HttpResponse,
  what: NamedCall,
): RestError {
  const { said, context, isOwn } = readBody(response.text);
  const refusal = refusalOf(response.status, { said, isOwn });
  const about = context === "" ? "" : ` (${context})`;
  const { code, hint } = ROWS[refusal];
  const text = said === ""
    ? `status ${response.status}`
    : `${withoutEnd(said)}${about}, status ${response.status}`;
  const advice = hint === undefined ? "" : `; ${hint}`;
  return new RestError(code, `array ${what.array} refused ${what.call}: ${text}${advice}`, {
    refusal,
    status: response.status,
    said,
    context,
    isOwn,
    retryAfterMs: retryAfterOf(response),
  });
}

/** Longer than this nobody is left alone, whatever the server says. */
const RETRY_AFTER_MAX_MS = 60_000;

/** What `Retry-After` says, in its form of seconds (RFC 9110, 10.2.3). */
function retryAfterOf({ headers }: HttpResponse): number | undefined {
  const seconds = /^\s*(\d{1,9})\s*$/.exec(headers["retry-after"] ?? "")?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds) * 1000, RETRY_AFTER_MAX_MS);
}
