import { messageOf } from "../../errors.ts";
import { redactedText } from "./redaction.ts";

/** One file of a bundle, with nothing secret in its text. */
export interface BundleFile {
  /** With `/` between folders. */
  path: string;
  text: string;
}

/** What stands in the place of a text that could not be read. */
export function notRead(error: unknown): string {
  return `not read: ${redactedText(messageOf(error))}\n`;
}
