/** The nearest known word, for "did you mean". */

/** Edit distance (Levenshtein), two rows at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, substitution));
    }
    row = next;
  }
  return row[b.length]!;
}

/** The known word closest to `word`; null when none is close enough to be meant. */
export function nearest(word: string, known: Iterable<string>): string | null {
  const scored = [...known]
    .map((candidate) => ({ candidate, score: distance(word, candidate) }))
    .sort((a, b) => a.score - b.score);
  const best = scored[0];
  return best && best.score <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : null;
}

/** Hints for an unknown word: the nearest one if any, then where the list is. */
export function suggestionHints(
  word: string,
  known: Iterable<string>,
  listed: string,
): readonly string[] {
  const meant = nearest(word, known);
  return meant === null ? [listed] : [`did you mean ${meant}?`, listed];
}
