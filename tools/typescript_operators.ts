/**
 * What may be changed in a TypeScript source. A plugin of `deno lint`, whose parser is the one that
 * every Deno has: each report's message is a `Change` as JSON.
 */

/** One change of a source: what lies from `from` to `until` (UTF-16 units) becomes `to`. */
export interface Change {
  from: number;
  until: number;
  to: string;
  /** The function that holds it, with its class; empty outside of any. */
  within: string;
}

type Node = Deno.lint.Node;
type Source = Deno.lint.SourceCode;

/** Comparisons that are neighbours: where the boundary lies. */
const BOUNDARIES: Readonly<Record<string, string>> = { "<": "<=", "<=": "<", ">": ">=", ">=": ">" };
const OPPOSITES: Readonly<Record<string, string>> = {
  "<": ">=",
  "<=": ">",
  ">": "<=",
  ">=": "<",
  "===": "!==",
  "!==": "===",
};
const ARITHMETIC: Readonly<Record<string, string>> = {
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "<<": ">>",
  ">>": "<<",
  "&": "|",
  "|": "&",
};
const ASSIGNMENTS: Readonly<Record<string, readonly string[]>> = {
  "+=": ["-=", "="],
  "-=": ["+=", "="],
  "??=": ["="],
  "||=": ["="],
  "&&=": ["="],
};
const LOGICAL: Readonly<Record<string, string>> = { "&&": "||", "||": "&&", "??": "&&" };
const METHODS: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  min: "max",
  max: "min",
};
/** Calls that pass on what they are called on, more or less. */
const STEPS = new Set(["filter", "slice", "sort", "toSorted", "catch", "finally"]);

/** Types around an expression; all else that begins so is gone at run time. */
const TYPED = new Set(["TSAsExpression", "TSNonNullExpression", "TSSatisfiesExpression"]);
const ERRORS = new Set(["KhachapuriError", "Error"]);
const TUNING = /^[A-Z][A-Z\d_]*$/;

function parentOf(node: Node): Node | null {
  return "parent" in node ? node.parent as Node | null : null;
}

function* upFrom(node: Node): Iterable<Node> {
  for (let up: Node | null = node; up; up = parentOf(up)) yield up;
}

/**
 * Types and imports do nothing, an error's wording and a log's lines are for people, and a constant
 * of a module is a choice.
 */
function isOutOfScope(node: Node): boolean {
  return [...upFrom(node)].some((up) => {
    if (up.type.startsWith("TS")) return !TYPED.has(up.type);
    if (up.type === "ImportDeclaration" || up.type === "ExportNamedDeclaration" && up.source) {
      return true;
    }
    if (up.type === "NewExpression") {
      return up.callee.type === "Identifier" && ERRORS.has(up.callee.name);
    }
    if (up.type === "CallExpression") return isLog(up.callee);
    // An option that is passed on or not: `...(a === undefined ? {} : { a })`.
    if (up.type === "SpreadElement") return up.argument.type === "ConditionalExpression";
    return up.type === "VariableDeclarator" && isTuning(up);
  });
}

function isLog(callee: Node): boolean {
  if (callee.type !== "MemberExpression") return false;
  const { object } = callee;
  return object.type === "Identifier" && object.name === "log" ||
    object.type === "MemberExpression" && object.property.type === "Identifier" &&
      object.property.name === "log";
}

function isTuning({ id, parent }: Deno.lint.VariableDeclarator): boolean {
  const outer = parentOf(parent)?.type;
  return (outer === "Program" || outer === "ExportNamedDeclaration") &&
    id.type === "Identifier" && TUNING.test(id.name);
}

function nameOf(node: Node): string | null {
  switch (node.type) {
    case "ClassDeclaration":
    case "FunctionDeclaration":
      return node.id?.name ?? null;
    case "MethodDefinition":
    case "PropertyDefinition":
    case "Property":
      return isNaming(node) ? keyOf(node.key) : null;
    case "VariableDeclarator":
      return node.init?.type === "ArrowFunctionExpression" && node.id.type === "Identifier"
        ? node.id.name
        : null;
    default:
      return null;
  }
}

