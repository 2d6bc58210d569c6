/** The nearest known word, for "did you mean". */

/** Edit distance (optimal string alignment): two letters in the wrong order are one slip. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const [row, above] = [[i], rows[i - 1]!];
    for (let j = 1; j <= b.length; j++) {
      const substitution = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(above[j]! + 1, row[j - 1]! + 1, substitution));
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
  }
  return rows.at(-1)!.at(-1)!;
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
