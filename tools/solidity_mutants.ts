/**
 * Mutants of Solidity sources: each differs from its source in one token, or lacks one statement.
 */

import { type Mutant, mutantAt } from "./mutant.ts";

/** Tokens and what may stand in their place. */
const REPLACEMENTS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "==": ["!=", "<=", ">="],
  "!=": ["==", "<", ">"],
  "+": ["-"],
  "-": ["+"],
  "*": ["/", "+"],
  "/": ["*"],
  "%": ["*"],
  "<<": [">>"],
  ">>": ["<<"],
  "&": ["|"],
  "|": ["&"],
  "++": ["--"],
  "--": ["++"],
  "+=": ["-=", "="],
  "-=": ["+=", "="],
  "&&": ["||"],
  "||": ["&&"],
  "!": [""],
  true: ["false"],
  false: ["true"],
  max: ["min"],
  min: ["max"],
  seconds: ["minutes"],
  minutes: ["seconds"],
  hours: ["minutes"],
  days: ["hours"],
  weeks: ["days"],
  unchecked: [""],
  // Modifiers without arguments.
  nonReentrant: [""],
  onlyOwner: [""],
  // Assembly.
  lt: ["gt"],
  gt: ["lt"],
  and: ["or"],
  or: ["and"],
  add: ["sub"],
  sub: ["add"],
};

const SPACE_OR_COMMENT = /\s+|\/\/.*|\/\*[^]*?\*\//y;
const TOKEN = new RegExp(
  [
    String.raw`"(?:[^"\\\n]|\\.)*"`,
    "0x[0-9a-fA-F]+",
    String.raw`\d[\d_.]*`,
    String.raw`[A-Za-z_$][\w$]*`,
    "=>|:=|<<|>>|&&|\\|\\||\\+\\+|--|[<>=!+\\-*/%&|^]=",
    "[^]",
  ].join("|"),
  "y",
);

interface Token {
  text: string;
  offset: number;
}

function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  while (offset < source.length) {
    SPACE_OR_COMMENT.lastIndex = offset;
    const skipped = SPACE_OR_COMMENT.exec(source)?.[0];
    if (skipped === undefined) {
      TOKEN.lastIndex = offset;
      tokens.push({ text: TOKEN.exec(source)![0], offset });
    }
    offset += skipped?.length ?? tokens.at(-1)!.text.length;
  }
  return tokens;
}

/** Without what only names other files or the compiler. */
function withoutDirectives(tokens: readonly Token[]): Token[] {
  let isDirective = false;
  return tokens.filter(({ text }) => {
    isDirective ||= text === "import" || text === "pragma";
    const isKept = !isDirective;
    if (text === ";") isDirective = false;
    return isKept;
  });
}

/** A number one greater and, where there is one, one smaller, as it is written. */
function neighboursOf(text: string): string[] {
  const value = BigInt(text.replaceAll("_", ""));
  const written = (n: bigint) => text.startsWith("0x") ? `0x${n.toString(16)}` : `${n}`;
  return value === 0n ? [written(1n)] : [written(value + 1n), written(value - 1n)];
}

/** `assembly ("memory-safe")` is the compiler's. */
const COMPILERS_WORD = '"memory-safe"';

function replacementsOf(text: string): readonly string[] {
  if (text === COMPILERS_WORD) return [];
  if (/^\d/.test(text)) return neighboursOf(text);
  // The first character goes; what is empty gets one.
  if (text.startsWith('"')) return [text === '""' ? '"x"' : `"${text.slice(2)}`];
  return Object.hasOwn(REPLACEMENTS, text) ? REPLACEMENTS[text]! : [];
}

/** A statement of one line that the rest compiles without: no declaration, no last `return`. */
const STATEMENT = new RegExp(
  "^ +(?<statement>(?:" + [
    String.raw`if \(.*\) return .*`,
    String.raw`(?:if \(.*\) )?(?:revert|emit) .*`,
    String.raw`(?:if \(.*\) )?\w[\w.]*\(.*\)`,
    String.raw`(?:if \(.*\) )?(?:[\w.[\]]+|\([\w.]+(?:, [\w.]+)*\)) [+-]?= .*`,
  ].join("|") + ");)$",
  "gm",
);

function statementsOf(source: string): Token[] {
  return [...source.matchAll(STATEMENT)].map(({ index, 0: line, groups }) => {
    const text = groups!.statement!;
    return { text, offset: index + line.length - text.length };
  });
}

/** No number of ours has a sign: against zero these say the same. */
const SAME_AGAINST_ZERO: Readonly<Record<string, string>> = { "==": "<=", "!=": ">" };

function isZero(following: readonly Token[]): boolean {
  const text = following.map((token) => token.text).join("");
  return following[0]?.text === "0" || text === "address(0)";
}

function mutantsOfTokens(file: string, source: string): Mutant[] {
  const tokens = withoutDirectives(tokensOf(source));
  return tokens.flatMap(({ text, offset }, index) => {
    const same = isZero(tokens.slice(index + 1, index + 5)) && SAME_AGAINST_ZERO[text];
    return replacementsOf(text).filter((to) => to !== same).map((to) =>
      mutantAt(file, source, offset, text, to)
    );
  });
}

/** Every mutant of one source: of its tokens first, then of its statements. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const ofStatements = statementsOf(source).map(({ text, offset }) =>
    mutantAt(file, source, offset, text, "")
  );
  return [...mutantsOfTokens(file, source), ...ofStatements];
}
