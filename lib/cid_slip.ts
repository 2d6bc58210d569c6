/** What people get wrong when they copy or type a CID, told by its letters alone. */

/** The kinds that people meet: version 1 in base32, raw or dag-pb, and version 0. */
const KINDS = [
  { begins: /^baf(kre|ybe)/, characters: 59, other: /[^a-z2-7]/, letters: "a to z and 2 to 7" },
  { begins: /^Qm/, characters: 46, other: /[0OIl]/, letters: "all but 0, O, I and l" },
] as const;

/** @returns what is wrong with a text that is no CID; null: nothing that its letters show */
export function cidSlip(text: string): string | null {
  if (text === "") return "it is empty";
  if (/\s/.test(text)) return "it has a space in it";
  if (/…|\.\.\.$/.test(text)) return "it is cut short";
  if (text.includes("/")) return "it has more than a CID in it";
  const [odd] = /[^A-Za-z0-9]/.exec(text) ?? [];
  if (odd !== undefined) return `it has ${JSON.stringify(odd)} in it`;
  if (/^baf/i.test(text) && text !== text.toLowerCase()) return "it has capital letters in it";
  if (/^q/i.test(text) && !text.startsWith("Qm")) return "it does not begin with Qm";
  const kind = KINDS.find(({ begins }) => begins.test(text));
  if (!kind) return /^(baf|k|z)/.test(text) ? null : "it does not begin as one";
  const [wrong] = kind.other.exec(text) ?? [];
  if (wrong !== undefined) return `it has "${wrong}" in it, and its letters are ${kind.letters}`;
  if (text.length === kind.characters) return null;
  return `it has ${text.length} characters, and one that begins so has ${kind.characters}`;
}
