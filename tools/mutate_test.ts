import assert from "node:assert/strict";
import { outcomeOf } from "./contract_mutants.ts";
import { mutate } from "./mutant.ts";
import { complaintsOf, entryOf, type Outcome, type Result, summaryOf } from "./mutation.ts";
import { seedOfDay, shuffled } from "./sample.ts";
import { mutantsOf } from "./solidity_mutants.ts";

/** The lines that the mutants of a one-line source have in its place. */
const becomes = (source: string) => mutantsOf("a.sol", source).map((mutant) => mutant.becomes);

Deno.test("comparisons move by one and turn round", () => {
  assert.deepEqual(becomes("a < b"), ["a <= b", "a >= b"]);
  assert.deepEqual(becomes("a >= b"), ["a > b", "a < b"]);
  assert.deepEqual(becomes("a != b"), ["a == b", "a < b", "a > b"]);
});

Deno.test("against zero, numbers without a sign are equal or above", () => {
  assert.deepEqual(becomes("a != 0")[0], "a == 0");
  assert.ok(!becomes("a != 0").includes("a > 0"));
  assert.ok(!becomes("a == address(0)").includes("a <= address(0)"));
  assert.ok(becomes("a == b").includes("a <= b"));
});

Deno.test("arithmetic, assignment and boolean operators change", () => {
  assert.deepEqual(becomes("a + b"), ["a - b"]);
  assert.deepEqual(becomes("a += b"), ["a -= b", "a = b"]);
  assert.deepEqual(becomes("a << b"), ["a >> b"]);
  assert.deepEqual(becomes("a && !b"), ["a || !b", "a && b"]);
  assert.deepEqual(becomes("return true"), ["return false"]);
});

Deno.test("numbers move by one as they are written, and units of time change", () => {
  assert.deepEqual(becomes("f(0)"), ["f(1)"]);
  assert.deepEqual(becomes("f(1_000)"), ["f(1001)", "f(999)"]);
  assert.deepEqual(becomes("f(0x1f)"), ["f(0x20)", "f(0x1e)"]);
  assert.deepEqual(becomes("x = 3 days"), ["x = 4 days", "x = 2 days", "x = 3 hours"]);
});

Deno.test("words that guard are left out", () => {
  assert.deepEqual(becomes("f() external nonReentrant {"), ["f() external  {"]);
  assert.deepEqual(becomes("unchecked { x; }"), ["{ x; }"]);
});

Deno.test("strings lose their first character", () => {
  assert.deepEqual(becomes('keccak256("url")'), ['keccak256("rl")']);
  assert.deepEqual(becomes('return "";'), ['return "x";']);
});

Deno.test("comments, directives, arrows, types and names have no mutants", () => {
  assert.deepEqual(becomes("// a < b\n/* a < b\n + 1 */"), []);
  assert.deepEqual(becomes('pragma solidity 0.8.30;\nimport {A} from "./A.sol";'), []);
  assert.deepEqual(becomes("mapping(address => uint256) x1;"), []);
  assert.deepEqual(becomes('assembly ("memory-safe") { x := y }'), []);
});

Deno.test("a statement of one line is left out, a declaration and a last return are not", () => {
  const source = [
    "    emit Deposited(a, b);",
    "    if (isWrong) revert Wrong(a);",
    "    if (isWrong) return a;",
    "    balances[a] = b;",
    "    (held.price, held.credits) = (a, b);",
    "    _debit(a, b);",
    "    uint256 x = y;",
    "    return a;",
  ].join("\n");
  const left = mutantsOf("a.sol", source).filter(({ to }) => to === "");
  assert.deepEqual(left.map(({ lineNumber }) => lineNumber), [1, 2, 3, 4, 5, 6]);
  assert.ok(left.every(({ becomes }) => becomes === ""));
});

Deno.test("a mutant says where it is and differs from its source there alone", () => {
  const source = "contract A {\n    x = a + b - c;\n}\n";
  const [plus, minus] = mutantsOf("a.sol", source);
  assert.equal(mutate(source, plus!), "contract A {\n    x = a - b - c;\n}\n");
  assert.equal(mutate(source, minus!), "contract A {\n    x = a + b + c;\n}\n");
  assert.deepEqual([minus!.lineNumber, minus!.line], [2, "x = a + b - c;"]);
});

const [mutant] = mutantsOf("a.sol", "a < b");
const result = (outcome: Outcome): Result => ({ mutant: mutant!, outcome });
const named = { file: "a.sol", line: "a < b", becomes: "a <= b", reason: "never equal" };