/** A property names what it holds where that is a function. */
function isNaming(
  node: Deno.lint.MethodDefinition | Deno.lint.PropertyDefinition | Deno.lint.Property,
): boolean {
  if (node.type !== "Property") return true;
  return node.value.type === "FunctionExpression" || node.value.type === "ArrowFunctionExpression";
}

function keyOf(key: Node): string | null {
  if (key.type === "Identifier") return key.name;
  return key.type === "PrivateIdentifier" ? `#${key.name.replace(/^#/, "")}` : null;
}

function withinOf(node: Node): string {
  return [...upFrom(node)].map(nameOf).filter((name) => name !== null).reverse().join(".");
}

type Span = Omit<Change, "to" | "within">;

/** Where an operator stands between its operands. */
function operatorSpan(source: Source, left: Node, operator: string): Span {
  const from = source.text.indexOf(operator, left.range[1]);
  return { from, until: from + operator.length };
}

const spanOf = ({ range: [from, until] }: Node): Span => ({ from, until });

function isTestOf(node: Node): boolean {
  const parent = parentOf(node);
  return parent !== null &&
    (parent.type === "IfStatement" || parent.type === "ConditionalExpression") &&
    parent.test.range[0] === node.range[0] && parent.test.range[1] === node.range[1];
}

function isText(node: Node): boolean {
  return node.type === "TemplateLiteral" ||
    node.type === "Literal" && "value" in node && typeof node.value === "string";
}

function comparisonsOf(node: Deno.lint.BinaryExpression, source: Source): string[] {
  const boundary = isOfLesserOrGreater(node, source) ? undefined : BOUNDARIES[node.operator];
  // What decides a branch is replaced as a whole, which says more than its opposite.
  const opposite = isTestOf(node) ? undefined : OPPOSITES[node.operator];
  return [boundary, opposite].filter((operator) => operator !== undefined);
}

/** `a < b ? a : b`: where both are equal, either will do. */
function isOfLesserOrGreater(node: Deno.lint.BinaryExpression, source: Source): boolean {
  const parent = parentOf(node);
  if (parent?.type !== "ConditionalExpression" || !isTestOf(node)) return false;
  const compared = [node.left, node.right].map((side) => source.getText(side));
  return [parent.consequent, parent.alternate].every((side) =>
    compared.includes(source.getText(side))
  );
}

function binaryChanges(node: Deno.lint.BinaryExpression, source: Source): string[] {
  if (node.operator in OPPOSITES) return comparisonsOf(node, source);
  if (node.operator === "+" && (isText(node.left) || isText(node.right))) return [];
  const other = ARITHMETIC[node.operator];
  return other === undefined ? [] : [other];
}

const WHOLE = /^(?:0x[\da-f]+|\d[\d_]*)n?$/i;
const ONE_WORD = /^[A-Za-z_]\w*$/;

function literalChanges(node: Node & { type: "Literal" }): string[] {
  const { raw } = node;
  if (isOfOrder(node)) return [];
  if (raw === "true") return ["false"];
  if (raw === "false") return ["true"];
  if (WHOLE.test(raw)) return neighboursOf(raw);
  return "value" in node && typeof node.value === "string" && isPicked(node) &&
      ONE_WORD.test(node.value)
    ? ['""']
    : [];
}

/** `a < b ? -1 : 1`: a sort asks for the sign alone. */
function isOfOrder(node: Node): boolean {
  const parent = parentOf(node)!;
  const branch = parent.type === "UnaryExpression" ? parent : node;
  const choice = parentOf(branch);
  if (choice?.type !== "ConditionalExpression" || choice.test === branch) return false;
  return [choice, parentOf(choice)].some((each) =>
    each?.type === "ConditionalExpression" && isMinusOne(each.consequent)
  );
}

