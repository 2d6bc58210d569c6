import assert from "node:assert/strict";
import { join } from "node:path";
import { moneyTarget } from "./money_mutants.ts";
import type { Mutant } from "./mutant.ts";
import { complaintsOf, entryOf, type Target } from "./mutation.ts";
import { run } from "./mutation_run.ts";
import { shuffled } from "./sample.ts";
import { testsOf } from "./test_choice.ts";
import { namedMutant, type TypescriptTarget, typescriptTarget } from "./typescript_target.ts";

const SOURCE = `export function priceOf(count: bigint): bigint {
  const isMany = count > 9n;
  let sum = 0n;
  for (let n = 0n; n < count; n += 1n) sum += 2n;
  return isMany ? sum : sum;
}
`;
const TEST = `import { priceOf } from "./price.ts";
Deno.test("a price is counted", () => {
  if (priceOf(3n) !== 6n) throw new Error("not six");
});
`;

interface Planted extends AsyncDisposable {
  root: string;
  target: Target;
}

/** A project with a source, its test and a survivor: nothing depends on whether it is many. */
async function plant(changes: Partial<TypescriptTarget> = {}): Promise<Planted> {
  const root = await Deno.makeTempDir({ prefix: "khachapuri-planted-" });
  await Deno.writeTextFile(join(root, "deno.json"), '{ "lock": false }');
  await Deno.mkdir(join(root, "node_modules"));
  await Deno.writeTextFile(join(root, "price.ts"), SOURCE);
  await Deno.writeTextFile(join(root, "price_test.ts"), TEST);
  await Deno.writeTextFile(join(root, "survivors.json"), "[]");
  const target = typescriptTarget({
    root,
    copied: ["deno.json", "price.ts", "price_test.ts"],
    sources: ["*.ts"],
    named: [],
    tests: { last: [], without: [] },
    survivors: join(root, "survivors.json"),
    minutes: null,
    hangMs: 2_000,
    ...changes,
  });
  return { root, target, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}

async function mutantThat(target: Target, becomes: string): Promise<Mutant> {
  const found = (await target.mutants()).find((mutant) => mutant.becomes === becomes);
  assert.ok(found, becomes);
  return found;
}

const SURVIVOR = "const isMany = count >= 9n;";
const KILLED = "for (let n = 0n; n < count; n += 1n) sum += 3n;";
const HANGING = "for (let n = 0n; n < count; n -= 1n) sum += 2n;";

Deno.test("a planted survivor is found, a mutant that fails a test or hangs is killed", async () => {
  await using planted = await plant();
  const { root, target } = planted;
  const becomes = [SURVIVOR, KILLED, HANGING];
  const mutants = await Promise.all(becomes.map((line) => mutantThat(target, line)));
  const results = await run(target, mutants, Infinity);
  const outcomes = mutants.map((mutant) => results.find((r) => r.mutant === mutant)?.outcome);
  assert.deepEqual(outcomes, ["survived", "killed", "killed"]);
  assert.equal(await Deno.readTextFile(join(root, "price.ts")), SOURCE, "only copies are changed");
  const entry = { ...entryOf(mutants[0]!), reason: "nothing depends on it" };
  const all = await target.mutants();
  assert.match(complaintsOf(mutants, results, [])[0]!, /^no test notices price\.ts:2 in priceOf/);
  assert.deepEqual(complaintsOf(mutants, results, [entry]), []);
  const stale = { ...entryOf(mutants[1]!), reason: "was so once" };
  assert.match(complaintsOf(mutants, results, [entry, stale])[0]!, /^named as a survivor and none/);
  assert.match(complaintsOf(all, [], [{ ...entry, within: "f" }])[0]!, /^named as a survivor/);
});

Deno.test("a name is not stale because a test failed once", async () => {
  await using planted = await plant();
  const { target } = planted;
  const mutant = await mutantThat(target, SURVIVOR);
  let tests = 0;
  const flaky: Target = {
    ...target,
    survivors: () => Promise.resolve([{ ...entryOf(mutant), reason: "nothing depends on it" }]),
    workspace: () =>
      Promise.resolve({
        test: () => Promise.resolve(++tests === 1 ? "killed" as const : "survived" as const),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
  const [result] = await run(flaky, [mutant], Infinity);
  assert.deepEqual([result!.outcome, tests], ["survived", 2]);
  const unnamed = { ...flaky, survivors: () => Promise.resolve([]) };
  tests = 0;
  assert.equal((await run(unnamed, [mutant], Infinity))[0]!.outcome, "killed");
});

Deno.test("nothing is begun after the time is over", async () => {
  await using planted = await plant();
  const mutants = await planted.target.mutants();
  assert.deepEqual(await run(planted.target, mutants, 0), []);
});

Deno.test("a run that is stopped ends what hangs, and leaves no copy", async () => {
  await using planted = await plant({ hangMs: 600_000 });
  const { root, target } = planted;
  const heard = join(root, "heard");
  const tell = `Deno.writeTextFileSync("${heard}", Deno.pid + " " + Deno.cwd() + "\\n", ` +
    `{ append: true });\n`;
  await Deno.writeTextFile(join(root, "price_test.ts"), tell + TEST);
  const stop = new AbortController();
  const running = run(target, [await mutantThat(target, HANGING)], Infinity, stop.signal);
  // The unchanged source first, then the mutant; bounded by the test runner.
  let lines: string[] = [];
  while (lines.length < 2) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    lines = (await Deno.readTextFile(heard).catch(() => "")).trim().split("\n");
  }
  stop.abort(new Error("stopped"));
  await assert.rejects(running, /stopped/);
  const [pid, copy] = lines[1]!.split(" ");
  const { success: isAlive } = await new Deno.Command("ps", { args: ["-p", pid!] }).output();
  assert.ok(!isAlive, "what hung goes on");
  await assert.rejects(Deno.stat(copy!), Deno.errors.NotFound);
});

Deno.test("unchanged sources that fail are no kill", async () => {
  await using planted = await plant();
  const { root, target } = planted;
  const mutant = await mutantThat(target, KILLED);
  await Deno.writeTextFile(join(root, "price_test.ts"), TEST.replace("6n", "7n"));
  await assert.rejects(run(target, [mutant], Infinity), /the unchanged sources fail/);
});

Deno.test("what has to be noticed has one place, or the run fails", () => {
  const files = [{ path: "price.ts", text: SOURCE }];
  const named = { name: "two is three", file: "price.ts", from: "sum += 2n", to: "sum += 3n" };
  const { line, becomes, name } = namedMutant(named, files);
  assert.deepEqual([line.includes(named.from), becomes, name], [true, KILLED, named.name]);
  for (const from of ["sum", "nowhere"]) {
    assert.throws(() => namedMutant({ ...named, from }, files), /"two is three" has \d+ places/);
  }
});

Deno.test("a pattern that matches nothing is an error: what it meant has moved", async () => {
  await using planted = await plant({ sources: ["*.ts", "money/*.ts"] });
  await assert.rejects(planted.target.mutants(), /nothing is called money\/\*\.ts/);
});

Deno.test("tests beside a source are asked first, then those around it, then the slow ones", () => {
  const imports = (...paths: string[]) => paths.map((path) => `import "${path}";\n`).join("");
  const files = [
    { path: "lib/a.ts", text: "" },
    { path: "lib/b.ts", text: imports("./a.ts") },
    { path: "lib/type.ts", text: 'import type { A } from "./a.ts";\n' },
    { path: "lib/a_test.ts", text: imports("./a.ts") },
    { path: "lib/a_model_test.ts", text: imports("./a.ts") },
    { path: "lib/b_test.ts", text: imports("./b.ts") },
    { path: "lib/type_test.ts", text: imports("./type.ts") },
    { path: "lib/c_test.ts", text: imports("./a.ts") },
    { path: "lib/slow_test.ts", text: imports("./b.ts") },
    { path: "lib/far/c_test.ts", text: imports("../b.ts") },
  ];
  assert.deepEqual(
    testsOf("lib/a.ts", files, {
      last: ["lib/slow_test.ts", "lib/type_test.ts"],
      without: ["lib/c_test.ts"],
    }),
    [
      ["lib/a_model_test.ts", "lib/a_test.ts"],
      ["lib/b_test.ts"],
      ["lib/slow_test.ts"],
    ],
  );
});

Deno.test("every mutant of the money that must be noticed has its place, some are run", async () => {
  const mutants = await moneyTarget.mutants();
  const quick = shuffled(mutants, 1).filter(({ file, name }) =>
    name !== undefined && file === "lib/permit.ts"
  );
  assert.ok(quick.length > 0);
  const results = await run(moneyTarget, quick, Infinity);
  assert.deepEqual(results.map(({ outcome }) => outcome), quick.map(() => "killed"));
});

Deno.test("every name in the money's list of survivors is a mutant of today, with a reason", async () => {
  const mutants = await moneyTarget.mutants();
  assert.deepEqual(complaintsOf(mutants, [], await moneyTarget.survivors()), []);
});
