import assert from "node:assert/strict";
import { hasToLeave } from "./fair_share.ts";

const demand = (concurrency: number, running: Record<string, number>, refused: string[]) => ({
  concurrency,
  running: new Map(Object.entries(running)),
  refused,
});

Deno.test("a deployment that has all slots leaves one to another that was refused", () => {
  assert.equal(hasToLeave("a", demand(4, { a: 4 }, ["b"])), true);
  assert.equal(hasToLeave("a", demand(6, { a: 5, b: 1 }, ["b"])), true);
});

Deno.test("nobody leaves while another is about to, or nobody was refused", () => {
  assert.equal(hasToLeave("a", demand(4, { a: 3 }, ["b"])), false);
  assert.equal(hasToLeave("a", demand(4, { a: 4 }, [])), false);
});

Deno.test("nobody leaves who has its share or less", () => {
  assert.equal(hasToLeave("a", demand(4, { a: 2, b: 2 }, ["b"])), false);
  assert.equal(hasToLeave("a", demand(4, { a: 1, b: 3 }, ["c"])), false);
  assert.equal(hasToLeave("b", demand(4, { a: 1, b: 3 }, ["c"])), true);
});

Deno.test("a deployment's own calls, and those of one that has its share, make nobody leave", () => {
  assert.equal(hasToLeave("a", demand(4, { a: 4 }, ["a"])), false);
  assert.equal(hasToLeave("a", demand(5, { a: 3, b: 2 }, ["b"])), false);
});

Deno.test("where more deployments want slots than there are, each keeps one", () => {
  assert.equal(hasToLeave("a", demand(2, { a: 1, b: 1 }, ["c", "d"])), false);
  assert.equal(hasToLeave("a", demand(2, { a: 2 }, ["b", "c", "d"])), true);
});