function isMinusOne(node: Node): boolean {
  return node.type === "UnaryExpression" && node.operator === "-" &&
    node.argument.type === "Literal" && node.argument.raw === "1";
}

/** One greater and, where there is one, one smaller. */
function neighboursOf(raw: string): string[] {
  const suffix = raw.endsWith("n") ? "n" : "";
  const value = BigInt(raw.replaceAll("_", "").replace(/n$/, ""));
  return value === 0n ? [`1${suffix}`] : [`${value + 1n}${suffix}`, `${value - 1n}${suffix}`];
}

/** A word that stands for one of several: no key, and not what a comparison is with. */
function isPicked(node: Node): boolean {
  const parent = parentOf(node)!;
  if (parent.type === "Property") return parent.value.range[0] === node.range[0];
  return parent.type !== "BinaryExpression" && parent.type !== "MemberExpression" &&
    parent.type !== "MethodDefinition" && parent.type !== "PropertyDefinition";
}

/** A statement that the rest runs without. */
function isDispensable({ expression, parent }: Deno.lint.ExpressionStatement): boolean {
  const isAlone = parent.type === "BlockStatement" || parent.type === "SwitchCase";
  const inner = expression.type === "AwaitExpression" ? expression.argument : expression;
  const isCallOfSuper = inner.type === "CallExpression" && inner.callee.type === "Super";
  return !isCallOfSuper && (isAlone || parent.type === "IfStatement" || isLoop(parent));
}

function isLoop({ type }: Node): boolean {
  return type === "ForStatement" || type === "ForOfStatement";
}

function rule(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const { sourceCode } = context;
  const change = (node: Node, span: Span, replacements: readonly string[]) => {
    if (replacements.length === 0 || isOutOfScope(node)) return;
    const within = withinOf(node);
    for (const to of replacements) {
      context.report({ node, message: JSON.stringify({ ...span, to, within } satisfies Change) });
    }
  };
  const operator = (
    node: Node & { left: Node; operator: string },
    replacements: readonly string[],
  ) => change(node, operatorSpan(sourceCode, node.left, node.operator), replacements);
  const decide = (test: Node, answers: readonly string[]) => change(test, spanOf(test), answers);
  return {
    BinaryExpression: (node) => operator(node, binaryChanges(node, sourceCode)),
    LogicalExpression: (node) => operator(node, [LOGICAL[node.operator]!]),
    AssignmentExpression: (node) => operator(node, ASSIGNMENTS[node.operator] ?? []),
    UnaryExpression(node) {
      const isSign = node.operator === "!" && !isTestOf(node) || node.operator === "-";
      const [from] = node.range;
      if (isSign) change(node, { from, until: from + 1 }, [""]);
    },
    UpdateExpression(node) {
      const from = node.prefix ? node.range[0] : node.range[1] - 2;
      change(node, { from, until: from + 2 }, [node.operator === "++" ? "--" : "++"]);
    },
    IfStatement: ({ test }) => decide(test, ["true", "false"]),
    ConditionalExpression: ({ test }) => decide(test, ["true", "false"]),
    WhileStatement: ({ test }) => decide(test, ["false"]),
    ExpressionStatement(node) {
      if (isDispensable(node)) change(node.expression, spanOf(node), [";"]);
    },
    Literal: (node) => change(node, spanOf(node), literalChanges(node)),
    CallExpression(node) {
      const { callee } = node;
      if (callee.type !== "MemberExpression" || callee.property.type !== "Identifier") return;
      const { name, range } = callee.property;
      if (Object.hasOwn(METHODS, name)) change(node, spanOf(callee.property), [METHODS[name]!]);
      if (!STEPS.has(name)) return;
      const from = sourceCode.text.lastIndexOf(".", range[0]);
      change(node, { from, until: node.range[1] }, [""]);
    },
  };
}

export default {
  name: "mutants",
  rules: { change: { create: rule } },
} satisfies Deno.lint.Plugin;
