/** What `deploy --name` says of the name that it has moved. */
import type { CidText } from "../cid.ts";
import type { KhachapuriError } from "../errors.ts";
import { type Moved, movedJson, movedLines } from "./name_move.ts";

/** What came of moving a name. */
export interface NamePointed {
  name: string;
  urls: readonly string[];
  before: CidText | null;
  moved: readonly Moved[];
  /** Why it was not moved everywhere; null when it was. */
  failure: KhachapuriError | null;
}

/** For `--json`. */
export function pointedJson({ name, urls, before, moved, failure }: NamePointed) {
  return { name, urls, before, places: movedJson(moved), error: failure?.code ?? null };
}

/** What is told of it, and of what it led to before. */
export function pointedLines({ name, before, moved }: NamePointed, cid: CidText): string[] {
  if (moved.length === 0) return [];
  const left = before === null || before === cid ? [] : [
    `before      ${before} ends its calls, and still answers at its cid`,
    `back again  khachapuri rollback ${name}`,
  ];
  return [...movedLines(moved), ...left];
}
