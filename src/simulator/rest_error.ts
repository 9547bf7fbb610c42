import { isPsoError } from "../errors.ts";

/** An error answer of an array: status, text, and `context`, the name of the object it is about. */
export class RestError extends Error {
  override readonly name = "RestError";
  constructor(readonly status: number, message: string, readonly context: string | null = null) {
    super(message);
  }

  /** Set for the few errors that name where they were found and no object. */
  location: { resource_type: string; name: string; id: string | null } | undefined;
}

/** The usual functional error: 400 with the object's name as context, "not found" included. */
export function refused(message: string, context: string | null = null): RestError {
  return new RestError(400, message, context);
}

/**
 * Runs work on images; a size that this host cannot hold becomes the array's own "no space" for the
 * object of that name.
 */
export async function onImages(name: string, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isPsoError(error, "exhausted")) throw error;
    throw refused(`Insufficient space: ${error.message}.`, name);
  }
}

/**
 * The body of an error answer. 403 and 429 come from the gateway in front of the array and carry a
 * top-level `message`; all others a list `errors`. The vendor's SDK reads them so.
 */
export function errorBody(error: RestError): unknown {
  if (error.status === 403 || error.status === 429) return { message: error.message };
  const { context, location, message } = error;
  if (location !== undefined) return { errors: [{ message, location_context: location }] };
  return { errors: [{ context, message }] };
}