Deno.test("a survivor without a name is a complaint, one with a name is none", () => {
  assert.match(complaintsOf([mutant!], [result("survived")], [])[0]!, /^no test notices a\.sol:1/);
  assert.deepEqual(complaintsOf([mutant!], [result("survived")], [named]), []);
  for (const outcome of ["killed", "invalid", "equal"] as const) {
    assert.deepEqual(complaintsOf([mutant!], [result(outcome)], []), []);
  }
});

Deno.test("a name whose mutant is noticed or gone is a complaint", () => {
  const stale = /^named as a survivor and none/;
  assert.match(complaintsOf([mutant!], [result("killed")], [named])[0]!, stale);
  for (const gone of [{ ...named, becomes: "a ? b" }, { ...named, file: "b.sol" }]) {
    const complaints = complaintsOf([mutant!], [result("survived")], [named, gone]);
    assert.equal(complaints.length, 1);
    assert.match(complaints[0]!, stale);
  }
});

Deno.test("a name is kept while one of its mutants was not run, or survived", () => {
  const second = { ...mutant!, offset: 9 };
  assert.deepEqual(complaintsOf([mutant!], [], [named]), []);
  assert.deepEqual(complaintsOf([mutant!, second], [result("killed")], [named]), []);
  const both = [result("killed"), { mutant: second, outcome: "survived" as const }];
  assert.deepEqual(complaintsOf([mutant!, second], both, [named]), []);
});

Deno.test("a name is of one function, and of one of the places there that read the same", () => {
  const survived = { ...mutant!, within: "f", occurrence: 2 };
  const complaintsFor = (changes: object) =>
    complaintsOf([survived], [{ mutant: survived, outcome: "survived" }], [{
      ...entryOf(survived),
      reason: "never equal",
      ...changes,
    }]);
  assert.deepEqual(complaintsFor({}), []);
  for (const changes of [{ within: "g" }, { occurrence: 3 }]) {
    assert.equal(complaintsFor(changes).length, 2, "unnoticed, and a name without a survivor");
  }
});

Deno.test("what has to be noticed has no excuse", () => {
  const must = { ...mutant!, name: "price ignored" };
  const complaints = complaintsOf([must], [{ mutant: must, outcome: "survived" }], [named]);
  assert.match(complaints[0]!, /^no test notices a\.sol:1 "price ignored"/);
});

Deno.test("a seed draws the same, another one others, and those with a name come first", () => {
  const mutants = Array.from({ length: 50 }, (_, n) => ({ ...mutant!, line: `a < ${n}` }));
  const must = { ...mutant!, name: "price ignored" };
  const drawn = (seed: number) => shuffled([...mutants, must], seed).map(({ line }) => line);
  assert.deepEqual(drawn(1), drawn(1));
  assert.notDeepEqual(drawn(1), drawn(2));
  assert.deepEqual(drawn(1).toSorted(), [...mutants, must].map(({ line }) => line).toSorted());
  for (const seed of [1, 2, 3]) assert.equal(drawn(seed)[0], must.line);
  const first = new Set([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => drawn(seed)[1]));
  assert.ok(first.size > 4, "every mutant has its turn");
});

Deno.test("the seed of a day is the same all day long", () => {
  const [morning, evening] = ["2026-01-02T00:00:00Z", "2026-01-02T23:59:59Z"];
  assert.equal(seedOfDay(new Date(morning)), seedOfDay(new Date(evening)));
  assert.equal(seedOfDay(new Date("2026-01-03T00:00:00Z")), seedOfDay(new Date(morning)) + 1);
});

Deno.test("a name needs a reason", () => {
  const complaints = complaintsOf([mutant!], [result("survived")], [{ ...named, reason: " " }]);
  assert.deepEqual(complaints, ["no reason for a.sol: a <= b"]);
});

Deno.test("the summary counts every outcome, and the named among the survivors", () => {
  const results = (["killed", "killed", "invalid", "equal", "survived"] as const).map(result);
  const counts = "5 mutants: 2 killed, 1 invalid, 1 equal bytecode";
  assert.equal(summaryOf(results, [named]), `${counts}, 1 named, 0 unnamed`);
  assert.equal(summaryOf(results, []), `${counts}, 0 named, 1 unnamed`);
});

Deno.test("forge's answer tells a failed test from a failed build and from neither", () => {
  const run = { success: false, stdout: "", stderr: "", isTimeout: false };
  const stdout = "Encountered a total of 1 failing tests, 3 tests succeeded\n";
  assert.equal(outcomeOf({ ...run, success: true }), "survived");
  assert.equal(outcomeOf({ ...run, stdout }), "killed");
  assert.equal(outcomeOf({ ...run, isTimeout: true }), "killed");
  assert.equal(outcomeOf({ ...run, stderr: "Error: Compiler run failed:\n" }), "invalid");
  assert.throws(() => outcomeOf({ ...run, stderr: "killed" }), /neither compiled nor tested/);
});
