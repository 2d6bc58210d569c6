/**
 * JSON as PostgreSQL's jsonb takes it. Words of others (a chain's, a program's, a caller's) may
 * have what it refuses, NUL and halves of surrogate pairs: a result that can't be written would
 * have its work done again and again. They are told with U+FFFD in the place of those.
 */

/** For a parameter that is cast by `$n::text::jsonb`. */
export function jsonbText(value: unknown): string {
  return JSON.stringify(value, (_, each) => typeof each === "string" ? speakable(each) : each);
}

function speakable(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "\ufffd");
}
