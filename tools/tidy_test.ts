import assert from "node:assert/strict";
import { join } from "node:path";
import manifest from "../deno.json" with { type: "json" };
import { HELPER, permissions } from "./permissions.ts";
import {
  cycleComplaints,
  directionComplaints,
  importsOf,
  isCode,
  nameComplaints,
  readSources,
  shippedComplaints,
  sizeComplaints,
  type SourceFile,
  wordComplaints,
} from "./tidy.ts";

const ROOT = join(import.meta.dirname!, "..");
const sources = await readSources(ROOT);

const file = (path: string, text: string): SourceFile => ({ path, text });

Deno.test("files, functions and lines keep to the house's sizes", () => {
  assert.deepEqual(sources.filter(isCode).flatMap(sizeComplaints), []);
});

Deno.test("imports follow the direction of dependencies", () => {
  assert.deepEqual(directionComplaints(sources), []);
});

Deno.test("what is shipped holds no stand-ins and imports none", () => {
  assert.deepEqual(shippedComplaints(sources), []);
});

Deno.test("no imports go in a circle", () => {
  assert.deepEqual(cycleComplaints(sources), []);
});

Deno.test("no file or folder has a name that says nothing", () => {
  assert.deepEqual(nameComplaints(sources), []);
});

Deno.test("no word stands that must not", () => {
  assert.deepEqual(sources.flatMap(wordComplaints), []);
});

Deno.test("every task starts a script that exists", () => {
  const paths = new Set(sources.map(({ path }) => path));
  for (const [name, { command }] of Object.entries(manifest.tasks)) {
    for (const [, script] of command.matchAll(/(?:\$ROOT\/|\b)([\w/]+\.ts)\b/g)) {
      assert.ok(paths.has(script!), `${name}: ${script}`);
    }
  }
});

Deno.test("the tasks run the command line with the permissions of the packaged file", () => {
  for (const name of ["khachapuri", "deploy-spec"] as const) {
    const { command } = manifest.tasks[name];
    const [setUp, start = ""] = command.split(" && ROOT=$PWD && ");
    assert.match(setUp!, /tools\/setup\.ts --sources$/);
    const given = start.split(" ").filter((word) => word.startsWith("--allow-"));
    assert.deepEqual(given, permissions(`"$ROOT/${HELPER}"`));
    assert.match(start, /^cd "\$INIT_CWD" && /, "a path is the caller's own");
  }
});

Deno.test("importsOf() tells static, lazy and type imports apart", () => {
  const text = 'import type { A } from "./a.ts";\nimport {\n  b,\n} from "../b.ts";\n' +
    'export { c } from "c";\nconst d = () => import("./d.ts");\n';
  assert.deepEqual(importsOf(file("lib/cli/x.ts", text)), [
    { file: "lib/cli/x.ts", target: "lib/cli/a.ts", isLazy: false, isTypeOnly: true },
    { file: "lib/cli/x.ts", target: "lib/b.ts", isLazy: false, isTypeOnly: false },
    { file: "lib/cli/x.ts", target: "c", isLazy: false, isTypeOnly: false },
    { file: "lib/cli/x.ts", target: "lib/cli/d.ts", isLazy: true, isTypeOnly: false },
  ]);
});

Deno.test("the rules catch what breaks them", () => {
  const up = file("lib/ipfs/a.ts", 'import { b } from "../chain/b.ts";\n');
  assert.deepEqual(directionComplaints([up]), ["lib/ipfs/a.ts may not import lib/chain/b.ts"]);
  const out = file("sandbox/a.ts", 'import { c } from "../lib/config.ts";\n');
  assert.equal(directionComplaints([out]).length, 1);
  const market = 'import { startMarket } from "../../worlds/market.ts";\n';
  assert.equal(shippedComplaints([file("lib/cli/a.ts", market)]).length, 1);
  assert.deepEqual(shippedComplaints([file("lib/cli/a_test.ts", market)]), []);
  assert.deepEqual(shippedComplaints([file("tools/a/b.ts", market)]), []);
  const token = 'import { Token } from "../test/support/Token.sol";\n';
  assert.equal(shippedComplaints([file("contracts/src/A.sol", token)]).length, 1);
  assert.equal(shippedComplaints([file("lib/fake_chain.ts", "")]).length, 1);
  assert.equal(shippedComplaints([file("sandbox/testing/host.ts", "")]).length, 1);
  const ring = [
    file("a.ts", 'import { b } from "./b.ts";\n'),
    file("b.ts", 'import { a } from "./a.ts";\n'),
  ];
  assert.deepEqual(cycleComplaints(ring), ["a.ts → b.ts → a.ts"]);
  const typeRing = [
    file("sandbox/a.ts", 'import type { B } from "./b.ts";\n'),
    file("sandbox/b.ts", 'export type { A } from "./a.ts";\n'),
  ];
  assert.deepEqual(cycleComplaints(typeRing), ["sandbox/a.ts → sandbox/b.ts → sandbox/a.ts"]);
  assert.deepEqual(cycleComplaints(typeRing, []), []);
  const body = "  x();\n".repeat(70);
  const long = file("a.ts", `function f(): void {\n${body}}\nfunction g(): void {\n  x();\n}\n`);
  assert.deepEqual(sizeComplaints(long), ["a.ts:1: 72 lines"]);
  const inner = `  function g(): void {\n${"    x();\n".repeat(60)}  }\n`;
  const nested = `function f(): void {\n${inner}${"  x();\n".repeat(20)}}\n`;
  assert.deepEqual(sizeComplaints(file("tests/a.ts", nested)), []);
  assert.deepEqual(sizeComplaints(file("lib/a.ts", nested)), ["lib/a.ts:1: 84 lines"]);
  assert.equal(sizeComplaints(file("a.ts", "x();\n".repeat(401))).length, 1);
  assert.equal(sizeComplaints(file("a.ts", `// ${"é ".repeat(49)}\n`)).length, 1);
  assert.equal(nameComplaints([file("lib/utils/a.ts", ""), file("lib/a/common.ts", "")]).length, 2);
  const words = ["deno run -" + "A main.ts", "--allow-" + "all", "// TO" + "DO: x"];
  for (const word of words) assert.equal(wordComplaints(file("a.md", word)).length, 1, word);
  assert.deepEqual(wordComplaints(file("a.md", "curl -A agent/1.0 https://x")), []);
});
