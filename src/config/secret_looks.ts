const MASK = "[redacted]";
/** Letters that tokens and keys are made of, in one piece. */
const RUNS = /[A-Za-z0-9_+=-]{10,}/g;
/** Parts of a UUID, which an API token is: two or more of its groups. */
const UUID_PARTS = [
  /[0-9a-f]{8}-[0-9a-f]{2,}/i,
  /[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{3,}/i,
  /[0-9a-f]{3,}-[0-9a-f]{8,}/i,
];
/** What a token without its hyphens, or a part of one, is made of. */
const HEX_PARTS = /[0-9a-f]{10,}/gi;

/**
 * The text without what looks like a secret, wherever it stands: API tokens, also damaged or cut
 * ones, keys and tokens of other kinds, PEM texts, the password of a URL, what follows a word such
 * as `password:`. It rather takes too much than too little.
 */
export function withoutSecrets(text: string): string {
  return text
    .replace(/-----BEGIN[^-]*-----(\s|\\[nr])*[A-Za-z0-9+/=]{8,}[^]*/, MASK)
    .replaceAll(/(:\/\/)[^\s/@"]*@/g, `$1${MASK}@`)
    .replace(/(passw\w*|token|secret|credentials?|api[-_]?key)["'\\]*\s*[:=]\s*[^\s`][^]*/i, MASK)
    .replaceAll(RUNS, (run) => isSecretLooking(run) ? MASK : run);
}

/** Whether a piece of letters and digits is no word or name that a person would choose. */
function isSecretLooking(run: string): boolean {
  if (UUID_PARTS.some((part) => part.test(run)) && /\d/.test(run)) return true;
  const letters = run.replaceAll(/[_+=-]/g, "");
  const parts = letters.match(HEX_PARTS) ?? [];
  if (parts.some((part) => digitsIn(part) >= 2 && digitsIn(part) < part.length)) return true;
  const digits = digitsIn(letters);
  const hex = letters.replaceAll(/[^0-9a-f]/gi, "").length;
  if (letters.length >= 16 && hex >= 0.8 * letters.length) return digits >= 4;
  const isMixed = /[a-z]/.test(letters) && /[A-Z]/.test(letters) && digits > 0;
  return letters.length >= 24 && isMixed || letters.length >= 32 && digits >= 6;
}

function digitsIn(text: string): number {
  return text.replaceAll(/\D/g, "").length;
}
