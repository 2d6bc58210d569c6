import assert from "node:assert/strict";
import { join } from "node:path";
import type { Mutant } from "./mutant.ts";
import { mutate } from "./mutant.ts";
import { typescriptMutants } from "./typescript_mutants.ts";

async function mutantsOf(source: string): Promise<Mutant[]> {
  const root = await Deno.makeTempDir({ prefix: "khachapuri-mutants-" });
  try {
    await Deno.writeTextFile(join(root, "a.ts"), source);
    return await typescriptMutants(root, ["a.ts"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** What the body of a function may become. */
async function becomes(body: string): Promise<string[]> {
  return (await mutantsOf(`function f() {\n${body}\n}\n`)).map((mutant) => mutant.becomes);
}

Deno.test("comparisons move by one and turn round, what decides a branch decides always", async () => {
  assert.deepEqual(await becomes("return a < b"), ["return a <= b", "return a >= b"]);
  assert.deepEqual(await becomes("return a !== b"), ["return a === b"]);
  assert.deepEqual(await becomes("if (a >= b) return"), [
    "if (true) return",
    "if (false) return",
    "if (a > b) return",
  ]);
  assert.deepEqual(await becomes("if (!a) return"), ["if (true) return", "if (false) return"]);
  assert.deepEqual(await becomes("while (a) f"), ["while (false) f"]);
  assert.ok((await becomes("return a < 0n ? -1 : 1")).includes("return a <= 0n ? -1 : 1"));
});

Deno.test("of an order only the sign counts", async () => {
  assert.deepEqual(await becomes("return a < b ? -1 : a > b ? 1 : 0"), [
    "return true ? -1 : a > b ? 1 : 0",
    "return false ? -1 : a > b ? 1 : 0",
    "return a <= b ? -1 : a > b ? 1 : 0",
    "return a < b ? 1 : a > b ? 1 : 0",
    "return a < b ? -1 : true ? 1 : 0",
    "return a < b ? -1 : false ? 1 : 0",
    "return a < b ? -1 : a >= b ? 1 : 0",
  ]);
});

Deno.test("the lesser of two equals is either", async () => {
  assert.deepEqual(await becomes("return a < b ? a : b"), [
    "return true ? a : b",
    "return false ? a : b",
  ]);
});

Deno.test("boolean operators, arithmetic, assignments and literals change", async () => {
  assert.deepEqual(await becomes("return a && !b"), ["return a || !b", "return a && b"]);
  assert.deepEqual(await becomes("return a ?? b"), ["return a && b"]);
  assert.deepEqual(await becomes("return a + (b * c)"), [
    "return a - (b * c)",
    "return a + (b / c)",
  ]);
  assert.deepEqual(await becomes("for (;;) a += b"), [
    "for (;;) ;",
    "for (;;) a -= b",
    "for (;;) a = b",
  ]);
  assert.deepEqual(await becomes("return 0n"), ["return 1n"]);
  assert.deepEqual(await becomes("return 1_000n"), ["return 1001n", "return 999n"]);
  assert.deepEqual(await becomes("return true"), ["return false"]);
  assert.deepEqual(await becomes('return "x" + a'), []);
});

Deno.test("words that are picked are lost, keys and sentences are not", async () => {
  assert.deepEqual(await becomes('return { reason: "no_credits" }'), ['return { reason: "" }']);
  assert.deepEqual(await becomes('return { "a": a, b: "a sentence" }'), []);
  assert.deepEqual(await becomes('return a === "each"'), ['return a !== "each"']);
});

Deno.test("statements are left out, and steps of a chain of calls", async () => {
  const source = "  a(b);\n  a = b;\n  await c();\n  if (a) c();\n  const d = a;\n  return d;";
  const left = (await mutantsOf(`async function f() {\n${source}\n}`)).filter(({ to }) =>
    to === ";"
  );
  assert.deepEqual(left.map(({ from }) => from), ["a(b);", "a = b;", "await c();", "c();"]);
  assert.deepEqual(await becomes("return a.filter(b).map(c)"), ["return a.map(c)"]);
  assert.deepEqual(await becomes("return a\n  .catch(b)"), [""]);
  assert.deepEqual(await becomes("return a.some(b)"), ["return a.every(b)"]);
});

Deno.test("types, imports, errors' wording, logs, tunings and options have no mutants", async () => {
  const sources = [
    'import { a } from "a";\nexport { b } from "b";',
    'type A = "a" | 1;\ninterface B { c: 2 }\nlet d: "e";',
    "export const SIZE_MAX = 3;\nconst WAIT_MS = 1_000 * 2;",
    'function f() { throw new KhachapuriError("code", "words", { retryAfterSeconds: 5 }) }',
    'function f() { log.info("words", { a: 1 }); this.#options.log.warn("x") }',
    "const a = { ...(b === undefined ? {} : { b }) };",
    "// a < b\nconst a = `/* 1 + 2 */`;",
  ];
  for (const source of sources) {
    const found = (await mutantsOf(source)).filter(({ from }) => !/^(?:log|this\.)/.test(from));
    assert.deepEqual(found, [], source);
  }
});

Deno.test("a mutant names its function, and which it is among those that read the same", async () => {
  const source = `class A {
  #b(c: number) {
    const d = () => c > 1;
    const e = { f: () => c + 1 };
  }
}
function g(x: boolean) {
  h(x);
  h(x);
}
`;
  const mutants = await mutantsOf(source);
  assert.deepEqual([...new Set(mutants.map(({ within }) => within))], ["A.#b.d", "A.#b.f", "g"]);
  const twins = mutants.filter(({ within }) => within === "g");
  assert.deepEqual(twins.map(({ occurrence }) => occurrence), [undefined, 2]);
  assert.equal(mutate(source, twins[1]!), source.replace("h(x);\n}", ";\n}"));
});

Deno.test("a change that takes several lines is told as one", async () => {
  const [mutant] = await mutantsOf("function f() {\n  g(\n    a,\n  );\n}\n");
  assert.deepEqual([mutant!.line, mutant!.becomes], ["g( a, );", ";"]);
});

Deno.test("a source that cannot be read is an error", async () => {
  await assert.rejects(() => mutantsOf("function {"));
});
