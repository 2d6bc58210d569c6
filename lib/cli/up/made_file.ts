/**
 * Files that `up` makes in the system's folders. Each begins with a line that holds a sum of what
 * follows: so it is known which of them somebody has changed since, and these are left alone.
 */
import { createHash } from "node:crypto";

/** What a file is that stands where `up` would make one. */
export type FileState = "absent" | "same" | "earlier" | "foreign";

const SAYS = "# Made by khachapuri; what you change here is left as it is, and up stops at it.";
const HEAD = /^(# Made by khachapuri; .*) Sum: ([0-9a-f]{16})\n/;

/** A text with the line before it by which it is known again. */
export function madeFile(body: string): string {
  return `${SAYS} Sum: ${sumOf(body)}\n${body}`;
}

/**
 * @param existing what the file says; null: there is none
 * @param wanted what it is to say; null: whatever it says is compared with its own sum alone
 */
export function fileState(existing: string | null, wanted: string | null): FileState {
  if (existing === null) return "absent";
  if (existing === wanted) return "same";
  const [head, says, sum] = HEAD.exec(existing) ?? [];
  return head !== undefined && says === SAYS && sumOf(existing.slice(head.length)) === sum
    ? "earlier"
    : "foreign";
}

function sumOf(body: string): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 16);
}
