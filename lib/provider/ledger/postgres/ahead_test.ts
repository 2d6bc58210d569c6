import assert from "node:assert/strict";
import { Ahead } from "./ahead.ts";

/** Calls that come and find nothing, so many. */
function missed(count: number): Ahead {
  const ahead = new Ahead();
  for (let calls = 0; calls < count; calls++) assert.equal(ahead.take(), false);
  return ahead;
}

Deno.test("one call alone has nothing held ahead, and with each that finds none there is one more", () => {
  assert.equal(missed(1).wanted(), 0);
  assert.equal(missed(2).wanted(), 2);
  assert.equal(missed(5).wanted(), 5);
  assert.equal(missed(1_000).wanted(), 64);
});

Deno.test("what is on its way is not wanted again, and what was not granted is", () => {
  const ahead = missed(4);
  ahead.ask(4);
  assert.equal(ahead.wanted(), 0);
  ahead.answer(4, 3);
  assert.equal(ahead.spare, 3);
  assert.equal(ahead.wanted(), 1);
  assert.equal(ahead.take(), true);
  assert.equal(ahead.wanted(), 2);
});

Deno.test("what nobody has missed from one sweep to the next goes back, and is wanted no more", () => {
  const ahead = missed(4);
  ahead.ask(4);
  ahead.answer(4, 4);
  assert.equal(ahead.sweep(), 0);
  ahead.take();
  ahead.take();
  ahead.ask(2);
  ahead.answer(2, 2);
  assert.equal(ahead.sweep(), 2);
  assert.equal(ahead.spare, 2);
  assert.equal(ahead.sweep(), 2);
  assert.equal(ahead.spare, 0);
  assert.equal(ahead.wanted(), 0);
});

Deno.test("in a new session nothing is held, and nothing is on its way", () => {
  const ahead = missed(3);
  ahead.ask(3);
  ahead.beginAnew();
  assert.equal(ahead.wanted(), 3);
  ahead.answer(0, 0);
  assert.equal(ahead.spare, 0);
});
