import { PsoError } from "./errors.ts";
import { Secret } from "./secret.ts";

/** One side's proof in CHAP (RFC 7143, 12.1.3). */
interface ChapLogin {
  user: string;
  password: Secret;
}

/**
 * How node and array prove to each other who they are. The node always does; the array does so too
 * when `target` is given (mutual CHAP).
 */
export interface ChapCredentials {
  host: ChapLogin;
  target?: ChapLogin;
}

/**
 * Keys of a Secret of type kubernetes.io/iscsi-chap. Those with `_in` are the target's own proof
 * (iscsid.conf(5)).
 */
const KEYS = {
  host: { user: "node.session.auth.username", password: "node.session.auth.password" },
  target: { user: "node.session.auth.username_in", password: "node.session.auth.password_in" },
};
/** What a FlashArray takes as a CHAP password (REST 2, schema _chap). */
const PASSWORD = /^[\x21-\x7e]{12,255}$/;

/**
 * The CHAP credentials among the secrets of a CSI call; `undefined` when it has none. Other keys
 * are ignored. `invalid` for credentials that are incomplete or that no array takes; the
 * message never holds a value.
 */
export function chapOf(secrets: Record<string, string>): ChapCredentials | undefined {
  const host = loginOf(secrets, KEYS.host);
  const target = loginOf(secrets, KEYS.target);
  if (!host) {
    if (target) {
      throw invalid(
        `${KEYS.host.user} is missing: the array proves itself only to a node that does so ` +
          "first; add the node's own user name and password",
      );
    }
    return undefined;
  }
  if (target?.password.reveal() === host.password.reveal()) {
    throw invalid(
      `${KEYS.host.password} and ${KEYS.target.password} are the same, and an array takes ` +
        "only two that differ: choose another one",
    );
  }
  return target ? { host, target } : { host };
}

function loginOf(
  secrets: Record<string, string>,
  keys: { user: string; password: string },
): ChapLogin | undefined {
  const [user, password] = [secrets[keys.user], secrets[keys.password]];
  if (!user && !password) return undefined;
  if (!user) throw invalid(`${keys.user} is missing beside ${keys.password}: add it`);
  if (!password) throw invalid(`${keys.password} is missing beside ${keys.user}: add it`);
  if (/\s/.test(user)) {
    throw invalid(
      `${keys.user} holds a space or the end of a line: write it with stringData, or encode it ` +
        "with printf",
    );
  }
  if (!PASSWORD.test(password)) {
    throw invalid(
      `${keys.password} has ${password.length} characters, and 12 to 255 plain ones without a ` +
        "space or the end of a line are wanted",
    );
  }
  return { user, password: new Secret(password) };
}

function invalid(why: string): PsoError {
  return new PsoError("invalid", `CHAP credentials in the secret cannot be used: ${why}`);
}
