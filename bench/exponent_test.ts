import assert from "node:assert/strict";
import { exponent, type Point } from "./exponent.ts";

const SIZES = [1, 10, 100, 1_000];
const of = (value: (n: number) => number) => SIZES.map((n): Point => [n, value(n)]);

function assertNear(value: number, wanted: number): void {
  assert.ok(Math.abs(value - wanted) < 1e-9, `${value} is not ${wanted}`);
}

Deno.test("the exponent is the power of n that the values follow, whatever they begin with", () => {
  for (const power of [0, 0.5, 1, 2, -1]) assertNear(exponent(of((n) => 7 * n ** power)), power);
});

Deno.test("a constant beside what grows flattens the line", () => {
  const found = exponent(of((n) => 100 + n));
  assert.ok(found > 0.2 && found < 0.4, `${found}`);
});

Deno.test("what is nothing is left out, and one size alone says nothing", () => {
  assertNear(exponent([[0, 5], [10, 0], ...of((n) => n)]), 1);
  assert.ok(Number.isNaN(exponent([[4, 1], [4, 2]])));
  assert.ok(Number.isNaN(exponent([])));
});
