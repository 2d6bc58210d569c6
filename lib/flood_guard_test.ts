import assert from "node:assert/strict";
import { FloodGuard } from "./flood_guard.ts";

function openGuard() {
  const clock = { now: 0 };
  const later: (() => void)[] = [];
  const told: number[] = [];
  const guard = new FloodGuard(() => clock.now, (callback) => void later.push(callback));
  const tell = (suppressed: number) => void told.push(suppressed);
  const written = (count: number, message = "it failed") =>
    Array.from({ length: count }, () => guard.admits(message, tell)).filter(Boolean).length;
  return { clock, later, told, written };
}

Deno.test("so many lines of one message are written in a window, of the rest the number is told", () => {
  const { clock, later, told, written } = openGuard();
  assert.equal(written(1_000), 50);
  assert.equal(written(1, "another"), 1, "other messages are none of it");
  clock.now = 9_999;
  assert.equal(written(10), 0);
  assert.equal(later.length, 1, "it is told of once");
  clock.now = 10_000;
  later.shift()!();
  assert.deepEqual(told, [960]);
  assert.equal(written(60), 50);
  later.shift()!();
  assert.deepEqual(told, [960, 10]);
});

Deno.test("nothing is told where nothing was suppressed", () => {
  const { later, written } = openGuard();
  assert.equal(written(50), 50);
  assert.deepEqual(later, []);
});

Deno.test("a clock that goes back begins a window anew", () => {
  const { clock, written } = openGuard();
  clock.now = 100_000;
  written(60);
  clock.now = 5;
  assert.equal(written(1), 1);
});
