const MASK = "[redacted]";
/** What stands for the rest of a text that is too long. */
const CUT = `${MASK}…`;
/** Letters that tokens and keys are made of, in one piece. */
const RUNS = /[A-Za-z0-9_+=-]{10,}/g;
/**
 * Parts of a UUID, which an API token is: two or more of its groups. Each of a fixed length, because
 * one that begins with any number of digits takes the square of a long text.
 */
const UUID_PARTS = [
  /[0-9a-f]{8}-[0-9a-f]{2}/i,
  /[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{3}/i,
  /[0-9a-f]{3}-[0-9a-f]{8}/i,
];
/** What a token without its hyphens, or a part of one, is made of. */
const HEX_PARTS = /[0-9a-f]{10,}/gi;
/** A run of more letters is taken for a secret as it is: nobody chooses such a name. */
const NAME_LETTERS_MAX = 256;
/** Characters of a text that are judged. Whoever shows one shows far fewer. */
export const JUDGED_CHARS_MAX = 8_192;

/**
 * The beginning of a text, as much of it as can be judged in time whatever it holds; the whole text
 * when it is no longer. What was cut in the middle goes as a whole, because half of a token or of a
 * password does not look like one.
 */
export function judgedPart(text: string): string {
  if (text.length <= JUDGED_CHARS_MAX) return text;
  let end = JUDGED_CHARS_MAX - CUT.length;
  while (end > 0 && /[A-Za-z0-9_+=/-]/.test(text.charAt(end - 1))) end--;
  const whole = text.slice(0, end).replace(/(:\/\/)[^\s/@"]*$/, "$1");
  return whole + CUT;
}

/**
 * The text without what looks like a secret, wherever it stands: API tokens, also damaged or cut
 * ones, keys and tokens of other kinds, PEM texts, the password of a URL, what follows a word such
 * as `password:`. It rather takes too much than too little. Of a long text only `judgedPart` is left.
 */
export function withoutSecrets(text: string): string {
  return judgedPart(text)
    .replace(/-----BEGIN[^-]*-----(\s|\\[nr])*[A-Za-z0-9+/=]{8,}[^]*/, MASK)
    .replaceAll(/(:\/\/)[^\s/@"]*@/g, `$1${MASK}@`)
    .replace(
      /(passw\w{0,64}|token|secret|credentials?|api[-_]?key)["'\\]*\s*[:=]\s*[^\s`][^]*/i,
      MASK,
    )
    .replaceAll(RUNS, (run) => isSecretLooking(run) ? MASK : run);
}

/** Whether a piece of letters and digits is no word or name that a person would choose. */
function isSecretLooking(run: string): boolean {
  if (run.length > NAME_LETTERS_MAX) return true;
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
