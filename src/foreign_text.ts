import { longestSecret, maskSecrets } from "./secret.ts";

/** What is kept of a text that somebody else wrote. */
export const FOREIGN_TEXT_CHARS = 1024;

/**
 * What messages may show of a text that an array, a proxy, a certificate or a tool wrote: its first
 * kilobyte, on one line, with no secret of ours in it, not even the beginning of one.
 */
export function foreignText(text: string, maxChars: number = FOREIGN_TEXT_CHARS): string {
  if (text.length <= maxChars) return onOneLine(maskSecrets(text));
  // Masked before it is cut: a secret that the cut goes through would not be found any more.
  const window = text.slice(0, maxChars + longestSecret());
  const masked = maskSecrets(window);
  const whole = window.length < text.length ? masked.length - longestSecret() : masked.length;
  return `${onOneLine(masked.slice(0, Math.max(0, Math.min(whole, maxChars - 1))))}…`;
}

function onOneLine(text: string): string {
  return text.toWellFormed().replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
