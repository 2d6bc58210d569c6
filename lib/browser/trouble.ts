/** What went wrong, in words for the person before the page. */

/** Its message is shown as it is; what it leaves open, `hint` says what to do about. */
export class Trouble extends Error {
  constructor(message: string, readonly hint: string = "") {
    super(message);
  }
}

/** Any failure as one line, or two. */
export function wordsOf(error: unknown): string {
  if (error instanceof Trouble) {
    return error.hint ? `${error.message} ${error.hint}` : error.message;
  }
  return `It did not work: ${error instanceof Error ? error.message : String(error)}`;
}
