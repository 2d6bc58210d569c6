/** Which of two versions is the later one, by Semantic Versioning 2.0.0, section 11. */

/** Negative where `one` comes before `other`, positive where it comes after it, else 0. */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [split(one), split(other)];
  const byNumbers = compareLists(a.numbers, b.numbers);
  if (byNumbers !== 0) return byNumbers;
  // What leads up to a version comes before it.
  if (a.before.length === 0 || b.before.length === 0) return b.before.length - a.before.length;
  return compareLists(a.before, b.before);
}

function split(version: string) {
  const [, numbers = "", before = ""] = /^([0-9.]+)(?:-([^+]*))?/.exec(version) ?? [];
  return { numbers: numbers.split("."), before: before === "" ? [] : before.split(".") };
}

function compareLists(one: readonly string[], other: readonly string[]): number {
  for (const [index, word] of one.entries()) {
    const against = other[index];
    if (against === undefined) return 1;
    const order = compareWords(word, against);
    if (order !== 0) return order;
  }
  return one.length - other.length;
}

/** Numbers by their size and before words; words as they are spelled. */
function compareWords(one: string, other: string): number {
  const [isNumber, isOtherNumber] = [one, other].map((word) => /^[0-9]+$/.test(word));
  if (isNumber && isOtherNumber) return Number(one) - Number(other);
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
  return one < other ? -1 : one > other ? 1 : 0;
}
